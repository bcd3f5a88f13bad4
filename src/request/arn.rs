//! Amazon Resource Names of stages and of ingest configurations: at most 128
//! characters of `arn:aws:ivs:REGION:ACCOUNT:KIND/ID` (AWS's patterns).

use std::fmt;

use super::{
    text::{text_type, too_long},
    violations::{Fault, Faults, reason},
};

const PREFIX: &str = "arn:aws:ivs:";
const MAX_CHARACTERS: usize = 128;

text_type!(
    /// The ARN of a stage: `arn:aws:ivs:REGION:ACCOUNT:stage/ID`.
    StageArn,
    |text: &str| faults(text, "stage")
);

text_type!(
    /// The ARN of an ingest configuration:
    /// `arn:aws:ivs:REGION:ACCOUNT:ingest-configuration/ID`.
    ConfigurationArn,
    |text: &str| faults(text, "ingest-configuration")
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
        part(&self.0, 4)
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
        part(&self.0, 4)
    }
}

fn part(arn: &str, index: usize) -> &str {
    arn.split(':').nth(index).unwrap_or_default()
}

fn faults(text: &str, kind: &str) -> Vec<Fault> {
    if text.is_empty() {
        let description = format!("must be the ARN of a {kind}: {PREFIX}REGION:ACCOUNT:{kind}/ID");
        return vec![Fault { reason: reason::REQUIRED, description }];
    }
    let mut faults = Vec::from_iter(too_long(text, MAX_CHARACTERS));
    if !is_arn(text, kind) {
        faults.push(Fault {
            reason: reason::INVALID_FORMAT,
            description: format!(
                "must be of the form {PREFIX}REGION:ACCOUNT:{kind}/ID, received {} characters of \
                 another form: copy it as AWS answered it",
                text.chars().count()
            ),
        });
    }
    faults
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
    fn an_arn_tells_region_and_account() {
        let stage = StageArn::parse("arn:aws:ivs:eu-west-1:123456789012:stage/AbC-1").unwrap();
        assert_eq!((stage.region(), stage.account_id()), ("eu-west-1", "123456789012"));
        assert_eq!(stage.to_string(), stage.as_str());
        let text = "arn:aws:ivs:us-east-1:1:ingest-configuration/x";
        let configuration = ConfigurationArn::parse(text).unwrap();
        assert_eq!((configuration.region(), configuration.account_id()), ("us-east-1", "1"));
    }

    #[test]
    fn one_kind_is_not_the_other() {
        assert!(ConfigurationArn::parse("arn:aws:ivs:us-east-1:1:stage/x").is_err());
        assert!(StageArn::parse("arn:aws:ivs:us-east-1:1:ingest-configuration/x").is_err());
    }

    #[test]
    fn a_refusal_does_not_echo_the_value() {
        let told = StageArn::parse(format!("secret{}", "x".repeat(500))).unwrap_err().to_string();
        assert!(!told.contains("secret"), "{told}");
        assert!(told.contains("received 506: shorten it; must be of the form"), "{told}");
    }
}
