//! The `buf.validate` rules of the `.proto` against the parsers of `ingest`: every rule
//! of every field of every request, with values below, at and above its bound. A value
//! is rejected, for just its field, if and only if it breaks a rule.
//!
//! Fails where it meets something it has no values for: a kind of rule, a pattern, a
//! CEL expression, a kind of field, or a request without a parser.

#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests")]

mod cel;
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
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value,
};

use crate::{
    cel::{CEL, Cases, Cel},
    texts::{PATTERNS, Pattern, text_rule},
    values::{CONFIGURATION, entry_path, field_mask, list, map, set_fields, text},
};

type Parse = fn(&DynamicMessage) -> Result<(), Violations>;

/// The parser of each request. `None`: the request has no field, and so no rule.
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

/// The required fields of a valid request, by name.
fn good_value(field: &FieldDescriptor) -> Option<Value> {
    match field.name() {
        "arn" => Some(text(CONFIGURATION)),
        "ingest_protocol" => Some(Value::EnumNumber(2)),
        "update_mask" => Some(field_mask(field, &["stage_arn", "redundant_ingest"])),
        _ => None,
    }
}

#[test]
fn the_parsers_keep_to_the_rules_of_the_proto() {
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
    assert_eq!(*used, known.map(ToOwned::to_owned).collect(), "values for rules that are gone");
}

struct Suite {
    pool: DescriptorPool,
    /// The patterns and the CEL rules met so far.
    used: RefCell<BTreeSet<String>>,
}

/// A request with nothing wrong in it, and what reads it.
struct Request {
    good: DynamicMessage,
    parse: Parse,
}

