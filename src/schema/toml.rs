//! TOML as values with places. What is not TOML is reported by the reader of the file: the parser recovers, and its messages need a
//! reader that knows what the file should look like.

use std::borrow::Cow;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::node::{Node, Number, Source, Value};
use crate::model::TextPlaces;

/// A key with its place, as the parser gives it.
pub(crate) type TomlKey<'a> = Spanned<Cow<'a, str>>;

/// Makes nodes of what the parser gives.
pub(crate) struct TomlNodes<'a> {
    places: &'a TextPlaces<'a>,
    source: Arc<Source>,
}

impl<'a> TomlNodes<'a> {
    /// For a file by its name, and its text.
    pub(crate) fn new(file: &str, places: &'a TextPlaces<'a>) -> Self {
        TomlNodes { places, source: Source::plain(file, places.text()) }
    }

    /// A key as a node.
    pub(crate) fn key(&self, key: &TomlKey<'_>) -> Node {
        let text = Value::String(key.get_ref().clone().into_owned());
        Node::new(Some(self.places.span(&key.span())), text, &self.source)
    }

    /// A value as a node.
    pub(crate) fn value(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let read = match value.get_ref() {
            DeValue::String(text) => Value::String(text.clone().into_owned()),
            DeValue::Integer(number) => self::number(&number.to_string()),
            DeValue::Float(number) => self::number(&number.to_string()),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Datetime(_) => Value::Other("a date".to_owned()),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.value(item)).collect()),
            DeValue::Table(table) => Value::Table(self.pairs(table)),
        };
        Node::new(Some(self.places.span(&value.span())), read, &self.source)
    }

    /// The pairs of a table, in the order of writing.
    pub(crate) fn pairs(&self, table: &DeTable<'_>) -> Vec<(Node, Node)> {
        let mut pairs: Vec<_> = table.iter().collect();
        pairs.sort_by_key(|(key, _)| key.span().start);
        pairs.into_iter().map(|(key, value)| (self.key(key), self.value(value))).collect()
    }
}

/// A number by its text; what has a base of its own is kept as it is written.
fn number(text: &str) -> Value {
    Value::Number(Number { value: text.parse().unwrap_or(f64::NAN), text: text.to_owned() })
}
