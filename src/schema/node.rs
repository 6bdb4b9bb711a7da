//! A value with its place, and what a reader can ask of it.

use std::sync::Arc;
use std::time::Duration;

use super::option::Kind;
use crate::model::{Diagnostic, Span, format_size, parse_duration, parse_size};

/// The longest duration: a hundred years.
const MAX_DURATION: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A value with its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it is written; none for a value that a program computed.
    pub(crate) span: Option<Span>,
    /// What it is.
    pub value: Value,
    /// The file that it is in.
    source: Arc<Source>,
}

/// A value without code.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Keys and values, in the order of writing; no key is there twice.
    Table(Vec<(Node, Node)>),
    /// Values in their order.
    List(Vec<Node>),
    /// Text.
    String(String),
    /// A string that is not UTF-8.
    Bytes(Vec<u8>),
    /// A number.
    Number(Number),
    /// `true` or `false`.
    Bool(bool),
    /// Nothing.
    Nil,
    /// What is not data, in the words of a message: `a function`.
    Other(String),
}

/// A number.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    pub(crate) value: f64,
    /// How its language writes it.
    pub(crate) text: String,
}

/// The file of a node: its name, its text, and what its language puts before a key.
#[derive(Debug, PartialEq)]
pub struct Source {
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) key_mark: &'static str,
    /// What its language calls a table.
    pub(crate) table: &'static str,
}

impl PartialEq for Node {
    /// Nodes are equal when they hold the same value at the same place of the same file.
    fn eq(&self, other: &Self) -> bool {
        self.span == other.span && self.value == other.value && self.source.file == other.source.file
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self { value, text: value.to_string() }
    }
}

impl Source {
    /// A file in Fennel, where a key is `:key`.
    pub(crate) fn fennel(file: &str, text: String) -> Arc<Self> {
        Arc::new(Self { file: file.to_owned(), text, key_mark: ":", table: "a table" })
    }

    /// A file in a language where a key stands as it is.
    pub(crate) fn plain(file: &str, text: &str) -> Arc<Self> {
        Arc::new(Self { file: file.to_owned(), text: text.to_owned(), key_mark: "", table: "a table" })
    }

    /// A file in YAML.
    pub(crate) fn yaml(file: &str, text: &str) -> Arc<Self> {
        Arc::new(Self { file: file.to_owned(), text: text.to_owned(), key_mark: "", table: "a mapping" })
    }
}

impl Value {
    /// The kind of the value in the words of a message. A string is not shown: it may be a secret.
    pub fn kind(&self) -> String {
        match self {
            Self::Table(_) => "a table".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::String(_) => "a string".to_owned(),
            Self::Bytes(_) => "a string that is not UTF-8".to_owned(),
            Self::Number(number) => format!("the number {}", number.text),
            Self::Bool(value) => format!("`{value}`"),
            Self::Nil => "nothing".to_owned(),
            Self::Other(kind) => kind.clone(),
        }
    }
}

impl Node {
    pub(crate) fn new(span: Option<Span>, value: Value, source: &Arc<Source>) -> Self {
        Self { span, value, source: Arc::clone(source) }
    }

    /// Another value at the same place.
    #[must_use]
    pub(crate) fn with(&self, value: Value) -> Self {
        Self::new(self.span, value, &self.source)
    }

