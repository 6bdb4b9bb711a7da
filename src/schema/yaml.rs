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

/// Mistakes, at most; nothing is read after so many keys that stand there twice.
const MAX_MISTAKES: usize = 100;

/// Reads the one document of a file: its value, or none, and its mistakes.
pub(crate) fn read_yaml(file: &str, text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    let (source, lines) = (Source::yaml(file, text), text.lines().collect());
    let mut document = Document { source, text, lines, place: Place::default(), wrong: Vec::new() };
    let root = document.read();
    (root, document.wrong)
}

/// Reads a file and collects its mistakes.
struct Document<'a> {
    source: Arc<Source>,
    text: &'a str,
    lines: Vec<&'a str>,
    /// Where the last value begins: those that follow are behind it.
    place: Place,
    wrong: Vec<Diagnostic>,
}

/// A place in a line, from 0.
#[derive(Clone, Copy, Default)]
struct Place {
    line: usize,
    characters: usize,
    bytes: usize,
}

impl Place {
    /// The place of a marker in these lines. What is before this one in the same line is not counted again.
    fn to(self, marker: &Marker, lines: &[&str]) -> Self {
        let is_after = marker.line() == self.line && marker.col() >= self.characters;
        let from = if is_after { self } else { Self { line: marker.line(), ..Self::default() } };
        let text = lines.get(from.line.saturating_sub(1)).copied().unwrap_or_default();
        let rest = text.get(from.bytes..).unwrap_or_default().chars().take(marker.col() - from.characters);
        let bytes = from.bytes + rest.map(char::len_utf8).sum::<usize>();
        Self { characters: marker.col(), bytes, ..from }
    }

    fn column(self) -> u32 {
        u32::try_from(self.bytes + 1).unwrap_or(u32::MAX)
    }
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
        let line = place.line as usize;
        // The parser stops at the end of the line before.
        let tab = (line..).zip(self.lines.iter().skip(line.saturating_sub(1)));
        let tab = tab.take(2).find_map(|(line, text)| Some((line, indentation(text).find('\t')?)));
        let wrong = match tab {
            Some((line, column)) => {
                let place = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
                self.diagnostic(
                    Span::point(place(line), place(column + 1)),
                    "invalid YAML: a tab is no indentation",
                )
                .help("indent with spaces")
            }
            None => self.diagnostic(place, format!("invalid YAML: {}", error.info())),
        };
        self.wrong.push(wrong);
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
    fn span(&mut self, start: &Marker, end: &Marker) -> Span {
        let line = |marker: &Marker| u32::try_from(marker.line().max(1)).unwrap_or(u32::MAX);
        self.place = self.place.to(start, &self.lines);
        let (column, end_column) = (self.place.column(), self.place.to(end, &self.lines).column());
        Span { line: line(start), column, end_line: line(end), end_column }
    }

    fn diagnostic(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Node::new(Some(span), Value::Nil, &self.source).error(message)
    }

    fn error(&mut self, span: Span, message: impl Into<String>) {
        if self.wrong.len() >= MAX_MISTAKES {
            return;
        }
        let wrong = self.diagnostic(span, message);
        self.wrong.push(wrong);
    }
}

/// The white space that a line begins with.
fn indentation(line: &str) -> &str {
    line.get(..line.len() - line.trim_start().len()).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::time::{Duration, Instant};

    use super::*;

    /// What is in the places of the last keys and values.
    fn places(text: &str, count: usize) -> Vec<String> {
        let (root, wrong) = read_yaml("f.yaml", text);
        assert!(wrong.is_empty(), "{wrong:?}");
        let Value::Table(pairs) = root.unwrap().value else { panic!("no table") };
        let lines: Vec<&str> = text.lines().collect();
        let shown = |node: &Node| {
            let span = node.span.unwrap();
            lines[span.line as usize - 1][span.column as usize - 1..span.end_column as usize - 1].to_owned()
        };
        pairs[pairs.len() - count..].iter().flat_map(|(key, value)| [shown(key), shown(value)]).collect()
    }

    #[test]
    fn columns_count_the_bytes_before_a_value_also_behind_other_letters() {
        let text = "{é: ü, 日本: 𝄞𝄞, x: \"ß\", last: y}";
        assert_eq!(places(text, 4), ["é", "ü", "日本", "𝄞𝄞", "x", "\"ß\"", "last", "y"]);
        assert_eq!(places("é: ü\nlong: [ß, {ä: 1}]\r\nb: c\r\n", 1), ["b", "c"]);
    }

    #[test]
    fn a_long_line_is_counted_once() {
        let mut text = "{".to_owned();
        for number in 0..30_000 {
            let _infallible = write!(text, "ä{number}: ü, ");
        }
        text.push_str("last: y}");
        let began = Instant::now();
        assert_eq!(places(&text, 1), ["last", "y"]);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }

    #[test]
    fn a_tab_as_indentation_is_shown_where_it_is() {
        for (text, line, column) in
            [("a:\n\tb: 1\n", 2, 1), ("a: b\n\tc: 1\n", 2, 1), ("a:\n  b: 1\n  \tc: 1\n", 3, 3)]
        {
            let (_, wrong) = read_yaml("f.yaml", text);
            let span = wrong[0].span.unwrap();
            assert_eq!((span.line, span.column), (line, column), "{text:?} {wrong:?}");
            assert_eq!(wrong[0].help.as_deref(), Some("indent with spaces"));
        }
    }
}
