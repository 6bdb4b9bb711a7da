//! YAML that is data: values with places, made of the parser's events.
//!
//! What data does not need is refused by name: aliases, tags, more than one document, keys that stand there twice.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};

use super::node::{Node, Number, Source, Value};
use crate::model::{Diagnostic, Quoted, Span};

/// Collections inside each other, at most.
const MAX_DEPTH: usize = 8;

/// Keys that stand there twice, at most; nothing is read after them.
const MAX_MISTAKES: usize = 100;

/// Reads the one document of a file: its value, or none, and its mistakes.
pub(crate) fn read_yaml(file: &str, text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    let lines = text.lines().collect();
    let mut document = Document { source: Source::plain(file, text), text, lines, wrong: Vec::new() };
    let root = document.read();
    (root, document.wrong)
}

/// Reads a file and collects its mistakes.
struct Document<'a> {
    source: Arc<Source>,
    text: &'a str,
    lines: Vec<&'a str>,
    wrong: Vec<Diagnostic>,
}

/// Why reading stopped: the mistake is noted already.
struct Stopped;

type Events<'a> = Parser<'a, StrInput<'a>>;

impl<'a> Document<'a> {
    /// The value of the file; nothing when the file is empty or cannot be read.
    fn read(&mut self) -> Option<Node> {
        let mut events = Parser::new_from_str(self.text);
        let mut root = None;
        loop {
            match self.next(&mut events).ok()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
                (Event::StreamEnd, _) => return root,
                (_, span) if root.is_some() => {
                    self.error(span, "the file holds one document, and this is another one");
                    return None;
                }
                (event, span) => root = Some(self.value(event, span, &mut events, 0).ok()?),
            }
        }
    }

    fn next(&mut self, events: &mut Events<'a>) -> Result<(Event<'a>, Span), Stopped> {
        match events.next() {
            Some(Ok((event, span))) => Ok((event, self.span(&span.start, &span.end))),
            Some(Err(error)) => Err(self.scan_error(&error)),
            None => Ok((Event::StreamEnd, Span::point(1, 1))),
        }
    }

    fn scan_error(&mut self, error: &ScanError) -> Stopped {
        let place = self.span(error.marker(), error.marker());
        self.error(place, format!("invalid YAML: {}", error.info()));
        Stopped
    }

    fn value(
        &mut self,
        event: Event<'a>,
        span: Span,
        events: &mut Events<'a>,
        depth: usize,
    ) -> Result<Node, Stopped> {
        if depth > MAX_DEPTH {
            self.error(span, format!("values are nested more than {MAX_DEPTH} levels deep"));
            return Err(Stopped);
        }
        let value = match event {
            Event::Scalar(text, style, _, tag) => {
                self.refuse_tag(tag.is_some(), span);
                scalar(text.into_owned(), style == ScalarStyle::Plain)
            }
            Event::SequenceStart(_, tag) => {
                self.refuse_tag(tag.is_some(), span);
                Value::List(self.sequence(events, depth)?)
            }
            Event::MappingStart(_, tag) => {
                self.refuse_tag(tag.is_some(), span);
                Value::Table(self.mapping(events, depth)?)
            }
            Event::Alias(_) => {
                self.error(span, "aliases are not read here: write the value itself");
                return Err(Stopped);
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => {
                self.error(span, "a value is missing here");
                return Err(Stopped);
            }
        };
        Ok(Node::new(Some(span), value, &self.source))
    }

    fn refuse_tag(&mut self, has_tag: bool, span: Span) {
        if has_tag {
            self.error(span, "tags are not read here: write the value alone");
        }
    }

    fn sequence(&mut self, events: &mut Events<'a>, depth: usize) -> Result<Vec<Node>, Stopped> {
        let mut items = Vec::new();
        loop {
            match self.next(events)? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.value(event, span, events, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, events: &mut Events<'a>, depth: usize) -> Result<Vec<(Node, Node)>, Stopped> {
        let mut pairs: Vec<(Node, Node)> = Vec::new();
        let mut lines: HashMap<String, u32> = HashMap::new();
        loop {
            let key = match self.next(events)? {
                (Event::MappingEnd, _) => return Ok(pairs),
                (Event::Scalar(text, ..), span) => {
                    Node::new(Some(span), Value::String(text.into_owned()), &self.source)
                }
                (event, span) => self.value(event, span, events, depth + 1)?,
            };
            let (event, span) = self.next(events)?;
            let value = self.value(event, span, events, depth + 1)?;
            let name = key.as_str().map(str::to_owned).unwrap_or_default();
            let first = if matches!(key.value, Value::String(_)) {
                lines.get(&name).copied()
            } else {
                pairs.iter().find(|(other, _)| other.value == key.value).map(|(first, _)| first.line())
            };
            let Some(first) = first else {
                lines.insert(name, key.line());
                pairs.push((key, value));
                continue;
            };
            let wrong = key.error(format!("the key {} is here already", Quoted::new(&name)));
            self.wrong.push(wrong.help(format!("it is first given on line {first}")));
            if self.wrong.len() >= MAX_MISTAKES {
                return Err(Stopped);
            }
        }
    }

    /// The parser's places count characters from 0; ours count bytes from 1.
    fn span(&self, start: &Marker, end: &Marker) -> Span {
        let line = |marker: &Marker| u32::try_from(marker.line().max(1)).unwrap_or(u32::MAX);
        let column = |marker: &Marker| {
            let text = self.lines.get(marker.line().saturating_sub(1)).copied().unwrap_or_default();
            let bytes: usize = text.chars().take(marker.col()).map(char::len_utf8).sum();
            u32::try_from(bytes + 1).unwrap_or(u32::MAX)
        };
        Span { line: line(start), column: column(start), end_line: line(end), end_column: column(end) }
    }

    fn error(&mut self, span: Span, message: impl Into<String>) {
        self.wrong.push(Node::new(Some(span), Value::Nil, &self.source).error(message));
    }
}

/// What a scalar is: in quotes always text, otherwise as it looks.
fn scalar(text: String, is_plain: bool) -> Value {
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    match text.as_str() {
        _ if !is_plain => Value::String(text),
        "" | "~" | "null" | "Null" | "NULL" => Value::Nil,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        digits => match digits.parse() {
            Ok(value) if is_number => Value::Number(Number { value, text }),
            Ok(_) | Err(_) => Value::String(text),
        },
    }
}
