//! How fairly AWS's calls are shared, and how true what callers are told of it is.
//!
//! | module | what it shows | by |
//! | --- | --- | --- |
//! | `mixes` | shares, waits, bounds and predictions for mixes of tenants | simulation |
//! | `throttles` | the rate that is found when others spend from the account | simulation |
//! | `simulation` | tenants, AWS and the network around the gateway's own schedule | |
//!
//! `tests/gateway/fairness.rs` shows the same of the gateway itself, as its users run it.
//!
//! A simulation takes thousands of seconds in one. It draws from a seed, so that every
//! run is the same. What it finds is printed past the capture of a test's output, because
//! it is what the test is run for.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod mixes;
mod simulation;
mod throttles;
