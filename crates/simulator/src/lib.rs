//! A deterministic simulation of the gateway: its real core, service, SQL and SDK client, and
//! the real emulator of AWS, on one thread in virtual time. A seed determines every call,
//! fault, crash and response, so that a failure can be repeated.
//!
//! `docs/simulation.md` describes how to use it.
//!
//! | module | content |
//! | --- | --- |
//! | [`plan`] | the callers and the faults of a run, as data |
//! | [`draw`] | draws a plan from a seed |
//! | [`level`] | what a run assumes of AWS, the machine and the operator |
//! | [`run`] | runs a plan and compares the results |
//! | [`shrink`] | removes what a violation does not need |
//! | [`caller`] | the callers |
//! | [`gateway`] | one process of the gateway |
//! | [`network`] | the network to AWS, and its faults |
//! | [`disk`] | the ledger's file, and its faults |
//! | [`history`] | what happened, and the promises that hold at every moment |
//! | [`fairness`] | the shares of tenants that wait |
//! | [`clock`] | the wall clock, and its steps |
//! | [`trace`] | the events of a run |
//! | [`random`] | draws that a seed reproduces |

pub mod caller;
pub mod clock;
pub mod disk;
pub mod draw;
pub mod fairness;
pub mod gateway;
pub mod history;
pub mod level;
pub mod network;
pub mod plan;
pub mod random;
pub mod run;
pub mod shrink;
pub mod trace;
