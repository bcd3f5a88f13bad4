//! The gateway's side of AWS over real sockets: the classification of failed calls, the
//! resolver, and the scan.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic of the harness fails the test")]

mod outcomes;
mod resolving;
mod scanning;
mod support;
