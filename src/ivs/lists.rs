//! The calls of the resolver and the scan.

use std::collections::HashMap;

use aws_sdk_ivsrealtime::Client;

use super::{
    CallError, Ivs, List, ListTags, Page, Summary,
    calls::{present, protocol, state},
    outcome::classify,
};

use crate::pacer::Permit;

/// The largest page size that AWS allows.
const PAGE_SIZE: i32 = 100;

impl Ivs {
    /// Returns one page of the configurations of the account, or of one stage.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list_ingest_configurations(
        &self,
        permit: Permit<List>,
        stage_arn: Option<&str>,
        next_token: Option<String>,
    ) -> Result<Page, CallError> {
        self.spend(permit, |client| page(client, stage_arn, next_token)).await
    }

    /// Returns the tags of a configuration. AWS allows this operation twice the rate of others,
    /// and no request of a caller uses it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list_tags(
        &self,
        permit: Permit<ListTags>,
        arn: &str,
    ) -> Result<HashMap<String, String>, CallError> {
        let tags = |client: &Client| {
            let list = client.list_tags_for_resource().resource_arn(arn);
            async { list.send().await.map(|output| output.tags).map_err(classify) }
        };
        self.spend(permit, tags).await
    }
}

async fn page(
    client: &Client,
    stage_arn: Option<&str>,
    next_token: Option<String>,
) -> Result<Page, CallError> {
    let output = client
        .list_ingest_configurations()
        .set_filter_by_stage_arn(stage_arn.map(str::to_owned))
        .set_next_token(next_token)
        .max_results(PAGE_SIZE)
        .send()
        .await
        .map_err(classify)?;
    let summaries = output.ingest_configurations.into_iter().map(|summary| Summary {
        arn: summary.arn,
        name: summary.name.unwrap_or_default(),
        ingest_protocol: protocol(&summary.ingest_protocol),
        stage_arn: present(Some(summary.stage_arn)),
        participant_id: present(Some(summary.participant_id)),
        state: state(&summary.state),
        user_id: summary.user_id.unwrap_or_default(),
        redundant_ingest: summary.redundant_ingest,
    });
    Ok(Page {
        summaries: summaries.collect(),
        next_token: output.next_token.filter(|token| !token.is_empty()),
    })
}
