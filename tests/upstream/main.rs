//! The gateway's side of AWS, over real sockets: what a failed call proves, how
//! doubts are settled, and how the ledger is kept true.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the harness fails a test as a test does")]

mod outcomes;
mod resolving;
mod scanning;
mod support;
