pub mod proto;
pub mod server;
pub mod tenant;