impl Request {
    /// The message must be rejected for `broken` and nothing else, or be accepted.
    fn check(&self, message: &DynamicMessage, broken: Option<&str>) {
        let violations = (self.parse)(message).err();
        let told: BTreeSet<_> =
            violations.iter().flat_map(Violations::as_slice).map(|v| v.field.as_str()).collect();
        assert_eq!(
            told,
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
            assert_eq!(name, "cel", "a rule of messages: {name}");
            for cel in list(&rule) {
                let Cases::Message(field, cases) = &self.cel(cel).cases else {
                    panic!("{cel:?} is a rule of a message")
                };
                for (message, keeps) in cases(&request.good) {
                    request.check(&message, (!keeps).then_some(field));
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
                for (value, keeps) in self.texts(rule) {
                    let broken = (!keeps).then_some(field.name());
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
                    for (value, keeps) in cases(field) {
                        request.check_field(field, value, (!keeps).then_some(field.name()));
                    }
                }
            }
            unknown => panic!("no values for the rule {unknown} of {}", field.full_name()),
        }
    }

    fn check_map(&self, request: &Request, field: &FieldDescriptor, rules: &Value) {
        let check_entry = |key: &str, value: &str, keeps: bool| {
            let path = entry_path(field, key);
            let entry = map([(key.to_owned(), value.to_owned())]);
            request.check_field(field, entry, (!keeps).then_some(&path));
        };
        for (name, rule) in set_fields(rules) {
            match name.as_str() {
                "max_pairs" => {
                    let max = usize::try_from(rule.as_u64().unwrap()).unwrap();
                    for (count, keeps) in
                        [(0, true), (max - 1, true), (max, true), (max + 1, false)]
                    {
                        let pairs = (0..count).map(|index| (format!("key{index}"), String::new()));
                        request.check_field(field, map(pairs), (!keeps).then_some(field.name()));
                    }
                }
                "keys" => {
                    for (name, rule) in set_fields(&rule) {
                        match name.as_str() {
                            "string" => {
                                for (key, keeps) in self.texts(&rule) {
                                    check_entry(&key, "", keeps);
                                }
                            }
                            "cel" => {
                                for cel in list(&rule) {
                                    let Cases::Keys(cases) = &self.cel(cel).cases else {
                                        panic!("{cel:?} is a rule of keys")
                                    };
                                    for (key, keeps) in *cases {
                                        check_entry(key, "", *keeps);
                                    }
                                }
                            }
                            unknown => panic!("no values for the rule {unknown} of keys"),
                        }
                    }
                }
                "values" => {
                    for (name, rule) in set_fields(&rule) {
                        assert_eq!(name, "string", "a rule of values");
                        for (value, keeps) in self.texts(&rule) {
                            check_entry("key", &value, keeps);
                        }
                    }
                }
                unknown => panic!("no values for the rule {unknown} of maps"),
            }
        }
    }

    /// Texts below, at and above the bounds of all rules of a text together, and whether
    /// each keeps to all of them.
    fn texts(&self, rules: &Value) -> Vec<(String, bool)> {
        let rules = set_fields(rules);
        let find = |name| rules.iter().find(|(rule, _)| rule == name).map(|(_, rule)| rule);
        let pattern = find("pattern").map(|rule| self.pattern(rule.as_str().unwrap()));
        let rules: Vec<_> =
            rules.iter().map(|(name, rule)| text_rule(name, rule, pattern)).collect();
        let texts = rules.iter().flat_map(|rule| &rule.texts);
        texts.map(|text| (text.clone(), rules.iter().all(|rule| (rule.keeps)(text)))).collect()
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

    /// The rules that the options of a message or a field have in the extension.
    fn rules(&self, options: &DynamicMessage, extension: &str) -> Vec<(String, Value)> {
        let extension = self.pool.get_extension_by_name(extension).unwrap();
        if options.has_extension(&extension) {
            set_fields(&options.get_extension(&extension))
        } else {
            Vec::new()
        }
    }
}

fn check_enum(request: &Request, field: &FieldDescriptor, rules: &Value) {
    let Kind::Enum(descriptor) = field.kind() else { panic!("{} is no enum", field.full_name()) };
    let defined: BTreeSet<i32> = descriptor.values().map(|value| value.number()).collect();
    let (mut defined_only, mut not_in) = (false, BTreeSet::new());
    for (name, rule) in set_fields(rules) {
        match name.as_str() {
            "defined_only" => defined_only = rule.as_bool().unwrap(),
            "not_in" => not_in = list(&rule).iter().map(|value| value.as_i32().unwrap()).collect(),
            unknown => panic!("no values for the rule {unknown} of enums"),
        }
    }
    for number in (-1..=defined.last().unwrap() + 1).chain([i32::MIN, i32::MAX]) {
        let keeps = (!defined_only || defined.contains(&number)) && !not_in.contains(&number);
        let mut message = request.good.clone();
        message.set_field(field, Value::EnumNumber(number));
        // So that the choice of the protocol meets its own rules alone.
        if message.descriptor().get_field_by_name("insecure_ingest").is_some() {
            message.set_field_by_name("insecure_ingest", Value::Bool(true));
        }
        request.check(&message, (!keeps).then_some(field.name()));
    }
}

fn check_int32(request: &Request, field: &FieldDescriptor, rules: &Value) {
    let (mut least, mut most) = (i32::MIN, i32::MAX);
    for (name, rule) in set_fields(rules) {
        match name.as_str() {
            "gte" => least = rule.as_i32().unwrap(),
            "lte" => most = rule.as_i32().unwrap(),
            unknown => panic!("no values for the rule {unknown} of numbers"),
        }
    }
    let around = |bound: i32| [bound.saturating_sub(1), bound, bound.saturating_add(1)];
    for number in around(least).into_iter().chain(around(most)).chain([i32::MIN, i32::MAX]) {
        let keeps = (least..=most).contains(&number);
        request.check_field(field, Value::I32(number), (!keeps).then_some(field.name()));
    }
}

/// A field without rules takes every value.
fn check_free_field(request: &Request, field: &FieldDescriptor) {
    assert_eq!(field.kind(), Kind::Bool, "{} has no rule to bound it", field.full_name());
    for value in [false, true] {
        request.check_field(field, Value::Bool(value), None);
    }
}
