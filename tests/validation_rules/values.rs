//! Constructors and accessors of message values.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, Value};

pub(crate) const STAGE: &str = "arn:aws:ivs:us-east-1:123456789012:stage/AbCdEfGh1234";
pub(crate) const CONFIGURATION: &str =
    "arn:aws:ivs:us-east-1:123456789012:ingest-configuration/AbCd1234";

pub(crate) fn set_fields(message: &Value) -> Vec<(String, Value)> {
    let message = message.as_message().unwrap();
    message.fields().map(|(field, value)| (field.name().to_owned(), value.clone())).collect()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_list().unwrap()
}

pub(crate) fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

pub(crate) fn map(pairs: impl IntoIterator<Item = (String, String)>) -> Value {
    let entries = pairs.into_iter();
    Value::Map(entries.map(|(key, value)| (MapKey::String(key), Value::String(value))).collect())
}

pub(crate) fn field_mask(field: &FieldDescriptor, paths: &[&str]) -> Value {
    let Kind::Message(descriptor) = field.kind() else {
        panic!("{} is not a field mask", field.full_name())
    };
    let mut mask = DynamicMessage::new(descriptor);
    mask.set_field_by_name("paths", Value::List(paths.iter().map(|path| text(path)).collect()));
    Value::Message(mask)
}

/// Returns the path of a map's entry: the key is quoted and cut after 64 characters.
pub(crate) fn entry_path(field: &FieldDescriptor, key: &str) -> String {
    let mut shown: String = key.chars().take(64).collect();
    if shown.len() < key.len() {
        shown.push('…');
    }
    format!("{}[{shown:?}]", field.name())
}
