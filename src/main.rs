//! The `ivs-ingest-gateway` binary: only what must be in place before the library
//! can begin.

use std::process::ExitCode;

// The allocator is the second largest cost of a call, after the runtime's flavour.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ivs_ingest_gateway::cli::main()
}
