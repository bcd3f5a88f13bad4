//! Tests of the whole gateway: the binary, started as users start it, on a free port and
//! against the emulator. Each file has one topic.
//!
//! Each test has its own [`support::World`]. At the end of every test, no stream key may
//! appear in logs and files of the gateway, or in any part of a response that must not
//! contain one.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod support;

mod adopt;
mod aws_responses;
mod aws_settings;
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
mod restore;
mod retries;
mod server;
mod stages;
mod startup;
