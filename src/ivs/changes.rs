//! The calls that change or delete a configuration.

use std::collections::HashMap;

use aws_sdk_ivsrealtime::{Client, operation::RequestId};

use super::{
    AwsResponse, CallError, Configuration, Delete, Ivs, Tag, Update, calls::configuration,
    outcome::classify,
};
use crate::pacer::Permit;

/// The change of [`Ivs::update_ingest_configuration`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The ARN of the configuration.
    pub arn: String,
    /// The new stage, or `Some(None)` for no stage; `None` keeps the stage.
    pub stage_arn: Option<Option<String>>,
    /// Whether a second encoder may publish; `None` keeps the value.
    pub redundant_ingest: Option<bool>,
}

impl Change {
    /// Whether the configuration has the values of the change.
    #[must_use]
    pub fn is_done(&self, configuration: &Configuration) -> bool {
        self.stage_arn.as_ref().is_none_or(|stage| *stage == configuration.stage_arn)
            && self.redundant_ingest.is_none_or(|it| it == configuration.redundant_ingest)
    }
}

impl Ivs {
    /// Changes an inactive configuration. Idempotent.
    ///
    /// # Errors
    /// [`CallError`], which says whether AWS may have changed it.
    pub async fn update_ingest_configuration(
        &self,
        permit: Permit<Update>,
        change: &Change,
    ) -> Result<AwsResponse<Configuration>, CallError> {
        self.spend(permit, |client| update(client, change)).await
    }

    /// Adds tags to a configuration. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
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

    /// Deletes a configuration. `force` is needed while an encoder publishes.
    ///
    /// # Errors
    /// [`CallError`], which says whether AWS may have deleted it.
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

async fn update(client: &Client, change: &Change) -> Result<AwsResponse<Configuration>, CallError> {
    let output = client
        .update_ingest_configuration()
        .arn(&change.arn)
        // AWS reads an empty ARN as no stage.
        .set_stage_arn(change.stage_arn.clone().map(Option::unwrap_or_default))
        .set_redundant_ingest(change.redundant_ingest)
        .send()
        .await
        .map_err(classify)?;
    let aws_request_id = output.request_id().map(str::to_owned);
    configuration(output.ingest_configuration, aws_request_id)
}
