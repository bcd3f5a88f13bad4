/// An Amazon IVS Real-Time of its own, for development and for tests.
pub mod emulator;
pub mod proto;
pub mod tenant;
