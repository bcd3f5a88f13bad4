//! Compares the `buf.validate` rules of the `.proto` with the parsers of `request`. For
//! every rule of every field of every request, the test parses values below, at and above
//! the bound. The parser must report a violation of exactly that field if and only if the
//! value breaks a rule.
//!
//! The test fails if it has no values for a kind of rule, a pattern, a CEL expression or a
//! kind of field, or if a request has no parser.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests")]

mod cel;
mod scalars;
mod texts;
mod values;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use ivs_ingest_gateway::{
    proto::FILE_DESCRIPTOR_SET,
    request::{
        CreateIngestConfiguration, DeleteIngestConfiguration, GetIngestConfiguration,
        ListIngestConfigurations, UpdateIngestConfiguration, Violations,
    },
};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor, ReflectMessage, Value,
};

use crate::{
    cel::{CEL, Cases, Cel},
    scalars::{check_enum, check_free_field, check_int32},
    texts::{PATTERNS, Pattern, text_rule},
    values::{CONFIGURATION, entry_path, field_mask, list, map, set_fields, text},
};

type Parse = fn(&DynamicMessage) -> Result<(), Violations>;

/// The parser of each request. `None` means that the request has no fields.
const PARSERS: [(&str, Option<Parse>); 6] = [
    ("CreateIngestConfigurationRequest", Some(parse_create)),
    (
        "GetIngestConfigurationRequest",
        Some(|m| GetIngestConfiguration::parse(m.transcode_to().unwrap()).map(drop)),
    ),
    (
        "ListIngestConfigurationsRequest",
        Some(|m| ListIngestConfigurations::parse(m.transcode_to().unwrap()).map(drop)),
    ),
    (
        "UpdateIngestConfigurationRequest",
        Some(|m| UpdateIngestConfiguration::parse(m.transcode_to().unwrap()).map(drop)),
    ),
    (
        "DeleteIngestConfigurationRequest",
        Some(|m| DeleteIngestConfiguration::parse(m.transcode_to().unwrap()).map(drop)),
    ),
    ("GetQuotaRequest", None),
];

fn parse_create(message: &DynamicMessage) -> Result<(), Violations> {
    CreateIngestConfiguration::parse(message.transcode_to().unwrap(), &BTreeMap::new()).map(drop)
}

/// Returns the value of a field that a valid request needs.
fn good_value(field: &FieldDescriptor) -> Option<Value> {
    match field.name() {
        "arn" => Some(text(CONFIGURATION)),
        "ingest_protocol" => Some(Value::EnumNumber(2)),
        "update_mask" => Some(field_mask(field, &["stage_arn", "redundant_ingest"])),
        _ => None,
    }
}

#[test]
fn the_parsers_enforce_the_rules_of_the_proto() {
    let suite = Suite::new();
    let service = suite.pool.get_service_by_name("ivs.ingest.v1.IngestService").unwrap();
    for method in service.methods() {
        let request = method.input();
        let parser = PARSERS.iter().find(|(name, _)| *name == request.name());
        let (_, parse) = parser.unwrap_or_else(|| panic!("no parser of {}", request.name()));
        match parse {
            Some(parse) => suite.check_request(&request, *parse),
            None => assert_eq!(request.fields().len(), 0, "{} needs a parser", request.name()),
        }
    }
    assert_eq!(service.methods().len(), PARSERS.len());
    let used = suite.used.borrow();
    let known = PATTERNS.iter().map(|pattern| pattern.source).chain(CEL.iter().map(|cel| cel.id));
    assert_eq!(
        *used,
        known.map(ToOwned::to_owned).collect(),
        "there are test values for rules that no longer exist"
    );
}

struct Suite {
    pool: DescriptorPool,
    /// The patterns and CEL rules that the test has checked so far.
    used: RefCell<BTreeSet<String>>,
}

/// A valid request and its parser.
struct Request {
    good: DynamicMessage,
    parse: Parse,
}

impl Request {
    /// Asserts that the only violation of the message is of the field `broken`, or that the
    /// message has no violation.
    fn check(&self, message: &DynamicMessage, broken: Option<&str>) {
        let violations = (self.parse)(message).err();
        let reported: BTreeSet<_> =
            violations.iter().flat_map(Violations::as_slice).map(|v| v.field.as_str()).collect();
        assert_eq!(
            reported,
            broken.into_iter().collect(),
            "{} {message:?}",
            message.descriptor().name()
        );
    }

    fn check_field(&self, field: &FieldDescriptor, value: Value, broken: Option<&str>) {
        let mut message = self.good.clone();
        message.set_field(field, value);
        self.check(&message, broken);
    }
}

impl Suite {
    fn new() -> Self {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
        Self { pool, used: RefCell::default() }
    }

    fn check_request(&self, descriptor: &MessageDescriptor, parse: Parse) {
        let mut good = DynamicMessage::new(descriptor.clone());
        for field in descriptor.fields() {
            if let Some(value) = good_value(&field) {
                good.set_field(&field, value);
            }
        }
        let request = Request { good, parse };
        request.check(&request.good, None);

        for (name, rule) in self.rules(&descriptor.options(), "buf.validate.message") {
            assert_eq!(name, "cel", "no values for the rule {name} of messages");
            for cel in list(&rule) {
                let Cases::Message(field, cases) = &self.cel(cel).cases else {
                    panic!("{cel:?} is a rule of a message")
                };
                for (message, valid) in cases(&request.good) {
                    request.check(&message, (!valid).then_some(field));
                }
            }
        }
        for field in descriptor.fields() {
            let rules = self.rules(&field.options(), "buf.validate.field");
            if rules.is_empty() {
                check_free_field(&request, &field);
            }
            for (name, rule) in &rules {
                self.check_rule(&request, &field, name, rule);
            }
        }
    }

