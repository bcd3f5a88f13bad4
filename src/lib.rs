pub mod proto;
pub mod tenant;
