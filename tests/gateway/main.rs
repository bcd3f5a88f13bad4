//! The whole gateway, started as users start it: the binary, on a free port, against
//! an emulator of AWS. One file a theme.
//!
//! Each test has a [`support::World`] of its own. At its end no stream key may stand in
//! anything that the gateway wrote, at any level, or answered where none belongs.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod support;

mod adopt;
mod crash;
mod create;
mod differential;
mod drain;
mod errors;
mod examples;
mod executed;
mod fairness;
mod grpcurl;
mod idempotency;
mod isolation;
mod life;
mod logs;
mod metrics;
mod pacing;
mod quota;
mod retries;
mod server;
mod stages;
mod startup;
