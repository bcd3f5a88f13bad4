//! The IVS ingest gateway: a gRPC gateway in front of Amazon IVS Real-Time.
//!
//! # The modules, in the order of their imports
//!
//! A module imports only modules below it in this table. `ARCHITECTURE.md` has the path of
//! a call through them.
//!
//! | module | content |
//! | --- | --- |
//! | [`cli`] | the commands of the binary |
//! | [`gateway`] | composition root: builds, starts and drains everything below |
//! | [`core`] | pacers, reconciliation and handlers, without listeners |
//! | [`edge`] | the steps before every handler, in order: id, load, identity, limits, deadline |
//! | [`rpc`] | the gRPC service, conversions and the error table |
//! | [`handlers`] | one file for each RPC |
//! | [`error`] | the failures of a call, as its caller sees them |
//! | [`reconcile`] | resolution of unknown outcomes, scans of AWS, rebuild of a lost ledger |
//! | [`ivs`] | Amazon IVS Real-Time through the AWS SDK |
//! | [`ledger`] | idempotency and quota, durable |
//! | [`pacer`] | fair queue for a rate-limited upstream |
//! | [`config`] | TOML and environment to typed values; all problems in one report |
//! | [`server`] | accept, TLS, HTTP/2, limits, admin listener; knows no gRPC |
//! | [`tenancy`] | tenants: ids, registry, limits, tags, ownership of stages |
//! | [`ids`] | the source of ids and randomness |
//! | [`request`] | parsed requests and their rules; pure |
//! | [`proto`] | generated messages and the descriptor set |
//! | [`telemetry`] | record of a call, access log, metrics registry |
//! | [`clock`] | the wall clock and the monotonic clock |
//! | [`tasks`] | spawns tasks, which a simulator can end as a crash would |
//!
//! # What is absent where
//!
//! tonic is known to `edge`, `rpc` and `proto` alone (`gateway` starts its health service),
//! the AWS SDK to `ivs` alone, SQL to `ledger::sqlite` alone. `request`, the tags and the
//! ledger's decisions do no I/O. Only `cli` knows the emulator, a crate of its own
//! (`crates/emulator`). `tests/architecture` checks the table and these rules.
//!
//! Stream keys are `SecretString` from the moment they are read. Only `rpc::convert` exposes
//! them, and they are in no log, error or row.
//!
//! # What always holds
//!
//! - A row's state changes by [`ledger::State::after`] and by nothing else.
//! - A row is durably `SENDING` before any byte of its create goes to AWS. The SDK never
//!   repeats a call to AWS.
//! - Quota use is the count of rows that may exist at AWS. It is never a counter.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "unit tests may read the system clock")
)]

pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod edge;
pub mod error;
pub mod gateway;
pub mod handlers;
pub mod ids;
pub mod ivs;
pub mod ledger;
pub mod pacer;
pub mod proto;
pub mod reconcile;
pub mod request;
pub mod rpc;
pub mod server;
pub mod tasks;
pub mod telemetry;
pub mod tenancy;
