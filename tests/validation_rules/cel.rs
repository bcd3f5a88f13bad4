//! The CEL rules of the `.proto`, with test values for each.

use prost_reflect::{DynamicMessage, FieldDescriptor, Value};

use crate::values::{field_mask, map};

/// The test values of a CEL rule, and whether each is valid. The expression is repeated
/// here, so that the test fails when the `.proto` changes it.
pub(crate) struct Cel {
    pub(crate) id: &'static str,
    pub(crate) expression: &'static str,
    pub(crate) cases: Cases,
}

pub(crate) enum Cases {
    /// Keys of a map.
    Keys(&'static [(&'static str, bool)]),
    /// Values of a field.
    Field(fn(&FieldDescriptor) -> Vec<(Value, bool)>),
    /// Whole messages. The violation of an invalid message must name this field.
    Message(&'static str, fn(&DynamicMessage) -> Vec<(DynamicMessage, bool)>),
}

pub(crate) const CEL: [Cel; 5] = [
    Cel {
        id: "insecure_ingest.rtmp",
        expression: "this.ingest_protocol != 1 || this.insecure_ingest",
        cases: Cases::Message("insecure_ingest", |good| {
            [(1, false, false), (1, true, true), (2, false, true), (2, true, true)]
                .map(|(protocol, insecure, valid)| {
                    let mut message = good.clone();
                    message.set_field_by_name("ingest_protocol", Value::EnumNumber(protocol));
                    message.set_field_by_name("insecure_ingest", Value::Bool(insecure));
                    (message, valid)
                })
                .into()
        }),
    },
    Cel {
        id: "attributes.max_total_bytes",
        expression: "size(bytes(this.map(key, key + this[key]).join(''))) <= 1024",
        cases: Cases::Field(|_| {
            vec![
                (map([]), true),
                (map([("k".into(), "v".repeat(1022))]), true),
                (map([("k".into(), "v".repeat(1023))]), true),
                (map([("k".into(), "v".repeat(1024))]), false),
                (map([("k".repeat(1025), String::new())]), false),
                (map([("é".repeat(256), "é".repeat(256))]), true),
                (map([("é".repeat(256), "é".repeat(257))]), false),
                (
                    map([
                        ("a".into(), "\u{1F980}".repeat(127)),
                        ("bcd".into(), "\u{1F980}".repeat(128)),
                    ]),
                    true,
                ),
                (
                    map([
                        ("a".into(), "\u{1F980}".repeat(127)),
                        ("bcde".into(), "\u{1F980}".repeat(128)),
                    ]),
                    false,
                ),
            ]
        }),
    },
    Cel {
        id: "tags.reserved_prefix",
        expression: "!this.matches('^(?i)(aws|ivs-ingest-gateway):')",
        cases: Cases::Keys(&[
            ("aws:", false),
            ("aws:x", false),
            ("AWS:x", false),
            ("aWs:x", false),
            // RE2 treats the long s as an s when it ignores case.
            ("awſ:x", false),
            ("ivs-ingest-gateway:tenant", false),
            ("Ivs-INGEST-gateway:", false),
            ("ivs-ingeſt-gateway:x", false),
            ("aws", true),
            ("aws-x:y", true),
            ("xaws:y", true),
            (" aws:y", true),
            ("ivs-ingest-gateway", true),
            ("ingest_gateway:x", true),
            ("ınġest-gateway:x", true),
        ]),
    },
    Cel {
        id: "update_mask.not_empty",
        expression: "size(this.paths) > 0",
        cases: Cases::Field(|field| {
            vec![(field_mask(field, &[]), false), (field_mask(field, &["stage_arn"]), true)]
        }),
    },
    Cel {
        id: "update_mask.known_paths",
        expression: "this.paths.all(path, path in ['stage_arn', 'redundant_ingest'])",
        cases: Cases::Field(|field| {
            [
                (&["stage_arn"][..], true),
                (&["redundant_ingest"], true),
                (&["redundant_ingest", "stage_arn", "stage_arn"], true),
                (&["arn"], false),
                (&["*"], false),
                (&[""], false),
                (&["stage_arn.x"], false),
                (&["stageArn"], false),
                (&["stage_arn", "name"], false),
            ]
            .map(|(paths, valid)| (field_mask(field, paths), valid))
            .into()
        }),
    },
];
