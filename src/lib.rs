/// The configuration: one TOML file, with the environment laid over it.
pub mod config;
pub mod proto;
pub mod server;
pub mod tenant;
