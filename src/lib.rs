//! The IVS ingest gateway: a gRPC gateway in front of Amazon IVS Real-Time.
//!
//! # The path of a call, which is also the order to read in
//!
//! | module | what it does |
//! | --- | --- |
//! | [`cli`] | the commands of the binary: reads the configuration, builds the rest |
//! | [`gateway`] | puts the rest together, starts and drains it |
//! | [`config`] | one TOML file and the environment: every problem at once |
//! | [`server`] | accepts, speaks TLS and HTTP/2, drains; knows no gRPC |
//! | [`front`] | what every call passes, in order: id, load, identity, limits, deadline |
//! | [`observe`], [`deadline`], [`auth`] | the steps of `front` |
//! | [`quota`] | each tenant's rates and calls at once, in memory |
//! | [`rpc`] | the gRPC service and the error table |
//! | [`operations`] | what each RPC does, one file an RPC |
//! | [`ingest`], [`tags`] | parsed requests and the tenancy tags; pure |
//! | [`stages`] | whose a stage is |
//! | [`ledger`] | idempotency and quota, durable |
//! | [`pacer`] | a fair share of AWS's calls a second, and how long a call would wait |
//! | [`settle`] | finds out what became of creates whose outcome is unknown |
//! | [`sweep`] | keeps the ledger true to AWS, and rebuilds a lost one |
//! | [`ivs`] | Amazon IVS Real-Time through the AWS SDK |
//!
//! # What is absent where
//!
//! Calls go down that table only. tonic is known to `front` and `rpc` alone, the
//! AWS SDK to `ivs` alone, SQL to `ledger` alone. `ingest`, `tags` and the ledger's
//! transition function do no I/O. Only `cli` knows the
//! emulator, a crate of its own (`crates/emulator`).
//! Stream keys are `SecretString` from the moment they are read, leave in
//! `rpc::convert` alone, and are in no log, error or row.
//!
//! # What always holds
//!
//! - A row's state changes by [`ledger::State::after`] and by nothing else.
//! - A row is durably `SENDING` before any byte of its create goes to AWS, and no
//!   call to AWS is repeated by the SDK.
//! - Quota use is the count of rows that may exist at AWS. It is never a counter.

pub mod auth;
pub mod cli;
pub mod config;
pub mod deadline;
pub mod error;
pub mod front;
pub mod gateway;
pub mod ingest;
pub mod ivs;
pub mod ledger;
pub mod metrics;
pub mod observe;
pub mod operations;
pub mod pacer;
pub mod proto;
pub mod quota;
pub mod rpc;
pub mod server;
pub mod settle;
pub mod stages;
pub mod sweep;
pub mod tags;
pub mod tenant;
