//! Rows as callers read them.

use std::{collections::BTreeMap, time::SystemTime};

use super::{Fields, Observation, State};
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
    /// When AWS last showed it; until then, when the row's state last changed.
    pub observed_at: SystemTime,
    /// When its create was last sent, or began if a scan has adopted it.
    pub sent_at: SystemTime,
}

impl Row {
    /// Whether the observation has another state, stage or redundancy than the row.
    #[must_use]
    pub fn differs_from(&self, seen: &Observation) -> bool {
        self.state != seen.state
            || self.fields.stage_arn != seen.stage_arn
            || self.fields.redundant_ingest != seen.redundant_ingest
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::Ids, request::IngestProtocol};

    #[test]
    fn each_field_of_an_observation_makes_a_difference() {
        let at = SystemTime::UNIX_EPOCH;
        let row = Row {
            operation_id: Ids::seeded(1).next_operation_id(at),
            row_state: State::Live,
            arn: "arn".into(),
            participant_id: None,
            fields: Fields {
                name: String::new(),
                stage_arn: Some("stage".into()),
                user_id: String::new(),
                attributes: BTreeMap::new(),
                ingest_protocol: IngestProtocol::Rtmps,
                redundant_ingest: false,
                tags: BTreeMap::new(),
            },
            state: IngestConfigurationState::Inactive,
            observed_at: at,
            sent_at: at,
        };
        let same = Observation {
            arn: "arn".into(),
            state: IngestConfigurationState::Inactive,
            stage_arn: Some("stage".into()),
            redundant_ingest: false,
            at,
        };
        assert!(!row.differs_from(&same));
        for other in [
            Observation { state: IngestConfigurationState::Active, ..same.clone() },
            Observation { stage_arn: None, ..same.clone() },
            Observation { redundant_ingest: true, ..same.clone() },
        ] {
            assert!(row.differs_from(&other), "{other:?}");
        }
    }
}
