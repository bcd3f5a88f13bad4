//! The gateway's side of AWS over real sockets: the classification of failed calls, the
//! resolver, and the scan.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the harness fails a test as a test does")]

mod outcomes;
mod resolving;
mod scanning;
mod support;
