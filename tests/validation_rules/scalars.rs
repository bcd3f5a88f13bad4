//! The rules of enums and numbers, and fields without rules.

use std::collections::BTreeSet;

use prost_reflect::{FieldDescriptor, Kind, ReflectMessage, Value};

use crate::{
    Request,
    values::{list, set_fields},
};

pub(super) fn check_enum(request: &Request, field: &FieldDescriptor, rules: &Value) {
    let Kind::Enum(descriptor) = field.kind() else {
        panic!("{} is not an enum", field.full_name())
    };
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
        let valid = (!defined_only || defined.contains(&number)) && !not_in.contains(&number);
        let mut message = request.good.clone();
        message.set_field(field, Value::EnumNumber(number));
        // With `true`, no rule of `insecure_ingest` depends on the protocol.
        if message.descriptor().get_field_by_name("insecure_ingest").is_some() {
            message.set_field_by_name("insecure_ingest", Value::Bool(true));
        }
        request.check(&message, (!valid).then_some(field.name()));
    }
}

pub(super) fn check_int32(request: &Request, field: &FieldDescriptor, rules: &Value) {
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
        let valid = (least..=most).contains(&number);
        request.check_field(field, Value::I32(number), (!valid).then_some(field.name()));
    }
}

/// Asserts that the parser accepts every value of a field without rules.
pub(super) fn check_free_field(request: &Request, field: &FieldDescriptor) {
    assert_eq!(field.kind(), Kind::Bool, "{} has no rule to bound it", field.full_name());
    for value in [false, true] {
        request.check_field(field, Value::Bool(value), None);
    }
}