    fn check_rule(&self, request: &Request, field: &FieldDescriptor, name: &str, rule: &Value) {
        match name {
            "string" => {
                for (value, valid) in self.texts(rule) {
                    let broken = (!valid).then_some(field.name());
                    request.check_field(field, text(&value), broken);
                }
            }
            "map" => self.check_map(request, field, rule),
            "enum" => check_enum(request, field, rule),
            "int32" => check_int32(request, field, rule),
            "required" => {
                assert_eq!(rule, &Value::Bool(true));
                let mut message = request.good.clone();
                message.clear_field(field);
                request.check(&message, Some(field.name()));
            }
            "cel" => {
                for cel in list(rule) {
                    let Cases::Field(cases) = &self.cel(cel).cases else {
                        panic!("{cel:?} is a rule of a field")
                    };
                    for (value, valid) in cases(field) {
                        request.check_field(field, value, (!valid).then_some(field.name()));
                    }
                }
            }
            unknown => panic!("no values for the rule {unknown} of {}", field.full_name()),
        }
    }

    fn check_map(&self, request: &Request, field: &FieldDescriptor, rules: &Value) {
        let check_entry = |key: &str, value: &str, valid: bool| {
            let path = entry_path(field, key);
            let entry = map([(key.to_owned(), value.to_owned())]);
            request.check_field(field, entry, (!valid).then_some(&path));
        };
        for (name, rule) in set_fields(rules) {
            match name.as_str() {
                "max_pairs" => {
                    let max = usize::try_from(rule.as_u64().unwrap()).unwrap();
                    for (count, valid) in
                        [(0, true), (max - 1, true), (max, true), (max + 1, false)]
                    {
                        let pairs = (0..count).map(|index| (format!("key{index}"), String::new()));
                        request.check_field(field, map(pairs), (!valid).then_some(field.name()));
                    }
                }
                "keys" => {
                    for (name, rule) in set_fields(&rule) {
                        match name.as_str() {
                            "string" => {
                                for (key, valid) in self.texts(&rule) {
                                    check_entry(&key, "", valid);
                                }
                            }
                            "cel" => {
                                for cel in list(&rule) {
                                    let Cases::Keys(cases) = &self.cel(cel).cases else {
                                        panic!("{cel:?} is a rule of keys")
                                    };
                                    for (key, valid) in *cases {
                                        check_entry(key, "", *valid);
                                    }
                                }
                            }
                            unknown => panic!("no values for the rule {unknown} of keys"),
                        }
                    }
                }
                "values" => {
                    for (name, rule) in set_fields(&rule) {
                        assert_eq!(name, "string", "no values for the rule {name} of map values");
                        for (value, valid) in self.texts(&rule) {
                            check_entry("key", &value, valid);
                        }
                    }
                }
                unknown => panic!("no values for the rule {unknown} of maps"),
            }
        }
    }

    /// Returns texts below, at and above the bounds of all rules of a text field, and whether
    /// each obeys all rules.
    fn texts(&self, rules: &Value) -> Vec<(String, bool)> {
        let rules = set_fields(rules);
        let find = |name| rules.iter().find(|(rule, _)| rule == name).map(|(_, rule)| rule);
        let pattern = find("pattern").map(|rule| self.pattern(rule.as_str().unwrap()));
        let rules: Vec<_> =
            rules.iter().map(|(name, rule)| text_rule(name, rule, pattern)).collect();
        let texts = rules.iter().flat_map(|rule| &rule.texts);
        texts.map(|text| (text.clone(), rules.iter().all(|rule| (rule.valid)(text)))).collect()
    }

    fn pattern(&self, pattern: &str) -> &'static Pattern {
        self.used.borrow_mut().insert(pattern.to_owned());
        let known = PATTERNS.iter().find(|known| known.source == pattern);
        known.unwrap_or_else(|| panic!("no values for the pattern {pattern}"))
    }

    fn cel(&self, rule: &Value) -> &'static Cel {
        let rule: HashMap<_, _> = set_fields(rule).into_iter().collect();
        let id = rule["id"].as_str().unwrap();
        let known = CEL.iter().find(|known| known.id == id);
        let known = known.unwrap_or_else(|| panic!("no values for the CEL rule {id}"));
        assert_eq!(rule["expression"].as_str(), Some(known.expression), "{id} has changed");
        self.used.borrow_mut().insert(id.to_owned());
        known
    }

    /// Returns the rules in this extension of a message's or field's options.
    fn rules(&self, options: &DynamicMessage, extension: &str) -> Vec<(String, Value)> {
        let extension = self.pool.get_extension_by_name(extension).unwrap();
        if options.has_extension(&extension) {
            set_fields(&options.get_extension(&extension))
        } else {
            Vec::new()
        }
    }
}
