//! `check-config`: reports the problems of a configuration file and of the AWS settings.

use std::path::Path;

use super::{Failure, environment, say};
use crate::{config::Config, ivs};

pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let config = Config::load(path, environment())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(ivs::check_settings(&config.upstream, std::env::vars_os()))?;
    let tenants = config.tenants.named.len();
    let default = if config.tenants.default.is_some() {
        "others use tenants.default"
    } else {
        "others are rejected"
    };
    say(&format!("{} is valid; tenants named: {tenants}; {default}", path.display()));
    Ok(())
}
