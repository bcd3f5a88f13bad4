//! `GetIngestConfiguration`: from the ledger, or from AWS.

use std::time::SystemTime;

use super::{
    CallersConfiguration, Operations,
    flights::{Entered, Leader},
    ledger_failed,
};
use crate::{
    auth::Caller,
    error::Error,
    ingest::{ConfigurationArn, ConfigurationView, GetIngestConfiguration, StageArn},
    ivs::{Answer, Configuration, FailureKind, Ivs},
    ledger::{Fields, Observation, Row, State},
    observe::CallRecord,
    quota::Tenant,
    tags,
};

impl Operations {
    /// Reads one configuration of the tenant.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is none or it is another tenant's, and the failures of AWS.
    pub async fn get_ingest_configuration(
        &self,
        caller: &Caller,
        request: GetIngestConfiguration,
        record: &CallRecord,
    ) -> Result<CallersConfiguration, Error> {
        let tenant = caller.tenant();
        let row = self.owned_row(tenant, &request.arn, record).await?;
        match request.view {
            ConfigurationView::Basic => Ok(self.basic(row).await),
            ConfigurationView::Full => self.full(tenant, &row, record).await,
        }
    }

    /// The tenant's own row of that ARN. Nothing else may be known of it.
    pub(super) async fn owned_row(
        &self,
        tenant: &Tenant,
        arn: &ConfigurationArn,
        record: &CallRecord,
    ) -> Result<Row, Error> {
        let row = self.shared.ledger.find(tenant.id.clone(), arn.as_str().to_owned()).await;
        let row = row.map_err(|error| ledger_failed(&error, "find"))?;
        let row = row.filter(|row| row.row_state != State::Deleted);
        let row = row.ok_or_else(|| Error::NotFound { arn: arn.as_str().to_owned() })?;
        record.operation(row.operation_id);
        Ok(row)
    }

    /// What the ledger knows.
    pub(super) async fn basic(&self, row: Row) -> CallersConfiguration {
        let Fields { stage_arn, ingest_protocol, .. } = &row.fields;
        let stages = &self.shared.stages;
        let ingest_endpoint = stages.known_endpoint(stage_arn, *ingest_protocol).await;
        CallersConfiguration {
            create_time: row.operation_id.minted_at(),
            state_observed_at: row.observed_at,
            ingest_endpoint: ingest_endpoint.unwrap_or_default(),
            configuration: from_row(row),
        }
    }

    /// What AWS says. Reads of one ARN that come while one is under way share it.
    async fn full(
        &self,
        tenant: &Tenant,
        row: &Row,
        record: &CallRecord,
    ) -> Result<CallersConfiguration, Error> {
        let waiter = match self.shared.reads.enter(row.arn.clone(), ()) {
            Entered::Follower((), waiter) => waiter,
            Entered::Leader(leader, waiter) => {
                let (ivs, arn) = (self.ivs.clone(), row.arn.clone());
                self.mutations.spawn(read(ivs, arn, leader));
                waiter
            }
        };
        let (configuration, aws_request_id) = waiter.outcome().await?;
        if let Some(id) = &aws_request_id {
            record.aws_request(id);
        }
        Ok(self.fresh(tenant, row, configuration).await)
    }

    /// A configuration as AWS just answered it, as the caller may see it. What it says
    /// of the state is remembered.
    pub(super) async fn fresh(
        &self,
        tenant: &Tenant,
        row: &Row,
        mut configuration: Configuration,
    ) -> CallersConfiguration {
        let at = SystemTime::now();
        let seen = Observation {
            arn: configuration.arn.clone(),
            state: configuration.state,
            stage_arn: configuration.stage_arn.clone(),
            redundant_ingest: configuration.redundant_ingest,
            at,
        };
        if row.differs_from(&seen)
            && let Err(error) = self.shared.ledger.observe(vec![seen]).await
        {
            tracing::warn!(%error, "what AWS showed could not be remembered");
        }
        let extra_tags = &tenant.settings.extra_tags;
        configuration.tags = tags::visible(std::mem::take(&mut configuration.tags), extra_tags)
            .into_iter()
            .collect();
        let ingest_endpoint = self.endpoint(tenant, &configuration).await;
        CallersConfiguration {
            configuration,
            ingest_endpoint: ingest_endpoint.unwrap_or_default(),
            create_time: row.operation_id.minted_at(),
            state_observed_at: at,
        }
    }
}

impl Operations {
    /// Where the configuration's stage takes ingest; none if there is no stage, or if
    /// AWS does not tell now.
    pub(super) async fn endpoint(
        &self,
        tenant: &Tenant,
        configuration: &Configuration,
    ) -> Option<String> {
        let Configuration { stage_arn, ingest_protocol, .. } = configuration;
        let stages = &self.shared.stages;
        if let Some(known) = stages.known_endpoint(stage_arn, *ingest_protocol).await {
            return Some(known);
        }
        let arn = StageArn::parse(stage_arn.as_str()).ok()?;
        let stage = stages.owned_by(tenant, &arn, &self.ivs).await.ok()?;
        Some(stage.ingest_endpoint(*ingest_protocol).to_owned())
    }
}

/// A read from AWS that all who want it share.
pub(super) type Read = (Configuration, Option<String>);

async fn read(ivs: Ivs, arn: String, leader: Leader<String, (), Read>) {
    let outcome = match ivs.get_ingest_configuration(&arn).await {
        Ok(Answer { value, aws_request_id }) => Ok((value, aws_request_id)),
        Err(error) => {
            let failure = error.failure();
            tracing::warn!(arn, %failure, "GetIngestConfiguration failed");
            Err(match failure.kind {
                FailureKind::NotFound => Error::NotFound { arn },
                _ => Error::Aws(failure.clone()),
            })
        }
    };
    leader.finish(outcome);
}

/// A row as a configuration without keys.
pub(super) fn from_row(row: Row) -> Configuration {
    let Row { arn, participant_id, fields, state, .. } = row;
    Configuration {
        arn,
        name: fields.name,
        ingest_protocol: fields.ingest_protocol,
        stream_key: String::new().into(),
        stage_arn: fields.stage_arn,
        participant_id,
        state,
        user_id: fields.user_id,
        redundant_ingest: fields.redundant_ingest,
        redundant_ingest_credentials: Vec::new(),
        attributes: fields.attributes,
        tags: fields.tags.into_iter().collect(),
    }
}
