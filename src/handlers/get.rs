//! `GetIngestConfiguration`: reads a configuration from the ledger or from AWS.

use super::{
    CallContext, CallersConfiguration, Handlers, aws_failed, ledger_failed,
    paced::{self, ReadError},
    single_flight::{Entered, Leader},
};
use crate::{
    error::Error,
    ivs::{AwsResponse, Configuration},
    ledger::{Fields, Observation, Row, State},
    request::{ConfigurationArn, ConfigurationView, GetIngestConfiguration},
};

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
            ConfigurationView::Basic => Ok(self.basic(row)),
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
    pub(super) fn basic(&self, row: Row) -> CallersConfiguration {
        let Fields { stage_arn, ingest_protocol, .. } = &row.fields;
        let stage = stage_arn.as_ref().and_then(|arn| self.shared.stages.known(arn));
        let ingest_endpoint =
            stage.and_then(|stage| stage.ingest_endpoint(*ingest_protocol).map(str::to_owned));
        CallersConfiguration::of_row(row, ingest_endpoint)
    }

    /// Returns the configuration from AWS. Concurrent calls for one ARN share one read.
    async fn full(&self, context: &CallContext, row: &Row) -> Result<CallersConfiguration, Error> {
        let waiter = match self.shared.reads.enter(row.arn.clone(), ()) {
            Entered::Follower((), waiter) => waiter,
            Entered::Leader(leader, waiter) => {
                let (handlers, context, arn) = (self.clone(), context.clone(), row.arn.clone());
                self.mutations.spawn(async move { handlers.read(context, arn, leader).await });
                waiter
            }
        };
        let read = waiter.outcome().await.unwrap_or(Err(Error::Internal));
        let (configuration, aws_request_id) =
            read.map_err(|error| self.shared.unless_invisible(row, error))?;
        if let Some(id) = &aws_request_id {
            context.record().aws_request(id);
        }
        Ok(self.fresh(context, row, configuration).await)
    }

    /// Reads the configuration from AWS, as long as a caller waits for it.
    async fn read(&self, context: CallContext, arn: String, mut leader: Leader<String, (), Read>) {
        let get = |permit| self.ivs.get_ingest_configuration(permit, &arn);
        let read = paced::read(&context, &self.shared.pacers.get, get);
        let Some(read) = leader.while_awaited(read).await else { return };
        leader.finish(match read {
            Ok(AwsResponse { value, aws_request_id }) => Ok((value, aws_request_id)),
            Err(ReadError::NotSent(error)) => Err(error),
            Err(ReadError::Aws(error)) => {
                let failure = error.failure();
                tracing::warn!(arn, %failure, "GetIngestConfiguration failed");
                Err(aws_failed(&arn, failure))
            }
        });
    }

    /// Converts a configuration that AWS has just returned to the caller's view of it. Records
    /// its state in the ledger if the state has changed.
    pub(super) async fn fresh(
        &self,
        context: &CallContext,
        row: &Row,
        configuration: Configuration,
    ) -> CallersConfiguration {
        let at = self.shared.clock.wall();
        let observation = Observation {
            arn: configuration.arn.clone(),
            state: configuration.state,
            stage_arn: configuration.stage_arn.clone(),
            redundant_ingest: configuration.redundant_ingest,
            at,
        };
        if row.differs_from(&observation)
            && let Err(error) = self.shared.ledger.observe(vec![observation]).await
        {
            tracing::warn!(%error, "could not record the state of a configuration");
        }
        let ingest_endpoint = self.endpoint(context, &configuration).await;
        let extra_tags = &context.tenant().settings.extra_tags;
        CallersConfiguration::of_aws(
            configuration,
            extra_tags,
            ingest_endpoint,
            row.operation_id,
            at,
        )
    }
}

/// The result of a shared read: the configuration, and AWS's id of the call.
pub(super) type Read = (Configuration, Option<String>);