    /// What its language puts before a key.
    pub(super) fn key_mark(&self) -> &'static str {
        self.source.key_mark
    }

    /// The same value, whose errors show stars where these spans are.
    #[must_use]
    pub(crate) fn hiding(self, spans: &[Span]) -> Self {
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
        let Source { file, key_mark, table, .. } = &*self.source;
        let source = Arc::new(Source { file: file.clone(), text, key_mark, table });
        self.with_source(&source)
    }

    fn with_source(self, source: &Arc<Source>) -> Self {
        let value = match self.value {
            Value::Table(pairs) => Value::Table(
                pairs
                    .into_iter()
                    .map(|(key, value)| (key.with_source(source), value.with_source(source)))
                    .collect(),
            ),
            Value::List(items) => {
                Value::List(items.into_iter().map(|item| item.with_source(source)).collect())
            }
            value @ (Value::String(_)
            | Value::Bytes(_)
            | Value::Number(_)
            | Value::Bool(_)
            | Value::Nil
            | Value::Other(_)) => value,
        };
        Self { span: self.span, value, source: Arc::clone(source) }
    }

    /// An error at the place of this value.
    pub(crate) fn error(&self, message: impl Into<String>) -> Diagnostic {
        let problem = Diagnostic::error(self.source.file.clone(), message);
        match self.span {
            Some(span) => problem.at(span, &self.source.text),
            None => problem,
        }
    }

    /// The error that something else is expected here.
    pub(crate) fn expected(&self, what: impl std::fmt::Display) -> Diagnostic {
        let what = what.to_string();
        let message = format!("expected {what}, got {}", self.value.kind());
        let wrong = self.error(message.replace("a table", self.source.table));
        match self.rewrite(&what) {
            Some(help) => wrong.help(help),
            None => wrong,
        }
    }

    /// How to write this value so that it is what is expected.
    fn rewrite(&self, what: &str) -> Option<String> {
        let is_list = |what: &str| what == "a list" || what.starts_with("a list of");
        match &self.value {
            Value::String(_) if is_list(what) => Some("put it into a list: `[\"…\"]`".to_owned()),
            Value::String(_) | Value::List(_) if what == "a table" && self.source.key_mark == ":" => {
                Some("a table is written `{:key value}`".to_owned())
            }
            Value::Number(number) if what == "a string" => {
                Some(format!("put it in quotes: `\"{}\"`", number.text))
            }
            Value::String(text)
                if what == "`true` or `false`" && matches!(text.as_str(), "true" | "false") =>
            {
                Some(format!("write `{text}`, without quotes"))
            }
            Value::String(text) if what.starts_with("a whole number") && text.parse::<u32>().is_ok() => {
                Some(format!("write `{text}`, without quotes"))
            }
            Value::Table(_)
            | Value::List(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::Number(_)
            | Value::Bool(_)
            | Value::Nil
            | Value::Other(_) => None,
        }
    }

    /// The pairs of a table, in the order of writing. `[]` counts as a table without pairs, as in Lua.
    ///
    /// # Errors
    /// Reports what was found instead.
    pub fn as_table(&self) -> Result<&[(Self, Self)], Diagnostic> {
        let is_empty = matches!(&self.value, Value::List(items) if items.is_empty());
        let Value::Table(pairs) = &self.value else {
            return if is_empty { Ok(&[]) } else { Err(self.expected("a table")) };
        };
        Ok(pairs)
    }

    /// The elements of a list. `{}` counts as an empty list, as in Lua.
    ///
    /// # Errors
    /// Reports what was found instead.
    pub(crate) fn as_list(&self) -> Result<&[Self], Diagnostic> {
        let is_empty = matches!(&self.value, Value::Table(pairs) if pairs.is_empty());
        let Value::List(items) = &self.value else {
            return if is_empty { Ok(&[]) } else { Err(self.expected("a list")) };
        };
        Ok(items)
    }

    /// The text of a string or keyword.
    ///
    /// # Errors
    /// Reports what was found instead.
    pub fn as_str(&self) -> Result<&str, Diagnostic> {
        let Value::String(text) = &self.value else { return Err(self.expected("a string")) };
        Ok(text)
    }

    /// The text of a string or a number.
    ///
    /// # Errors
    /// Reports what was found instead.
    pub fn as_text(&self) -> Result<String, Diagnostic> {
        if let Value::Number(number) = &self.value {
            return Ok(number.value.to_string());
        }
        self.as_str().map(str::to_owned).map_err(|_| self.expected("a string or a number"))
    }

    /// The bytes of a string.
    ///
    /// # Errors
    /// Reports what was found instead.
    pub(crate) fn as_bytes(&self) -> Result<&[u8], Diagnostic> {
        let Value::Bytes(bytes) = &self.value else { return self.as_str().map(str::as_bytes) };
        Ok(bytes)
    }

    /// The bytes of a string, or of a number as its language writes it: an argument of a program.
    ///
    /// # Errors
    /// Reports what was found instead.
    pub(crate) fn as_argument(&self) -> Result<Vec<u8>, Diagnostic> {
        if let Value::Number(number) = &self.value {
            return Ok(number.text.clone().into_bytes());
        }
        self.as_bytes().map(<[u8]>::to_vec).map_err(|_| self.expected("a string or a number"))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// Reports what was found instead.
    pub(crate) fn as_bool(&self) -> Result<bool, Diagnostic> {
        let Value::Bool(value) = self.value else { return Err(self.expected("`true` or `false`")) };
        Ok(value)
    }

    /// A whole number from `least` to `most`.
    ///
    /// # Errors
    /// Reports what was found instead, and which numbers are meant.
    pub fn as_integer(&self, least: u32, most: u32) -> Result<u32, Diagnostic> {
        let wrong = || self.expected(Kind::Count { least, most }.what(self.key_mark()));
        let Value::Number(Number { value, .. }) = self.value else { return Err(wrong()) };
        if value.fract() != 0.0 || value < f64::from(least) || value > f64::from(most) {
            return Err(wrong());
        }
        // The range fits, so the digits do as well.
        format!("{value:.0}").parse().map_err(|_| wrong())
    }

    /// A duration such as `"5m"`, or a number of seconds; more than nothing.
    ///
    /// # Errors
    /// Reports what was found instead.
    pub(crate) fn as_duration(&self) -> Result<Duration, Diagnostic> {
        let duration = if let Value::Number(number) = &self.value {
            Duration::try_from_secs_f64(number.value).ok()
        } else {
            let text = self.as_str().map_err(|_| self.expected(Kind::Duration.what(self.key_mark())))?;
            Some(parse_duration(text).map_err(|wrong| self.error(wrong.to_string()))?)
        };
        let fits = |duration: &Duration| !duration.is_zero() && *duration <= MAX_DURATION;
        duration
            .filter(fits)
            .ok_or_else(|| self.error("a duration must be more than 0 and at most 100 years"))
    }

    /// A size such as `"64MiB"`, or a number of bytes; at least so many.
    ///
    /// # Errors
    /// Reports what was found instead.
    pub(crate) fn as_size(&self, least: u64) -> Result<u64, Diagnostic> {
        let text = self.as_text().map_err(|_| self.expected(Kind::Size { least }.what(self.key_mark())))?;
        let size = parse_size(&text).map_err(|wrong| self.error(wrong.to_string()))?;
        if size < least {
            return Err(self.error(format!("{} is less than {}", format_size(size), format_size(least))));
        }
        Ok(size)
    }

    /// What a text means.
    ///
    /// # Errors
    /// Reports what was found instead, or what is wrong with the text.
    pub(crate) fn parse<T, E: std::fmt::Display>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Diagnostic> {
        parse(self.as_str()?).map_err(|wrong| self.error(wrong.to_string()))
    }

    /// The value under a key of a table.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Value::Table(pairs) = &self.value else { return None };
        pairs.iter().find(|(name, _)| name.is_text(key)).map(|(_, value)| value)
    }

    pub(super) fn is_text(&self, text: &str) -> bool {
        matches!(&self.value, Value::String(own) if own == text)
    }

    /// The line that it is on; 0 when that is not known.
    pub(crate) fn line(&self) -> u32 {
        self.span.map(|span| span.line).unwrap_or_default()
    }
}
