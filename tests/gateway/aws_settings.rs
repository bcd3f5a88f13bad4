//! The settings of the AWS conventions: each is used as documented, and each mistake is named.

mod credentials;
mod mistakes;
mod network;

use std::fs;

use crate::support::{Aws, Gateway, UNSET, World};

/// No credentials in the variables that every test sets.
pub(crate) const NO_KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", UNSET), ("AWS_SECRET_ACCESS_KEY", UNSET)];

impl World {
    /// Writes a file of AWS profiles, and returns its path.
    fn profile(&self, text: &str) -> String {
        let path = self.path("aws-config");
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Starts a gateway in front of `aws`.
    pub(crate) async fn before(&self, aws: &Aws, variables: &[(&str, &str)]) -> Gateway {
        self.gateway_in(&[&aws.upstream()], variables).await
    }
}
