//! The fairness of the shares of AWS's calls, and the accuracy of predicted waits.
//!
//! | module | shows | by |
//! | --- | --- | --- |
//! | `mixes` | shares, waits, bounds and predictions for mixes of tenants | simulation |
//! | `throttles` | the rate that the pacer finds when other software uses the account | simulation |
//! | `simulation` | tenants, AWS and the network around the gateway's schedule | |
//!
//! `tests/gateway/fairness.rs` shows the same for the whole gateway.
//!
//! A simulation runs thousands of virtual seconds in a second. A seed makes every run equal.
//! The results bypass the capture of test output, because they are the purpose of the test.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod mixes;
mod simulation;
mod throttles;
