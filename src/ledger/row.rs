//! Rows as callers read them.

use std::{collections::BTreeMap, time::SystemTime};

use super::{Fields, State};
use crate::request::{IngestConfigurationState, OperationId};

/// The row of a configuration that exists at AWS, or existed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The create that made the configuration.
    pub operation_id: OperationId,
    /// [`State::Live`], [`State::Deleting`] or [`State::Deleted`].
    pub row_state: State,
    /// The configuration's ARN. A row in one of these states always has one.
    pub arn: String,
    /// The participant that represents the encoder; none if AWS named none.
    pub participant_id: Option<String>,
    /// The content of its create, with the stage and redundancy that AWS last showed.
    pub fields: Fields,
    /// Whether an encoder was publishing at `observed_at`; inactive until AWS shows it.
    pub state: IngestConfigurationState,
    /// When AWS was last asked for it and showed it; until then, `sent_at`.
    pub observed_at: SystemTime,
    /// When its create was last sent, or began if a scan has adopted it.
    pub sent_at: SystemTime,
}

/// Which rows to list. AWS itself cannot combine the two filters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this stage.
    pub stage_arn: Option<String>,
    /// Only those last seen in this state.
    pub state: Option<IngestConfigurationState>,
}

/// The number of a tenant's rows in each state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage(pub BTreeMap<State, u32>);

impl Usage {
    /// The number of rows that count against the quota.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.0.values().sum()
    }
}
