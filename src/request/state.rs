//! The state of a configuration.

use super::violations::{Faults, reason};
use crate::proto::v1;

/// Whether an encoder is publishing through the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IngestConfigurationState {
    /// An encoder is publishing.
    Active,
    /// No encoder is publishing.
    Inactive,
}

impl IngestConfigurationState {
    /// Parses an optional filter.
    ///
    /// # Errors
    /// The state is unknown.
    pub fn parse_filter(number: i32) -> Result<Option<Self>, Faults> {
        match v1::IngestConfigurationState::try_from(number) {
            Ok(v1::IngestConfigurationState::Unspecified) => Ok(None),
            Ok(v1::IngestConfigurationState::Active) => Ok(Some(Self::Active)),
            Ok(v1::IngestConfigurationState::Inactive) => Ok(Some(Self::Inactive)),
            Err(_) => Err(Faults::one(
                reason::UNKNOWN_VALUE,
                format!(
                    "{number} is not a state; use INGEST_CONFIGURATION_STATE_ACTIVE or \
                     INGEST_CONFIGURATION_STATE_INACTIVE, or omit the field"
                ),
            )),
        }
    }

    /// AWS's name of the state: `ACTIVE` or `INACTIVE`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
        }
    }

    /// Returns the state with this AWS name: `ACTIVE` or `INACTIVE`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Inactive].into_iter().find(|state| state.as_str() == name)
    }
}

impl From<IngestConfigurationState> for v1::IngestConfigurationState {
    fn from(state: IngestConfigurationState) -> Self {
        match state {
            IngestConfigurationState::Active => Self::Active,
            IngestConfigurationState::Inactive => Self::Inactive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_to_and_from_names_and_messages_agree() {
        for state in [IngestConfigurationState::Active, IngestConfigurationState::Inactive] {
            assert_eq!(IngestConfigurationState::from_name(state.as_str()), Some(state));
            let number = v1::IngestConfigurationState::from(state).into();
            assert_eq!(IngestConfigurationState::parse_filter(number), Ok(Some(state)));
        }
        assert_eq!(IngestConfigurationState::from_name(""), None);
    }
}
