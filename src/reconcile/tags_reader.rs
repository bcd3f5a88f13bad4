//! Reads the tags of configurations that may lack a row.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Parts,
    tags_read::{Owner, TagsRead},
    ticker::Ticker,
};
use crate::{
    ivs::{AwsOperation, CallError, FailureKind, Ivs, ListTags, Pacers},
    ledger::Ledger,
    tenancy::tags::TenancyTags,
};

/// The tags of a configuration.
pub(super) type Tags = HashMap<String, String>;

/// The tags of a configuration cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) error: CallError,
    /// Whether they have been unreadable for so long that the configuration counts as foreign.
    pub(super) is_foreign: bool,
}

/// Reads tags, and remembers the owners.
pub(super) struct TagsReader {
    ledger: Arc<dyn Ledger>,
    ivs: Ivs,
    pacers: Pacers,
    ticker: Ticker,
    owners: TagsRead,
    /// The configuration whose tags were read last.
    readable: Option<String>,
}

impl TagsReader {
    /// Returns a reader. Its rate is given as that of AWS's other operations. Tags appear at most
    /// `longest_delay` after a configuration is first listed.
    pub(super) fn new(parts: &Parts, calls_per_second: f64, longest_delay: Duration) -> Self {
        let Parts { ledger, ivs, pacers, .. } = parts.clone();
        let (ticker, owners) = (ticker(calls_per_second), TagsRead::new(longest_delay));
        Self { ledger, ivs, pacers, ticker, owners, readable: None }
    }

    /// Changes the rate of the reads, given as the rate of AWS's other operations.
    pub(super) fn set_rate(&mut self, calls_per_second: f64) {
        self.ticker = ticker(calls_per_second);
    }

    /// Returns the owner if no read can change it soon.
    pub(super) fn known(&self, arn: &str) -> Option<Owner> {
        self.owners.known(arn)
    }

    /// Reads the tags of a configuration, and returns its owner. If AWS does not know it, it was
    /// deleted after the list, or is not visible yet: the owner is undecided, and the next list
    /// shows which.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(super) async fn read(&mut self, arn: &str) -> Result<(Owner, Tags), Unreadable> {
        let (began, tags) = self.list(arn).await;
        match tags {
            Ok(tags) => {
                let operation_id = TenancyTags::read(&tags).map(|tags| tags.operation_id);
                self.readable = Some(arn.to_owned());
                Ok((self.owners.record(arn, operation_id, began), tags))
            }
            Err(error) if error.failure().kind == FailureKind::NotFound => {
                Ok((self.owners.record_failure(arn, began), Tags::new()))
            }
            Err(error) if self.can_read_others(arn).await => {
                let is_foreign = self.owners.record_failure(arn, began) == Owner::Foreign;
                Err(Unreadable { error, is_foreign })
            }
            Err(error) => {
                self.owners.forget(arn);
                Err(Unreadable { error, is_foreign: false })
            }
        }
    }

    /// Whether the tags of another configuration can be read. In an outage, or without the
    /// permission, none can, which says nothing about a configuration.
    async fn can_read_others(&mut self, arn: &str) -> bool {
        let other = match self.readable.clone().filter(|readable| readable != arn) {
            Some(readable) => Some(readable),
            None => self.ledger.live_arn().await.unwrap_or_default(),
        };
        let Some(other) = other else { return false };
        match self.list(&other).await.1 {
            Ok(_) => true,
            Err(error) => error.failure().kind == FailureKind::NotFound,
        }
    }

    /// Returns when the read began, and the tags.
    async fn list(&mut self, arn: &str) -> (Instant, Result<Tags, CallError>) {
        self.ticker.tick().await;
        let permit = self.pacers.list_tags.internal_permit().await;
        (Instant::now(), self.ivs.list_tags(permit, arn).await)
    }
}

fn ticker(calls_per_second: f64) -> Ticker {
    Ticker::per_second(calls_per_second * ListTags::RATE_FACTOR)
}
