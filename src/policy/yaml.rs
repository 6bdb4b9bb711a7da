//! YAML that is data: a small tree with places, made of the parser's events.
//!
//! What a bundle does not need is refused by name: aliases, tags, more than one document, keys that stand there twice.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};

use crate::model::{Diagnostic, Span, suggest};

/// Collections inside each other, at most.
const MAX_DEPTH: usize = 8;

/// A value with its place.
#[derive(Debug)]
pub(super) struct Yaml {
    span: Span,
    pub(super) value: YamlValue,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum YamlValue {
    /// `key: value`, in the order of writing; no key stands there twice.
    Mapping(Vec<(Yaml, Yaml)>),
    /// `[a, b]` or lines with `-`.
    Sequence(Vec<Yaml>),
    /// A text, and whether it stands in quotes.
    Scalar(String, bool),
}

/// Reads a file and collects its mistakes.
pub(super) struct Document<'a> {
    file: &'a str,
    text: &'a str,
    pub(super) wrong: Vec<Diagnostic>,
}

/// Why reading stopped: the mistake is noted already.
struct Stopped;

type Events<'a> = Parser<'a, StrInput<'a>>;

impl<'a> Document<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Document<'a> {
        Document { file, text, wrong: Vec::new() }
    }

    /// The value of the file; nothing when there is none, or none that can be read.
    pub(super) fn read(&mut self) -> Option<Yaml> {
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
        self.error(place, format!("this is no YAML: {}", error.info()));
        Stopped
    }

    fn value(
        &mut self,
        event: Event<'a>,
        span: Span,
        events: &mut Events<'a>,
        depth: usize,
    ) -> Result<Yaml, Stopped> {
        if depth > MAX_DEPTH {
            self.error(span, format!("values are nested more than {MAX_DEPTH} levels deep"));
            return Err(Stopped);
        }
        let value = match event {
            Event::Scalar(text, style, _, tag) => {
                self.refuse_tag(tag.is_some(), span);
                YamlValue::Scalar(text.into_owned(), style != ScalarStyle::Plain)
            }
            Event::SequenceStart(_, tag) => {
                self.refuse_tag(tag.is_some(), span);
                YamlValue::Sequence(self.sequence(events, depth)?)
            }
            Event::MappingStart(_, tag) => {
                self.refuse_tag(tag.is_some(), span);
                YamlValue::Mapping(self.mapping(events, depth)?)
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
        Ok(Yaml { span, value })
    }

    fn refuse_tag(&mut self, has_tag: bool, span: Span) {
        if has_tag {
            self.error(span, "tags are not read here: write the value alone");
        }
    }

    fn sequence(&mut self, events: &mut Events<'a>, depth: usize) -> Result<Vec<Yaml>, Stopped> {
        let mut items = Vec::new();
        loop {
            match self.next(events)? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.value(event, span, events, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, events: &mut Events<'a>, depth: usize) -> Result<Vec<(Yaml, Yaml)>, Stopped> {
        let mut pairs: Vec<(Yaml, Yaml)> = Vec::new();
        loop {
            let key = match self.next(events)? {
                (Event::MappingEnd, _) => return Ok(pairs),
                (event, span) => self.value(event, span, events, depth + 1)?,
            };
            let (event, span) = self.next(events)?;
            let value = self.value(event, span, events, depth + 1)?;
            match pairs.iter().find(|(other, _)| other.key() == key.key()) {
                Some((first, _)) => {
                    let help = format!("it is first given on line {}", first.span.line);
                    let message = format!("the key `{}` is here already", key.key());
                    self.wrong.push(self.problem(key.span, message).help(help));
                }
                None => pairs.push((key, value)),
            }
        }
    }

    /// The parser's places count characters from 0; ours count bytes from 1.
    fn span(&self, start: &Marker, end: &Marker) -> Span {
        let line = |marker: &Marker| u32::try_from(marker.line().max(1)).unwrap_or(u32::MAX);
        let column = |marker: &Marker| {
            let text = self.text.lines().nth(marker.line().saturating_sub(1)).unwrap_or_default();
            let bytes: usize = text.chars().take(marker.col()).map(char::len_utf8).sum();
            u32::try_from(bytes + 1).unwrap_or(u32::MAX)
        };
        Span { line: line(start), column: column(start), end_line: line(end), end_column: column(end) }
    }

    fn problem(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.file, message).at(span, self.text)
    }

    fn error(&mut self, span: Span, message: impl Into<String>) {
        let problem = self.problem(span, message);
        self.wrong.push(problem);
    }

    /// Notes that something is wrong with a value.
    pub(super) fn refuse(&mut self, at: &Yaml, message: impl Into<String>, help: Option<&str>) {
        let problem = self.problem(at.span, message);
        self.wrong.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }

    /// Notes that there is no such key, with the nearest that there is.
    pub(super) fn unknown(&mut self, key: &Yaml, known: &[&str]) {
        let help = match suggest(key.key(), known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("keys are {}", known.join(", ")),
        };
        self.refuse(key, format!("there is no key `{}` here", key.key()), Some(&help));
    }

    /// The pairs of a mapping, or none and one more mistake.
    pub(super) fn pairs<'y>(&mut self, at: &'y Yaml) -> &'y [(Yaml, Yaml)] {
        match &at.value {
            YamlValue::Mapping(pairs) => pairs,
            YamlValue::Sequence(_) | YamlValue::Scalar(..) => {
                self.expected(at, "keys with values are");
                &[]
            }
        }
    }

    /// The elements of a list, or none and one more mistake.
    pub(super) fn items<'y>(&mut self, at: &'y Yaml) -> &'y [Yaml] {
        match &at.value {
            YamlValue::Sequence(items) => items,
            YamlValue::Mapping(_) | YamlValue::Scalar(..) => {
                self.expected(at, "a list `[…]` is");
                &[]
            }
        }
    }

    /// A text or number, or nothing and one more mistake.
    pub(super) fn text<'y>(&mut self, at: &'y Yaml) -> Option<&'y str> {
        match &at.value {
            YamlValue::Scalar(text, is_quoted) if *is_quoted || !is_null(text) => Some(text),
            YamlValue::Scalar(..) | YamlValue::Mapping(_) | YamlValue::Sequence(_) => {
                self.expected(at, "a text is");
                None
            }
        }
    }

    /// `true` or `false`, or one more mistake.
    pub(super) fn boolean(&mut self, at: &Yaml) -> Option<bool> {
        match &at.value {
            YamlValue::Scalar(text, false) if text == "true" => Some(true),
            YamlValue::Scalar(text, false) if text == "false" => Some(false),
            YamlValue::Scalar(..) | YamlValue::Mapping(_) | YamlValue::Sequence(_) => {
                self.expected(at, "`true` or `false` is");
                None
            }
        }
    }

    fn expected(&mut self, at: &Yaml, what: &str) {
        self.error(at.span, format!("{what} expected here, and this is {}", at.kind()));
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

impl Yaml {
    /// The text of a key; a collection has none.
    pub(super) fn key(&self) -> &str {
        match &self.value {
            YamlValue::Scalar(text, _) => text,
            YamlValue::Mapping(_) | YamlValue::Sequence(_) => "…",
        }
    }

    /// Whether nothing is written there.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(&self.value, YamlValue::Scalar(text, false) if is_null(text))
    }

    fn kind(&self) -> &'static str {
        match &self.value {
            YamlValue::Mapping(_) => "a mapping",
            YamlValue::Sequence(_) => "a list",
            YamlValue::Scalar(..) if self.is_nothing() => "nothing",
            YamlValue::Scalar(..) => "a text or number",
        }
    }
}
