//! A value in a Fennel data file with its place, and the accessors that a reader of such a file needs.

use std::sync::Arc;

use crate::model::{Diagnostic, Span, suggest};

/// A value with its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it is written.
    pub span: Span,
    /// What it is.
    pub value: Value,
    /// The file that it is in.
    source: Arc<Source>,
}

/// A value without code.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `{…}` in the order of writing; no key stands there twice.
    Table(Vec<(Node, Node)>),
    /// `[…]`.
    List(Vec<Node>),
    /// `"…"` or `:keyword`.
    String(String),
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
    /// `nil`.
    Nil,
}

/// The file of a node: its name and its text.
#[derive(Debug, PartialEq)]
pub struct Source {
    pub(crate) file: String,
    pub(crate) text: String,
}

impl PartialEq for Node {
    /// Nodes are equal when they hold the same value at the same place of the same file.
    fn eq(&self, other: &Node) -> bool {
        self.span == other.span && self.value == other.value && self.source.file == other.source.file
    }
}

impl Value {
    /// The kind of the value in the words of a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Table(_) => "a table",
            Value::List(_) => "a list",
            Value::String(_) => "a string",
            Value::Number(_) => "a number",
            Value::Bool(_) => "a boolean",
            Value::Nil => "nil",
        }
    }
}

impl Node {
    pub(crate) fn new(span: Span, value: Value, source: &Arc<Source>) -> Node {
        Node { span, value, source: Arc::clone(source) }
    }

    /// The same value, whose errors show stars where these spans are.
    #[must_use]
    pub fn hiding(self, spans: &[Span]) -> Node {
        let is_hidden = |place: (u32, u32)| {
            spans
                .iter()
                .any(|span| (span.line, span.column) <= place && place < (span.end_line, span.end_column))
        };
        let mut text = Vec::with_capacity(self.source.text.len());
        for (line, number) in self.source.text.split_inclusive('\n').zip(1..) {
            let bytes = line.bytes().zip(1..);
            text.extend(bytes.map(|(byte, column)| match byte {
                b'\n' => byte,
                _ if is_hidden((number, column)) => b'*',
                _ => byte,
            }));
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let source = Arc::new(Source { file: self.source.file.clone(), text });
        self.of(&source)
    }

    fn of(self, source: &Arc<Source>) -> Node {
        let value = match self.value {
            Value::Table(pairs) => Value::Table(
                pairs.into_iter().map(|(key, value)| (key.of(source), value.of(source))).collect(),
            ),
            Value::List(items) => Value::List(items.into_iter().map(|item| item.of(source)).collect()),
            value @ (Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Nil) => value,
        };
        Node { span: self.span, value, source: Arc::clone(source) }
    }

    /// An error at the place of this value.
    pub fn error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.source.file.clone(), message).at(self.span, &self.source.text)
    }

    /// The error that something else is expected here.
    pub fn expected(&self, what: &str) -> Diagnostic {
        self.error(format!("{what} is expected here, and this is {}", self.value.kind()))
    }

    /// The error that a table has no such key, with the nearest that it may have.
    pub fn unknown_key(&self, known: &[&str]) -> Diagnostic {
        let Value::String(key) = &self.value else {
            return self.error(format!("a key is a string, and this is {}", self.value.kind()));
        };
        let problem = self.error(format!("there is no key `:{key}` here"));
        match suggest(key, known.iter().copied()) {
            Some(near) => problem.help(format!("did you mean `:{near}`?")),
            None if known.is_empty() => problem.help("this table has no keys"),
            None => problem.help(format!("keys are :{}", known.join(" :"))),
        }
    }

    /// The pairs of a table, in the order of writing. `[]` counts as a table without pairs, as in Lua.
    ///
    /// # Errors
    /// Says what is there instead.
    pub fn as_table(&self) -> Result<&[(Node, Node)], Diagnostic> {
        match &self.value {
            Value::Table(pairs) => Ok(pairs),
            Value::List(items) if items.is_empty() => Ok(&[]),
            Value::List(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Nil => {
                Err(self.expected("a table `{…}`"))
            }
        }
    }

    /// The elements of a list. `{}` counts as an empty list, as in Lua.
    ///
    /// # Errors
    /// Says what is there instead.
    pub fn as_list(&self) -> Result<&[Node], Diagnostic> {
        match &self.value {
            Value::List(items) => Ok(items),
            Value::Table(pairs) if pairs.is_empty() => Ok(&[]),
            Value::Table(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Nil => {
                Err(self.expected("a list `[…]`"))
            }
        }
    }

    /// The text of a string or keyword.
    ///
    /// # Errors
    /// Says what is there instead.
    pub fn as_str(&self) -> Result<&str, Diagnostic> {
        match &self.value {
            Value::String(text) => Ok(text),
            Value::Table(_) | Value::List(_) | Value::Number(_) | Value::Bool(_) | Value::Nil => {
                Err(self.expected("a string"))
            }
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// Says what is there instead.
    pub fn as_bool(&self) -> Result<bool, Diagnostic> {
        match self.value {
            Value::Bool(value) => Ok(value),
            Value::Table(_) | Value::List(_) | Value::String(_) | Value::Number(_) | Value::Nil => {
                Err(self.expected("`true` or `false`"))
            }
        }
    }

    /// A finite number.
    ///
    /// # Errors
    /// Says what is there instead.
    pub fn as_number(&self) -> Result<f64, Diagnostic> {
        match self.value {
            Value::Number(value) if value.is_finite() => Ok(value),
            Value::Number(value) => {
                Err(self.error(format!("a finite number is expected here, and this is {value}")))
            }
            Value::Table(_) | Value::List(_) | Value::String(_) | Value::Bool(_) | Value::Nil => {
                Err(self.expected("a number"))
            }
        }
    }

    /// A whole number from `least` to `most`.
    ///
    /// # Errors
    /// Says what is there instead, or which numbers are meant.
    pub fn as_integer(&self, least: u32, most: u32) -> Result<u32, Diagnostic> {
        let value = self.as_number()?;
        if value.fract() == 0.0 && value >= f64::from(least) && value <= f64::from(most) {
            // The range fits, so the digits do as well.
            return format!("{value:.0}").parse().map_err(|_| self.expected("a whole number"));
        }
        Err(self
            .error(format!("a whole number from {least} to {most} is expected here, and this is {value}")))
    }

    /// The value under a key of a table.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Table(pairs) = &self.value else { return None };
        pairs
            .iter()
            .find(|(name, _)| matches!(&name.value, Value::String(text) if text == key))
            .map(|(_, value)| value)
    }

    /// The errors for all keys of a table that are not among the known ones.
    pub fn unknown_keys(&self, known: &[&str]) -> Vec<Diagnostic> {
        let Value::Table(pairs) = &self.value else { return Vec::new() };
        let is_known =
            |key: &Node| matches!(&key.value, Value::String(text) if known.contains(&text.as_str()));
        pairs.iter().filter(|(key, _)| !is_known(key)).map(|(key, _)| key.unknown_key(known)).collect()
    }
}
