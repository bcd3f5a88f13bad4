//! `check-config`: reports the problems of a configuration file.

use std::path::Path;

use super::{Failure, environment, say};
use crate::config::Config;

pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let config = Config::load(path, environment())?;
    let tenants = config.tenants.named.len();
    let default = if config.tenants.default.is_some() {
        "others use tenants.default"
    } else {
        "others are rejected"
    };
    say(&format!("{} is valid; tenants named: {tenants}; {default}", path.display()));
    Ok(())
}
