//! Renders descriptors as Markdown.

use std::{collections::HashMap, fmt::Write};

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

// Field numbers in descriptors. They form the path of the element that a comment describes.
const SYNTAX: i32 = 12;
const FILE_MESSAGES: i32 = 4;
const FILE_ENUMS: i32 = 5;
const FILE_SERVICES: i32 = 6;
/// The fields of a message, the values of an enum, and the methods of a service.
const MEMBERS: i32 = 2;

/// The leading comments of a file, by the path of their element.
struct Comments(HashMap<Vec<i32>, String>);

impl Comments {
    fn of(file: &FileDescriptorProto) -> Self {
        let locations = &file.source_code_info.as_ref().unwrap().location;
        let comments = locations.iter().filter_map(|location| {
            let text = location.leading_comments.as_deref()?;
            let lines = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
            let lines: Vec<_> = lines.filter(|line| !line.starts_with("buf:lint:")).collect();
            Some((location.path.clone(), lines.join("\n")))
        });
        Self(comments.collect())
    }

    fn of_element(&self, path: &[i32]) -> &str {
        self.0.get(path).unwrap_or_else(|| panic!("no comment at {path:?}")).trim()
    }

    /// Returns the comment in one line, for a cell of a table.
    fn in_a_line(&self, path: &[i32]) -> String {
        self.of_element(path).replace('\n', " ").replace('|', "\\|")
    }
}

/// Returns the API reference of the file.
pub(crate) fn markdown(file: &FileDescriptorProto) -> String {
    let comments = Comments::of(file);
    let mut page = format!("# The API `{}`\n\n", file.package());
    page += "Generated from the comments of [the .proto](../proto/ivs/ingest/v1/ingest_service.proto) by `BLESS=1 cargo test --test api_reference`.\n\n";
    paragraph(&mut page, comments.of_element(&[SYNTAX]));
    for (service, index) in file.service.iter().zip(0..) {
        service_section(&mut page, service, &comments, &[FILE_SERVICES, index]);
    }
    page += "## Messages\n\n";
    for (message, index) in file.message_type.iter().zip(0..) {
        message_section(&mut page, message, &comments, &[FILE_MESSAGES, index]);
    }
    page += "## Enums\n\n";
    for (values, index) in file.enum_type.iter().zip(0..) {
        enum_section(&mut page, values, &comments, &[FILE_ENUMS, index]);
    }
    page.truncate(page.trim_end().len());
    page + "\n"
}

fn service_section(
    page: &mut String,
    service: &ServiceDescriptorProto,
    comments: &Comments,
    path: &[i32],
) {
    writeln!(page, "## {}\n", service.name()).unwrap();
    paragraph(page, comments.of_element(path));
    for (method, index) in service.method.iter().zip(0..) {
        let (input, output) = (link(method.input_type()), link(method.output_type()));
        writeln!(page, "### {}\n\n{input} → {output}\n", method.name()).unwrap();
        paragraph(page, comments.of_element(&[path, &[MEMBERS, index]].concat()));
    }
}

fn message_section(
    page: &mut String,
    message: &DescriptorProto,
    comments: &Comments,
    path: &[i32],
) {
    writeln!(page, "### {}\n", message.name()).unwrap();
    paragraph(page, comments.of_element(path));
    if message.field.is_empty() {
        return;
    }
    *page += "| Field | Type | |\n| --- | --- | --- |\n";
    for (field, index) in message.field.iter().zip(0..) {
        let comment = comments.in_a_line(&[path, &[MEMBERS, index]].concat());
        writeln!(page, "| `{}` | {} | {comment} |", field.name(), type_of(field, message)).unwrap();
    }
    *page += "\n";
}

fn enum_section(
    page: &mut String,
    values: &EnumDescriptorProto,
    comments: &Comments,
    path: &[i32],
) {
    writeln!(page, "### {}\n", values.name()).unwrap();
    paragraph(page, comments.of_element(path));
    *page += "| Value | Number | |\n| --- | --- | --- |\n";
    for (value, index) in values.value.iter().zip(0..) {
        let comment = comments.in_a_line(&[path, &[MEMBERS, index]].concat());
        writeln!(page, "| `{}` | {} | {comment} |", value.name(), value.number()).unwrap();
    }
    *page += "\n";
}

/// Appends the paragraphs of a comment, one line each.
fn paragraph(page: &mut String, comment: &str) {
    for paragraph in comment.split("\n\n") {
        writeln!(page, "{}\n", paragraph.replace('\n', " ")).unwrap();
    }
}

fn type_of(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    let name = match field.r#type() {
        Type::Message | Type::Enum => {
            let mut entries = message.nested_type.iter();
            let short = field.type_name().rsplit('.').next();
            let entry = entries.find(|nested| Some(nested.name()) == short);
            if let Some([key, value]) = entry.map(|entry| &entry.field[..]) {
                return format!("map of {} to {}", type_of(key, message), type_of(value, message));
            }
            link(field.type_name())
        }
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    };
    if field.label() == Label::Repeated { format!("repeated {name}") } else { name }
}

/// Returns a link to a type of this file, or the name of a type of another file.
fn link(type_name: &str) -> String {
    let name = type_name.trim_start_matches('.');
    match name.strip_prefix("ivs.ingest.v1.") {
        Some(own) => format!("[{own}](#{})", own.to_lowercase()),
        None => format!("`{name}`"),
    }
}
