//! An emulator of Amazon IVS Real-Time: the wire protocol (REST-JSON, API version
//! 2020-07-14, SigV4), the constraints and errors of the model, the call rates, and
//! injected faults.
//!
//! The AWS SDKs and the AWS CLI call it through their endpoint URL. It runs as the program
//! `ivs-realtime-emulator`, in a background thread of a test ([`Background`]), or in
//! process without a socket ([`Emulator::respond`]).
//!
//! ```
//! use ivs_realtime_emulator::{Background, Fault, FaultKind, Operation, Settings};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Background::start(Settings::for_tests())?;
//! let stage_arn = emulator.create_stage("studio", [("tenant".into(), "acme".into())].into());
//! assert_eq!(stage_arn, "arn:aws:ivs:us-east-1:123456789012:stage/Studio0001");
//!
//! // The next create is executed, and its response is lost.
//! let lost = Fault::new(FaultKind::DropAfter).on(Operation::CreateIngestConfiguration);
//! emulator.control().add_fault(&lost.times(1))?;
//!
//! // Here an SDK client calls `emulator.url()`.
//!
//! assert_eq!(emulator.control().calls_of(Operation::CreateIngestConfiguration)?.executed, 0);
//! # Ok(())
//! # }
//! ```
//!
//! All state is in memory. The control API below `/_emulator/` requires no signature and
//! shows stream keys, so the emulator must listen on loopback only.
//!
//! # The path of a request
//!
//! `server` → `service` → `signature` → `operations` (parse) → `world` (rate, fault) →
//! `operations` (execute) → `wire` (response). A request of the control API takes the path
//! `service` → `control` → `world`.
//!
//! # Determinism
//!
//! Wall time comes from [`Settings::clock`], ids and stream keys from [`Settings::ids`],
//! random draws of faults from [`Settings::seed`], and monotonic time from tokio. If the
//! first three are fixed and tokio's clock is paused, a sequence of requests gets the same
//! responses in each run.

mod background;
mod bucket;
pub mod cli;
mod client;
mod clock;
mod control;
mod emulator;
mod fault;
mod faults;
mod ids;
mod operation;
mod operations;
mod random;
mod resources;
mod server;
mod service;
mod settings;
mod shapes;
mod signature;
mod validation;
mod wire;
mod world;

pub use background::Background;
pub use client::{ControlClient, ControlError};
pub use clock::Clock;
pub use emulator::Emulator;
pub use fault::{Fault, FaultKind};
pub use ids::Ids;
pub use operation::Operation;
pub use server::Server;
pub use service::ConnectionClosed;
pub use settings::Settings;
pub use shapes::{
    Calls, ConfigurationSnapshot, FaultReport, PublishState, SettingsChange, Snapshot,
    StageSnapshot,
};
pub use wire::ResponseBody;
