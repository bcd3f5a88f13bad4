//! The account, region and endpoint whose configurations a ledger records.

use std::fmt;

/// The account, region and endpoint of AWS whose configurations a ledger records. With another
/// one, every configuration of the ledger would appear to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The region.
    pub region: String,
    /// The account, if it is known.
    pub account_id: Option<String>,
    /// The URL of the endpoint.
    pub endpoint: String,
}

impl Upstream {
    /// Whether both name the same configurations. An account that is not known may be any.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let accounts = (&self.account_id, &other.account_id);
        self.region == other.region
            && self.endpoint == other.endpoint
            && !matches!(accounts, (Some(account), Some(other)) if account != other)
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(account_id) = &self.account_id {
            write!(f, "account {account_id} ")?;
        }
        write!(f, "in {} at {}", self.region, self.endpoint)
    }
}
