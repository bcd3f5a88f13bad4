//! The work on the file that a command does while no gateway runs.

use std::path::Path;

use super::{
    super::Comparison,
    SqliteLedger, Store, binding,
    open::{self, OpenError},
    reconciling,
};

impl SqliteLedger {
    /// Creates the ledger of a gateway that has created nothing at AWS before. The first start
    /// checks that with one scan.
    ///
    /// # Errors
    /// [`OpenError`], also if the file exists.
    pub fn create(path: &Path) -> Result<(), OpenError> {
        open::create_new(path)?;
        Store::change(path, |connection| {
            reconciling::set_comparison(connection, Comparison::OneScan)
        })
    }

    /// Ends the binding of the ledger to its upstream.
    ///
    /// # Errors
    /// [`OpenError`], also if the file does not exist.
    pub fn rebind(path: &Path) -> Result<(), OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing(path.to_owned()));
        }
        Store::change(path, |connection| {
            binding::unbind(connection)?;
            reconciling::set_comparison(connection, Comparison::TwoScans)
        })
    }
}
