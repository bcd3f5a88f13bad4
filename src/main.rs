//! The `ivs-ingest-gateway` binary: the allocator, and the call of the library.

use std::process::ExitCode;

// The allocator has the second largest effect on the cost of a call, after the runtime.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ivs_ingest_gateway::cli::main()
}
