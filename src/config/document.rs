//! The configuration as a tree. Each value has its origin: a line of the file, or a
//! variable of the environment.

use std::{collections::BTreeMap, ops::RangeInclusive};

use toml::de::{DeTable, DeValue};

use super::problems::Origin;

pub(super) type Table = BTreeMap<String, Node>;

#[derive(Clone)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
    /// The text of an environment variable. `123456789012` is a number in TOML, and also a
    /// valid account id.
    raw: Option<String>,
}

#[derive(Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// Saturated at the limits of `i64`, which no key accepts.
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(Table),
}

/// A line that is not TOML, and the parser's message.
pub(super) type SyntaxError = (usize, String);

/// Parses the whole file. Returns all values that could be read, and the errors.
pub(super) fn parse(text: &str) -> (Table, Vec<SyntaxError>) {
    let line = |offset: usize| {
        1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut syntax_errors: Vec<SyntaxError> = errors
        .iter()
        .map(|error| (line(error.span().map_or(0, |span| span.start)), error.message().to_owned()))
        .collect();
    // One mistake can cause several errors in a line. The first is sufficient.
    syntax_errors.sort_by_key(|(line, _)| *line);
    syntax_errors.dedup_by_key(|(line, _)| *line);
    (table(document.get_ref(), &|offset| Origin::Line(line(offset))), syntax_errors)
}

fn table(source: &DeTable<'_>, origin: &dyn Fn(usize) -> Origin) -> Table {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let at = origin(key.span().start);
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        (name.to_string(), Node::new(at, convert(value.get_ref(), origin)))
    };
    source.iter().map(entry).collect()
}

fn convert(source: &DeValue<'_>, origin: &dyn Fn(usize) -> Origin) -> Value {
    match source {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let saturated = if number.as_str().starts_with('-') { i64::MIN } else { i64::MAX };
            Value::Integer(
                i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(saturated),
            )
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| Node::new(origin(item.span().start), convert(item.get_ref(), origin)))
                .collect(),
        ),
        DeValue::Table(entries) => Value::Table(table(entries, origin)),
    }
}

/// Nodes are equal if their values are equal, regardless of their origins.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Node {
    fn new(origin: Origin, value: Value) -> Self {
        Self { origin, value, raw: None }
    }

    /// A table without entries.
    pub(super) fn section(origin: Origin) -> Self {
        Self::new(origin, Value::Table(Table::new()))
    }

    /// Parses the value of a variable as TOML. A value that is not TOML is text.
    pub(super) fn from_variable(origin: Origin, text: &str) -> Self {
        let text = text.trim();
        let value = DeValue::parse(text).map_or_else(
            |_| Value::Text(text.to_owned()),
            |value| convert(value.get_ref(), &|_| origin.clone()),
        );
        Self { origin, value, raw: Some(text.to_owned()) }
    }

    /// Returns the text, or the problem of a value of another type.
    pub(super) fn text(self) -> Result<String, String> {
        match (self.value, self.raw) {
            (Value::Text(text), _) | (_, Some(text)) => Ok(text),
            (other, None) => Err(format!("is {}; give text in quotes", other.kind())),
        }
    }

    /// Returns a whole number within the range, or the problem of another value.
    pub(super) fn integer(self, range: &RangeInclusive<i64>) -> Result<i64, String> {
        let what = match self.value {
            Value::Integer(number) if range.contains(&number) => return Ok(number),
            Value::Integer(number) if number < *range.start() => {
                format!("is less than {}", range.start())
            }
            Value::Integer(_) => format!("is more than {}", range.end()),
            other => format!("is {}", other.kind()),
        };
        Err(format!("{what}; give a whole number from {} to {}", range.start(), range.end()))
    }

    /// Returns a number above zero and at most `most`, or the problem of another value.
    pub(super) fn positive(self, most: f64) -> Result<f64, String> {
        let number = match &self.value {
            Value::Float(number) => Some(*number),
            // A whole number beyond 32 bits is also beyond the limit of every key.
            Value::Integer(number) => {
                let beyond = if *number > 0 { f64::INFINITY } else { f64::NEG_INFINITY };
                Some(i32::try_from(*number).map_or(beyond, f64::from))
            }
            _ => None,
        };
        let what = match number {
            Some(number) if number > 0.0 && number <= most => return Ok(number),
            Some(number) if number > most => format!("is more than {most}"),
            Some(number) if number <= 0.0 => "is not above 0".to_owned(),
            Some(_) => "is not a number".to_owned(),
            None => format!("is {}", self.value.kind()),
        };
        Err(format!("{what}; give a number above 0 and at most {most}"))
    }

    /// Returns `true` or `false`, or the problem of another value.
    pub(super) fn boolean(self) -> Result<bool, String> {
        match self.value {
            Value::Boolean(boolean) => Ok(boolean),
            other => Err(format!("is {}; give true or false", other.kind())),
        }
    }

    /// Returns the items of a list, or the problem of another value.
    pub(super) fn list(self) -> Result<Vec<Self>, String> {
        match self.value {
            Value::Array(items) => Ok(items),
            other => Err(format!("is {}; give a list in brackets", other.kind())),
        }
    }

    /// Returns the entries of a section, or the problem of another value.
    pub(super) fn table(self) -> Result<Table, String> {
        match self.value {
            Value::Table(entries) => Ok(entries),
            other => Err(format!("is {}; give a section of keys", other.kind())),
        }
    }
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Boolean(_) => "a boolean",
            Self::Datetime => "a date or time",
            Self::Array(_) => "a list",
            Self::Table(_) => "a section",
        }
    }
}
