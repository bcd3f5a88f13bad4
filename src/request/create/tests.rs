use proptest::prelude::*;

use super::*;
use crate::proto::v1;

/// A valid message. Each field has one of a few values, so that two messages often agree
/// in a field.
fn valid_message() -> impl Strategy<Value = CreateIngestConfigurationRequest> {
    let few =
        |values: &'static [&'static str]| prop::sample::select(values).prop_map(ToOwned::to_owned);
    let map = || prop::collection::btree_map("[ab]{1,2}", "[ab]{0,2}", 0..3);
    let stages = &["", "arn:aws:ivs:us-east-1:1:stage/a", "arn:aws:ivs:us-east-1:1:stage/b"];
    (
        (few(&["", "a", "ab"]), few(stages), few(&["", "a", "b"]), map()),
        (prop::sample::select(&[(1, true), (2, true), (2, false)][..]), any::<bool>(), map()),
        (few(&["", "r1", "r2"]), any::<bool>()),
    )
        .prop_map(|((name, stage_arn, user_id, attributes), what, (request_id, dry))| {
            let ((ingest_protocol, insecure_ingest), redundant_ingest, tags) = what;
            CreateIngestConfigurationRequest {
                name,
                stage_arn,
                user_id,
                attributes,
                ingest_protocol,
                insecure_ingest,
                redundant_ingest,
                tags,
                request_id,
                validate_only: dry,
            }
        })
}

fn any_message() -> impl Strategy<Value = CreateIngestConfigurationRequest> {
    let text = || prop_oneof![any::<String>(), "[a-z:/ é]{0,300}"];
    let map = || prop::collection::btree_map(text(), text(), 0..8);
    let numbers = prop_oneof![0..4, any::<i32>()];
    (
        (text(), text(), text(), map()),
        (numbers, any::<bool>(), any::<bool>(), map()),
        (text(), any::<bool>()),
    )
        .prop_map(|((name, stage_arn, user_id, attributes), what, (request_id, dry))| {
            let (ingest_protocol, insecure_ingest, redundant_ingest, tags) = what;
            CreateIngestConfigurationRequest {
                name,
                stage_arn,
                user_id,
                attributes,
                ingest_protocol,
                insecure_ingest,
                redundant_ingest,
                tags,
                request_id,
                validate_only: dry,
            }
        })
}

fn parse(message: CreateIngestConfigurationRequest) -> CreateIngestConfiguration {
    CreateIngestConfiguration::parse(message, &BTreeMap::new()).unwrap()
}

proptest! {
    #[test]
    fn no_message_causes_a_panic_or_an_oversized_error(
        message in any_message(),
        extra in prop::collection::btree_map("[a-c]", "[a-c]", 0..50),
    ) {
        if let Err(violations) = CreateIngestConfiguration::parse(message, &extra) {
            let listed = violations.as_slice();
            let bytes = |v: &super::super::Violation| v.field.len() + v.description.len();
            prop_assert!((1..=21).contains(&listed.len()));
            prop_assert!(listed.iter().map(bytes).sum::<usize>() < 3 * 1024);
        }
    }

    #[test]
    fn fingerprints_are_equal_exactly_if_the_requested_fields_are_equal(
        left in valid_message(),
        right in valid_message(),
    ) {
        let requested = |message: &CreateIngestConfigurationRequest| {
            let message = message.clone();
            CreateIngestConfigurationRequest {
                request_id: String::new(),
                validate_only: false,
                ..message
            }
        };
        let same = requested(&left) == requested(&right);
        prop_assert_eq!(parse(left).fingerprint() == parse(right).fingerprint(), same);
    }

    #[test]
    fn a_change_of_any_field_changes_the_fingerprint(message in valid_message()) {
        let changes: [fn(&mut CreateIngestConfigurationRequest); 8] = [
            |m| m.name.push('x'),
            |m| m.stage_arn = "arn:aws:ivs:us-east-1:1:stage/x".into(),
            |m| m.user_id.push('x'),
            |m| drop(m.attributes.insert("x".into(), String::new())),
            |m| m.ingest_protocol = 3 - m.ingest_protocol,
            |m| m.insecure_ingest = !m.insecure_ingest,
            |m| m.redundant_ingest = !m.redundant_ingest,
            |m| drop(m.tags.insert("x".into(), String::new())),
        ];
        let before = parse(message.clone()).fingerprint();
        for (index, change) in changes.iter().enumerate() {
            let mut changed = message.clone();
            change(&mut changed);
            if let Ok(changed) = CreateIngestConfiguration::parse(changed, &BTreeMap::new()) {
                prop_assert_ne!(changed.fingerprint(), before, "change {}", index);
            }
        }
        let mut same = message;
        same.request_id.push('x');
        same.validate_only = !same.validate_only;
        prop_assert_eq!(parse(same).fingerprint(), before);
    }
}

#[test]
fn the_fingerprint_encoding_does_not_change() {
    let create = parse(CreateIngestConfigurationRequest {
        name: "studio".into(),
        stage_arn: "arn:aws:ivs:us-east-1:123456789012:stage/AbCdEfGh".into(),
        user_id: "camera".into(),
        attributes: BTreeMap::from([("room".into(), "1".into())]),
        ingest_protocol: v1::IngestProtocol::Rtmps.into(),
        insecure_ingest: false,
        redundant_ingest: true,
        tags: BTreeMap::from([("show".into(), "news".into())]),
        request_id: "r".into(),
        validate_only: false,
    });
    // Ledger rows and tags contain fingerprints of this encoding: a change needs a new version.
    assert_eq!(create.fingerprint().to_string(), "42896b959d5b0a785263ef6a479ba519");
}

#[test]
fn all_violations_are_reported_in_the_order_of_the_fields() {
    let message = CreateIngestConfigurationRequest {
        name: "a b".into(),
        stage_arn: "x".into(),
        user_id: "u".repeat(129),
        attributes: BTreeMap::from([(String::new(), "v".repeat(1025))]),
        ingest_protocol: v1::IngestProtocol::Rtmp.into(),
        tags: BTreeMap::from([("AWS:x".into(), String::new())]),
        request_id: "#".into(),
        ..Default::default()
    };
    let violations = CreateIngestConfiguration::parse(message, &BTreeMap::new()).unwrap_err();
    let reported: Vec<_> =
        violations.as_slice().iter().map(|v| (v.field.as_str(), v.reason)).collect();
    assert_eq!(
        reported,
        [
            ("name", reason::INVALID_CHARACTERS),
            ("stage_arn", reason::INVALID_FORMAT),
            ("user_id", reason::TOO_LONG),
            ("attributes", reason::TOO_LARGE),
            ("insecure_ingest", reason::CONFLICT),
            (r#"tags["AWS:x"]"#, reason::RESERVED_PREFIX),
            ("request_id", reason::INVALID_CHARACTERS),
        ]
    );
}
