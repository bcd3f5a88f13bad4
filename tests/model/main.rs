//! Model checking of the protocol of creates and deletes. Explores every state that a few
//! clients, gateways and faults can reach, in a model of everything around the ledger's
//! decisions. The decisions are the code of the gateway: `ledger::state`, `ledger::decide`,
//! `ledger::Comparison` and `reconcile::rules`.
//!
//! | module | models | code |
//! | --- | --- | --- |
//! | `scene` | bounds, parts, times and rules of an exploration | |
//! | `scenes` | the explorations | |
//! | `world` | durable state, state of AWS | |
//! | `memory` | state that a crash loses | |
//! | `sets` | sets and ages in a few bits, for a small state | |
//! | `steps` | the possible steps, and which of them are faults | |
//! | `ledger` | each of the ledger's transactions, in one step | `ledger::sqlite` |
//! | `adopting` | the ledger's adoption of a configuration | `ledger::sqlite` |
//! | `calls` | clients that repeat or cancel calls, and their creates | `handlers::create` |
//! | `deletes` | deletes by callers, and those without an outcome | `handlers::delete`, `reconcile::resolver::deletes` |
//! | `recording` | records after a failed write | `handlers::recording` |
//! | `resolving` | reads of in-doubt rows, probes, conclusions: one step each | `reconcile::resolver` |
//! | `scanning` | pages, reads, adoption, duplicates | `reconcile::scan` |
//! | `comparing` | rows without a configuration, the comparison at a start | `reconcile::scan` |
//! | `upstream` | AWS, time, leases | |
//! | `faults` | crashes, a lost or restored ledger, clock steps, another account | |
//! | `properties` | the invariants, and the definition of a resolved state | |
//! | `explorer` | breadth-first visit of every state | |
//!
//! To read it: `scene`, then one file of `scenes`, then `world`.
//!
//! Between two steps of one part, every other part can take steps. Calls arrive and time out,
//! and gateways are killed, at any moment and any number of times. The number of operation
//! ids, and of sendings of each, bounds a scene. A scene has only the parts and faults that its
//! rules are about: all of them together have too many states.
//!
//! Each rule of `scene::Rule` can be removed. A scene shows then that the explorer finds a
//! violation, or a state that never recovers.
//!
//! # Assumptions
//!
//! Time advances in ticks. `scenes::TIMES` has the default times: a create may be sent again
//! after two ticks, and is given up after three.
//!
//! - AWS executes a create at most one tick after its row became `SENDING`, and the gateway
//!   waits for the response at most that long.
//! - One tick after the execution, every list shows the configuration. So a configuration is
//!   listed at the latest when its create may be sent again.
//! - A read shows the configuration and its tags immediately.
//! - AWS executes a delete at most one tick after it was sent.
//! - A lease may end at any moment, also while its task runs.
//! - The ledger is lost, or replaced by an older copy, at most once, and at any moment.
//!
//! A scene that breaks an assumption names it in its `Part`s or `times`, and names the
//! violations that it tolerates.
//!
//! # Omissions
//!
//! Updates, the pruning of ended rows, a second tenant, lists of more than two pages, lists and
//! reads that show a deleted configuration, pages that an insertion moves, two running deletes of
//! one configuration, and the comparison after a crash, which only finds more.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, reason = "a panic of the model fails the test")]

mod adopting;
mod calls;
mod comparing;
mod deletes;
mod explorer;
mod faults;
mod ledger;
mod memory;
mod properties;
mod recording;
mod resolving;
mod scanning;
mod scene;
mod scenes;
mod sets;
mod steps;
mod upstream;
mod world;
