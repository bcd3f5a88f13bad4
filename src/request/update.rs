//! The parsed request of `UpdateIngestConfiguration`.

use prost_types::FieldMask;

use super::{
    arn::{ConfigurationArn, StageArn},
    text::unless_empty,
    violations::{Echo, Fault, Faults, Found, Violations, reason},
};
use crate::proto::v1::UpdateIngestConfigurationRequest;

/// A valid update. It changes at least one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateIngestConfiguration {
    /// The configuration to change.
    pub arn: ConfigurationArn,
    /// The change of the stage: `None` keeps it, `Some(None)` removes it, and `Some(Some(_))`
    /// sets another.
    pub stage_arn: Option<Option<StageArn>>,
    /// Whether a second encoder may publish as a hot spare; `None` keeps the value.
    pub redundant_ingest: Option<bool>,
}

impl UpdateIngestConfiguration {
    /// Parses the message.
    ///
    /// # Errors
    /// All violations of the message, also those of fields that the mask does not name.
    pub fn parse(message: UpdateIngestConfigurationRequest) -> Result<Self, Violations> {
        let mut found = Found::default();
        let arn = found.value("arn", ConfigurationArn::parse(message.arn));
        let stage_arn = found.value("stage_arn", unless_empty(message.stage_arn, StageArn::parse));
        let changes =
            found.value("update_mask", Changes::parse(&message.update_mask.unwrap_or_default()));
        match (arn, stage_arn, changes) {
            (Some(arn), Some(stage_arn), Some(changes)) => Ok(Self {
                arn,
                stage_arn: changes.stage_arn.then_some(stage_arn),
                redundant_ingest: changes.redundant_ingest.then_some(message.redundant_ingest),
            }),
            _ => Err(found.into_violations()),
        }
    }
}

/// The fields that the mask names.
#[derive(Default)]
struct Changes {
    stage_arn: bool,
    redundant_ingest: bool,
}

impl Changes {
    fn parse(mask: &FieldMask) -> Result<Self, Faults> {
        const CHOICES: &str = "stage_arn, redundant_ingest or both";
        if mask.paths.is_empty() {
            let description = format!("the mask names no field; use {CHOICES}");
            return Err(Faults::one(reason::REQUIRED, description));
        }
        let mut changes = Self::default();
        let mut unknown = mask.paths.iter().filter(|path| match path.as_str() {
            "stage_arn" => {
                changes.stage_arn = true;
                false
            }
            "redundant_ingest" => {
                changes.redundant_ingest = true;
                false
            }
            _ => true,
        });
        let faults = unknown.next().map(|first| Fault {
            reason: reason::UNKNOWN_VALUE,
            description: format!(
                "{} is not a field that can be updated (unknown paths: {}); use {CHOICES}",
                Echo(first),
                1 + unknown.count()
            ),
        });
        Faults::or(Vec::from_iter(faults), changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:ivs:us-east-1:1:ingest-configuration/x";
    const STAGE: &str = "arn:aws:ivs:us-east-1:1:stage/x";

    fn parse(stage_arn: &str, paths: &[&str]) -> Result<UpdateIngestConfiguration, Violations> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        UpdateIngestConfiguration::parse(UpdateIngestConfigurationRequest {
            arn: ARN.into(),
            stage_arn: stage_arn.into(),
            redundant_ingest: true,
            update_mask: Some(FieldMask { paths }),
        })
    }

    #[test]
    fn only_fields_that_the_mask_names_are_changed() {
        let stage = || Some(StageArn::parse(STAGE).unwrap());
        for (stage_arn, paths, changes) in [
            (STAGE, &["stage_arn"][..], (Some(stage()), None)),
            ("", &["stage_arn"], (Some(None), None)),
            (STAGE, &["redundant_ingest"], (None, Some(true))),
            (STAGE, &["redundant_ingest", "stage_arn", "stage_arn"], (Some(stage()), Some(true))),
        ] {
            let update = parse(stage_arn, paths).unwrap();
            assert_eq!((update.stage_arn, update.redundant_ingest), changes, "{paths:?}");
        }
    }

    #[test]
    fn a_mask_names_at_least_one_field_and_no_unknown_field() {
        let rejection = |paths: &[&str]| {
            let violations = parse(STAGE, paths).unwrap_err();
            let [only] = violations.as_slice() else { panic!("{violations:?}") };
            assert_eq!(only.field, "update_mask");
            (only.reason, only.description.clone())
        };
        assert_eq!(rejection(&[]).0, reason::REQUIRED);
        let (reason, description) = rejection(&["stage_arn", "name", "*"]);
        assert_eq!(reason, reason::UNKNOWN_VALUE);
        assert!(description.starts_with("\"name\" is not a field"), "{description}");
        assert!(description.contains("unknown paths: 2)"), "{description}");
        assert!(rejection(&["x".repeat(1 << 20).as_str()]).1.len() < 300);
    }
}
