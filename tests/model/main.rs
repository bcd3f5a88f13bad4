//! placeholder
#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, reason = "a panic of the model fails the test")]

mod calls;
mod comparing;
mod deletes;
mod explorer;
mod faults;
mod ledger;
mod properties;
mod resolving;
mod scanning;
mod scene;
mod scenes;
mod sets;
mod steps;
mod upstream;
mod world;
