//! `GetIngestConfiguration`: reads a configuration from the ledger or from AWS.

use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::{
    CallContext, CallersConfiguration, Handlers, aws_failed, ledger_failed,
    paced::{self, ReadError},
    single_flight::{Entered, Leader},
    unless_invisible,
};
use crate::{
    error::Error,
    ivs::{AwsResponse, Configuration},
    ledger::{Fields, Row, State},
    request::{ConfigurationArn, ConfigurationView, GetIngestConfiguration},
};

/// Longest wait of a call for the record of a state. After it, the next call may return an older
/// state from the ledger.
const RECORD_TIMEOUT: Duration = Duration::from_secs(1);

/// A configuration as AWS has shown it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) configuration: Configuration,
    /// When AWS was asked, or when it confirmed an update: the configuration is at least as recent.
    pub(super) asked_at: SystemTime,
    /// AWS's id of the call.
    pub(super) aws_request_id: Option<String>,
}

impl Shown {
    pub(super) fn new(response: AwsResponse<Configuration>, asked_at: SystemTime) -> Self {
        let AwsResponse { value: configuration, aws_request_id } = response;
        Self { configuration, asked_at, aws_request_id }
    }
}

impl Handlers {
    /// Reads one configuration of the tenant.
    ///
    /// # Errors
    /// `NOT_FOUND` if the configuration does not exist or belongs to another tenant, and the
    /// failures of AWS.
    pub async fn get_ingest_configuration(
        &self,
        context: &CallContext,
        request: GetIngestConfiguration,
    ) -> Result<CallersConfiguration, Error> {
        let row = self.owned_row(context, &request.arn).await?;
        match request.view {
            ConfigurationView::Basic => Ok(self.basic(context, row)),
            ConfigurationView::Full => self.full(context, &row).await,
        }
    }

    /// Returns the tenant's row with this ARN. The row of another tenant is `NOT_FOUND`, as if
    /// it did not exist.
    pub(super) async fn owned_row(
        &self,
        context: &CallContext,
        arn: &ConfigurationArn,
    ) -> Result<Row, Error> {
        let row =
            self.shared.ledger.find(context.tenant().id.clone(), arn.as_str().to_owned()).await;
        let row = row.map_err(|error| ledger_failed(&error, "find"))?;
        let row = row.ok_or_else(|| self.shared.no_row(arn.as_str()))?;
        if row.row_state == State::Deleted {
            return Err(Error::NotFound { arn: row.arn });
        }
        context.record().operation(row.operation_id.ulid());
        Ok(row)
    }

    /// Returns the configuration from the ledger, without an AWS call.
    pub(super) fn basic(&self, context: &CallContext, row: Row) -> CallersConfiguration {
        let Fields { stage_arn, ingest_protocol, .. } = &row.fields;
        let stage = stage_arn.as_ref().and_then(|arn| self.shared.stages.known(arn));
        let ingest_endpoint =
            stage.and_then(|stage| stage.ingest_endpoint(*ingest_protocol).map(str::to_owned));
        let extra_tags = &context.tenant().settings.extra_tags;
        CallersConfiguration::of_row(row, extra_tags, ingest_endpoint)
    }

    /// Returns the configuration from AWS. Concurrent calls for one ARN share one read.
    async fn full(&self, context: &CallContext, row: &Row) -> Result<CallersConfiguration, Error> {
        let waiter = match self.shared.reads.enter(row.arn.clone(), ()) {
            Entered::Follower((), waiter) => waiter,
            Entered::Leader(leader, waiter) => {
                let (handlers, context, row) = (self.clone(), context.clone(), row.clone());
                self.mutations.spawn(async move { handlers.read(context, row, leader).await });
                waiter
            }
        };
        let read = waiter.outcome().await.unwrap_or(Err(Error::Internal));
        Ok(self.fresh(context, row, read?).await)
    }

    /// Reads the configuration from AWS, as long as a caller waits for it.
    async fn read(&self, context: CallContext, row: Row, mut leader: Leader<String, (), Shown>) {
        let arn = row.arn;
        // Before the request: the response may arrive much later.
        let not_found_is_proof = self.shared.not_found_is_proof(row.sent_at);
        let shown = self.read_configuration(&context, &arn);
        let Some(shown) = leader.while_awaited(shown).await else { return };
        leader.finish(match shown {
            Ok(shown) => Ok(shown),
            Err(ReadError::NotSent(error)) => Err(error),
            Err(ReadError::Aws(error)) => {
                let failure = error.failure();
                tracing::warn!(arn, %failure, "GetIngestConfiguration failed");
                Err(unless_invisible(not_found_is_proof, aws_failed(&arn, failure)))
            }
        });
    }

    /// Reads a configuration from AWS.
    pub(super) async fn read_configuration(
        &self,
        context: &CallContext,
        arn: &str,
    ) -> Result<Shown, ReadError> {
        let get = async |permit| {
            let asked_at = self.shared.clock.wall();
            let response = self.ivs.get_ingest_configuration(permit, arn).await?;
            Ok(Shown::new(response, asked_at))
        };
        paced::read(&self.ivs, context, &self.shared.pacers.get, get).await
    }

    /// Converts a configuration that AWS has just shown to the caller's view of it. Records its
    /// state in the ledger, so that a later call does not return an older one.
    /// Waits for the record at most [`RECORD_TIMEOUT`].
    pub(super) async fn fresh(
        &self,
        context: &CallContext,
        row: &Row,
        shown: Shown,
    ) -> CallersConfiguration {
        let Shown { configuration, asked_at, aws_request_id } = shown;
        if let Some(id) = &aws_request_id {
            context.record().aws_request(id);
        }
        let seen = vec![configuration.summary().observation(asked_at)];
        match timeout(RECORD_TIMEOUT, self.shared.ledger.observe(seen)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "could not record the state of a configuration");
            }
            Err(_) => {
                tracing::warn!(
                    "the ledger did not record the state of a configuration within a second; it may be recorded later"
                );
            }
        }
        let ingest_endpoint = self.endpoint(context, &configuration).await;
        let extra_tags = &context.tenant().settings.extra_tags;
        CallersConfiguration::of_aws(
            configuration,
            extra_tags,
            ingest_endpoint,
            row.operation_id,
            asked_at,
        )
    }
}
