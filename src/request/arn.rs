//! Amazon Resource Names (ARNs) of stages and of ingest configurations. An ARN has the form
//! `arn:aws:ivs:REGION:ACCOUNT:KIND/ID` and at most 128 characters (AWS's patterns).

use std::fmt;

use super::{
    text::{text_type, too_long},
    violations::{Fault, Faults, reason},
};

const PREFIX: &str = "arn:aws:ivs:";
const MAX_CHARACTERS: usize = 128;
const KINDS: [&str; 2] = [STAGE, CONFIGURATION];
const STAGE: &str = "stage";
const CONFIGURATION: &str = "ingest-configuration";

text_type!(
    /// The ARN of a stage: `arn:aws:ivs:REGION:ACCOUNT:stage/ID`.
    StageArn,
    |text: &str| faults(text, STAGE)
);

text_type!(
    /// The ARN of an ingest configuration:
    /// `arn:aws:ivs:REGION:ACCOUNT:ingest-configuration/ID`.
    ConfigurationArn,
    |text: &str| faults(text, CONFIGURATION)
);

impl StageArn {
    /// The AWS region: `us-east-1`.
    #[must_use]
    pub fn region(&self) -> &str {
        part(&self.0, 3)
    }

    /// The AWS account, in digits.
    #[must_use]
    pub fn account_id(&self) -> &str {
        account_id(&self.0)
    }
}

impl ConfigurationArn {
    /// The AWS region: `us-east-1`.
    #[must_use]
    pub fn region(&self) -> &str {
        part(&self.0, 3)
    }

    /// The AWS account, in digits.
    #[must_use]
    pub fn account_id(&self) -> &str {
        account_id(&self.0)
    }
}

/// Returns the AWS account of an ARN, in digits; empty if the text is no ARN.
#[must_use]
pub fn account_id(arn: &str) -> &str {
    part(arn, 4)
}

fn part(arn: &str, index: usize) -> &str {
    arn.split(':').nth(index).unwrap_or_default()
}

fn faults(text: &str, kind: &str) -> Vec<Fault> {
    if text.is_empty() {
        let description = format!("the ARN is missing; use {PREFIX}REGION:ACCOUNT:{kind}/ID");
        return vec![Fault { reason: reason::REQUIRED, description }];
    }
    let mut faults = Vec::from_iter(too_long(text, MAX_CHARACTERS));
    if !is_arn(text, kind) {
        faults.push(Fault { reason: reason::INVALID_FORMAT, description: misshapen(text, kind) });
    }
    faults
}

/// Describes a text that is not an ARN of the kind. It does not quote the text, which may be a
/// stream key.
fn misshapen(text: &str, kind: &str) -> String {
    if let Some(other) = KINDS.into_iter().find(|other| is_arn(text, other)) {
        return format!("this is the ARN of a resource of the type {other}; use one of {kind}");
    }
    let count = text.chars().count();
    let characters = if count == 1 { "character" } else { "characters" };
    format!(
        "the value of {count} {characters} is not of the form \
         {PREFIX}REGION:ACCOUNT:{kind}/ID; copy the complete ARN unchanged"
    )
}

fn is_arn(text: &str, kind: &str) -> bool {
    let filled = |part: &str, allows: fn(u8) -> bool| !part.is_empty() && part.bytes().all(allows);
    let parts = || {
        let (region, rest) = text.strip_prefix(PREFIX)?.split_once(':')?;
        let (account, resource) = rest.split_once(':')?;
        Some((region, account, resource.strip_prefix(kind)?.strip_prefix('/')?))
    };
    parts().is_some_and(|(region, account, id)| {
        filled(region, |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && filled(account, |byte| byte.is_ascii_digit())
            && filled(id, |byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_contains_region_and_account() {
        let stage = StageArn::parse("arn:aws:ivs:eu-west-1:123456789012:stage/AbC-1").unwrap();
        assert_eq!((stage.region(), stage.account_id()), ("eu-west-1", "123456789012"));
        assert_eq!(stage.to_string(), stage.as_str());
        let text = "arn:aws:ivs:us-east-1:1:ingest-configuration/x";
        let configuration = ConfigurationArn::parse(text).unwrap();
        assert_eq!((configuration.region(), configuration.account_id()), ("us-east-1", "1"));
    }

    #[test]
    fn an_arn_of_the_other_kind_is_rejected() {
        let error = ConfigurationArn::parse("arn:aws:ivs:us-east-1:1:stage/x").unwrap_err();
        let error = error.to_string();
        assert!(error.contains("the type stage; use one of ingest-configuration"), "{error}");
        assert!(StageArn::parse("arn:aws:ivs:us-east-1:1:ingest-configuration/x").is_err());
    }

    #[test]
    fn a_rejection_does_not_echo_the_value() {
        let error = StageArn::parse(format!("secret{}", "x".repeat(500))).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!(
            error.contains("506 characters are too many; use at most 128; also: the"),
            "{error}"
        );
    }
}
