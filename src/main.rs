//! The `ivs-ingest-gateway` binary: the allocator, and the call of the library.

use std::process::ExitCode;

// mimalloc reduces the CPU time of a call: see docs/decisions/0003-current-thread-workers.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ivs_ingest_gateway::cli::main()
}
