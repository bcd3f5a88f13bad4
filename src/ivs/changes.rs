//! The calls that change or delete a configuration.

use std::collections::HashMap;

use aws_sdk_ivsrealtime::{Client, operation::RequestId};

use super::{
    Answer, CallError, Configuration, Delete, Ivs, Tag, Update, calls::configuration,
    outcome::classify,
};
use crate::pacer::Permit;

/// What [`Ivs::update_ingest_configuration`] changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Of which configuration.
    pub arn: String,
    /// The stage from now on, which may be none; `None`: as it is.
    pub stage_arn: Option<Option<String>>,
    /// Whether a second encoder may publish; or as it is.
    pub redundant_ingest: Option<bool>,
}

impl Change {
    /// Whether the configuration is as the change makes it.
    #[must_use]
    pub fn is_done(&self, configuration: &Configuration) -> bool {
        self.stage_arn.as_ref().is_none_or(|stage| *stage == configuration.stage_arn)
            && self.redundant_ingest.is_none_or(|it| it == configuration.redundant_ingest)
    }
}

impl Ivs {
    /// Changes an inactive configuration. To do it twice is to do it once.
    ///
    /// # Errors
    /// [`CallError`] says whether it may have been changed all the same.
    pub async fn update_ingest_configuration(
        &self,
        permit: Permit<Update>,
        change: &Change,
    ) -> Result<Answer<Configuration>, CallError> {
        self.spend(permit, |client| update(client, change)).await
    }

    /// Writes tags on a configuration, beside those that it has.
    ///
    /// # Errors
    /// [`CallError`]; to do it twice is to do it once.
    pub async fn tag(
        &self,
        permit: Permit<Tag>,
        arn: &str,
        tags: HashMap<String, String>,
    ) -> Result<(), CallError> {
        let tag = |client: &Client| {
            let tag = client.tag_resource().resource_arn(arn).set_tags(Some(tags));
            async { tag.send().await.map(drop).map_err(classify) }
        };
        self.spend(permit, tag).await
    }

    /// Deletes a configuration; one that an encoder is publishing through only by
    /// `force`.
    ///
    /// # Errors
    /// [`CallError`] says whether it may be gone all the same.
    pub async fn delete_ingest_configuration(
        &self,
        permit: Permit<Delete>,
        arn: &str,
        force: bool,
    ) -> Result<(), CallError> {
        let delete = |client: &Client| {
            let delete = client.delete_ingest_configuration().arn(arn).force(force);
            async { delete.send().await.map(drop).map_err(classify) }
        };
        self.spend(permit, delete).await
    }
}

async fn update(client: &Client, change: &Change) -> Result<Answer<Configuration>, CallError> {
    let output = client
        .update_ingest_configuration()
        .arn(&change.arn)
        // AWS takes an empty ARN for no stage.
        .set_stage_arn(change.stage_arn.clone().map(Option::unwrap_or_default))
        .set_redundant_ingest(change.redundant_ingest)
        .send()
        .await
        .map_err(classify)?;
    let aws_request_id = output.request_id().map(str::to_owned);
    configuration(output.ingest_configuration, aws_request_id)
}
