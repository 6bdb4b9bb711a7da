//! The one reader of tables: unknown options, wrong values and missing ones are reported at the key or value that is meant.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::time::Duration;

use super::elsewhere;
use super::node::{Node, Value};
use super::option::{Field, Kind, Options};
use crate::model::{Diagnostic, Quoted, Severity, Span, suggest};

/// Mistakes of one severity that are kept: each has its line with it, and a file can have more than anybody reads.
const MAX_MISTAKES: usize = 100;

/// The mistakes of one file, or of one call.
#[derive(Debug, Default)]
pub struct Mistakes {
    all: RefCell<Vec<Diagnostic>>,
    /// Whether an unknown option is only a warning.
    tolerates_unknown: bool,
}

impl Mistakes {
    /// Mistakes among which unknown options are only warnings.
    pub(crate) fn tolerating_unknown() -> Self {
        Self { tolerates_unknown: true, ..Self::default() }
    }

    /// Keeps one more, unless there are many already.
    pub(crate) fn note(&self, wrong: Diagnostic) {
        if !self.is_full_of(wrong.severity) {
            self.all.borrow_mut().push(wrong);
        }
    }

    fn is_full_of(&self, severity: Severity) -> bool {
        self.all.borrow().iter().filter(|wrong| wrong.severity == severity).count() >= MAX_MISTAKES
    }

    /// Whether reading on can give no more mistakes.
    fn is_full(&self) -> bool {
        self.is_full_of(Severity::Error)
    }

    /// What unknown options are.
    fn severity_of_unknown(&self) -> Severity {
        if self.tolerates_unknown { Severity::Warning } else { Severity::Error }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all.borrow().len()
    }

    /// The places of those that were noted after this many.
    pub(crate) fn places_since(&self, count: usize) -> Vec<Option<Span>> {
        self.all.borrow().iter().skip(count).map(|wrong| wrong.span).collect()
    }

    /// All of them, in the order of their places.
    pub(crate) fn into_sorted(self) -> Vec<Diagnostic> {
        let mut all = self.all.into_inner();
        all.sort_by_key(|wrong| wrong.span);
        all
    }

    /// The first one on one line, with its hint.
    pub(crate) fn into_text(self) -> Option<String> {
        let first = self.all.into_inner().into_iter().next()?;
        Some(match first.help {
            Some(help) => format!("{}; {help}", first.message),
            None => first.message,
        })
    }
}

/// A table whose options are known, and where its mistakes go.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    node: &'a Node,
    pairs: &'a [(Node, Node)],
    /// What has these options.
    of: Cow<'a, str>,
    options: &'static Options,
    mistakes: &'a Mistakes,
    /// The nearest value around the table whose place is known.
    place: Option<&'a Node>,
}

impl<'a> Fields<'a> {
    /// Reads a table; a value that is not a table, and each option that cannot be used, are mistakes.
    pub(crate) fn open(node: &'a Node, options: &'static Options, mistakes: &'a Mistakes) -> Option<Self> {
        Fields::of(node, Cow::Borrowed(options.of), options, mistakes, None)
    }

    /// The same of a thing with a name of its own, in the words of a message.
    pub(crate) fn named(
        node: &'a Node,
        of: String,
        options: &'static Options,
        mistakes: &'a Mistakes,
    ) -> Option<Self> {
        Fields::of(node, of.into(), options, mistakes, None)
    }

    /// Reads a table that is a value in this one.
    pub(crate) fn inner(
        &self,
        node: &'a Node,
        of: impl Into<Cow<'a, str>>,
        options: &'static Options,
    ) -> Option<Self> {
        Fields::of(node, of.into(), options, self.mistakes, self.place)
    }

    fn of(
        node: &'a Node,
        of: Cow<'a, str>,
        options: &'static Options,
        mistakes: &'a Mistakes,
        around: Option<&'a Node>,
    ) -> Option<Self> {
        if mistakes.is_full() {
            return None;
        }
        let place = Some(node).filter(|node| node.span.is_some()).or(around);
        let mut fields = Fields { node, pairs: &[], of, options, mistakes, place };
        let table = node
            .as_table()
            .map_err(|wrong| if options.example.is_empty() { wrong } else { wrong.help(options.example) });
        fields.pairs = fields.take_whole(table)?;
        let severity = mistakes.severity_of_unknown();
        for (key, _) in fields.pairs.iter().take_while(|_| !mistakes.is_full_of(severity)) {
            if let Some(wrong) = fields.refusal(key) {
                fields.note("", wrong);
            }
        }
        Some(fields)
    }

    /// Why a key cannot be used.
    fn refusal(&self, key: &Node) -> Option<Diagnostic> {
        let Value::String(name) = &key.value else {
            return Some(key.expected("the name of an option"));
        };
        let (message, help) = self.options.refusal(name, &self.of, key.key_mark())?;
        Some(Diagnostic { severity: self.mistakes.severity_of_unknown(), ..key.error(message).help(help) })
    }

    /// Keeps a mistake about the value of an option. Without a place of its own it has that of the nearest table, and says
    /// which option it is about.
    fn note(&self, name: &str, wrong: Diagnostic) {
        if wrong.span.is_some() {
            return self.mistakes.note(wrong);
        }
        let mark = self.node.key_mark();
        let message = match name {
            "" => wrong.message,
            name => format!("`{mark}{name}` of {}: {}", self.of, wrong.message),
        };
        let wrong = match self.place {
            Some(place) => Diagnostic { help: wrong.help, severity: wrong.severity, ..place.error(message) },
            None => Diagnostic { message, ..wrong },
        };
        self.mistakes.note(wrong);
    }

    fn take_whole<T>(&self, value: Result<T, Diagnostic>) -> Option<T> {
        value.map_err(|wrong| self.note_whole(wrong)).ok()
    }

    fn note_whole(&self, wrong: Diagnostic) {
        let message = match wrong.span {
            Some(_) => wrong.message,
            None => format!("the options of {}: {}", self.of, wrong.message),
        };
        self.note("", Diagnostic { message, ..wrong });
    }

    /// A mistake of the table as a whole.
    pub(crate) fn refuse(&self, message: impl Into<String>, help: &str) {
        self.note("", self.node.error(message).help(help));
    }

    /// A mistake of one option that is there.
    pub(crate) fn refuse_option(&self, name: &str, message: impl Into<String>, help: &str) {
        let node = self.key(name).unwrap_or(self.node);
        self.note("", node.error(message).help(help));
    }

    /// Where mistakes go.
    pub(crate) fn mistakes(&self) -> &'a Mistakes {
        self.mistakes
    }

    /// The options that the table can have.
    pub(crate) fn options(&self) -> &'static Options {
        self.options
    }

    /// A value that was read under an option, or nothing and one more mistake.
    pub(crate) fn value<T>(&self, name: &str, value: Result<T, Diagnostic>) -> Option<T> {
        value.map_err(|wrong| self.note(name, wrong)).ok()
    }

    /// The pairs of the table.
    pub(crate) fn pairs(&self) -> &'a [(Node, Node)] {
        self.pairs
    }

    fn field(&self, name: &str) -> Option<&'static Field> {
        let field = self.options.find(name);
        debug_assert!(field.is_some(), "`{name}` is in no table of options");
        field
    }

    /// The key of an option that is there.
    pub(crate) fn key(&self, name: &str) -> Option<&'a Node> {
        self.pairs.iter().map(|(key, _)| key).find(|key| key.is_text(name))
    }

    /// The value of an option that is there.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Node> {
        self.field(name)?;
        self.pairs.iter().find(|(key, _)| key.is_text(name)).map(|(_, value)| value)
    }

    /// What an option means, by a reader of its own.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a Node) -> Result<T, Diagnostic>,
    ) -> Option<T> {
        self.value(name, read(self.get(name)?))
    }

    /// What the text of an option means.
    pub(crate) fn parse<T, E: Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.read(name, |node| node.parse(parse))
    }

    /// `true` or `false`; nothing for the text of an option that takes both.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        if self.is_other_kind(name, |value| matches!(value, Value::String(_))) {
            return None;
        }
        self.read(name, Node::as_bool)
    }

    /// A text that is not empty and has no NUL byte; nothing for the flag of an option that takes both.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        if self.is_other_kind(name, |value| matches!(value, Value::Bool(_))) {
            return None;
        }
        self.read(name, word)
    }

    /// Whether an option takes flags and texts, and this is the one that is not asked for.
    fn is_other_kind(&self, name: &str, is_other: impl Fn(&Value) -> bool) -> bool {
        let takes_both = self.field(name).is_some_and(|field| matches!(field.kind, Kind::FlagOrText));
        takes_both && self.get(name).is_some_and(|node| is_other(&node.value))
    }

    /// A text, or a number in its place.
    pub(crate) fn text_or_number(&self, name: &str) -> Option<String> {
        self.read(name, |node| match node.as_str() {
            Ok(_) => word(node),
            Err(_) => node.as_text(),
        })
    }

    /// Any bytes.
    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.read(name, |node| node.as_bytes().map(<[u8]>::to_vec))
    }

    /// A duration.
    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        self.read(name, Node::as_duration)
    }

    /// A size within the limit of the option.
    pub(crate) fn size(&self, name: &str) -> Option<u64> {
        let Kind::Size { least } = self.field(name)?.kind else { return None };
        self.read(name, |node| node.as_size(least))
    }

    /// A whole number within the limits of the option.
    pub(crate) fn count(&self, name: &str) -> Option<u32> {
        let Kind::Count { least, most } = self.field(name)?.kind else { return None };
        self.read(name, |node| node.as_integer(least, most))
    }

    /// One of the words of the option.
    pub(crate) fn word(&self, name: &str) -> Option<&'static str> {
        let kind = self.field(name)?.kind;
        let Kind::Words(words) = kind else { return None };
        self.read(name, |node| {
            let what = kind.what(node.key_mark());
            let is_outcome = name == "when" && self.options.of == "a job";
            let Value::String(text) = &node.value else {
                let wrong = node.expected(what);
                return Err(if is_outcome { wrong.help(elsewhere::outcome(None)) } else { wrong });
            };
            words.iter().copied().find(|word| word == text).ok_or_else(|| {
                let wrong = node.error(format!("expected {what}, got {}", Quoted::new(text)));
                match suggest(text, words.iter().copied()) {
                    Some(near) => wrong.help(format!("did you mean `{}{near}`?", node.key_mark())),
                    None if is_outcome => wrong.help(elsewhere::outcome(Some(text.as_str()))),
                    None => wrong,
                }
            })
        })
    }

    /// A list, each of whose items is read.
    pub(crate) fn list<T>(&self, name: &str, read: impl Fn(&'a Node) -> Result<T, Diagnostic>) -> Vec<T> {
        let items = self.read(name, Node::as_list).unwrap_or_default();
        let items = items.iter().take_while(|_| !self.mistakes.is_full());
        items.filter_map(|item| self.value(name, read(item))).collect()
    }

    /// A list of texts that are not empty.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.list(name, word)
    }

    /// A list that says whom something is for. An empty one is a mistake: it is for nobody then, and reads as for all.
    pub(crate) fn scope<T, E: Display>(&self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
        let is_empty = self.get(name).is_some_and(|node| node.as_list().is_ok_and(<[Node]>::is_empty));
        if let (true, Some(node)) = (is_empty, self.get(name)) {
            let wrong = node.error("an empty list grants nothing");
            self.note(name, wrong.help("leave the option out to grant it everywhere"));
        }
        self.list(name, |item| item.parse(&parse))
    }

    /// Environment variables, sorted by name.
    pub(crate) fn variables(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let mut variables = Vec::new();
        let pairs = self.read(name, Node::as_table).unwrap_or_default();
        for (key, value) in pairs.iter().take_while(|_| !self.mistakes.is_full()) {
            match variable(key, value) {
                Ok(variable) => variables.push(variable),
                Err(wrong) => self.note(name, wrong),
            }
        }
        variables.sort();
        variables
    }

    /// The table under an option, with its own options.
    pub(crate) fn table(&self, name: &str, options: &'static Options) -> Option<Self> {
        self.inner(self.get(name)?, Cow::Borrowed(options.of), options)
    }

    /// The pairs of a table under an option, whose keys are names that the user chose.
    pub(crate) fn entries(&self, name: &str) -> &'a [(Node, Node)] {
        let what = self.field(name).map(|field| field.kind.what(self.node.key_mark()));
        let read =
            |node: &'a Node| node.as_table().map_err(|wrong| what.map_or(wrong, |what| node.expected(what)));
        self.read(name, read).unwrap_or_default()
    }
}

/// A text that is not empty and has no NUL byte.
fn word(node: &Node) -> Result<String, Diagnostic> {
    match node.as_str()? {
        "" => Err(node.error("the string must not be empty")),
        text if text.contains('\0') => Err(node.error("the string must not have a NUL byte")),
        text => Ok(text.to_owned()),
    }
}

fn variable(key: &Node, value: &Node) -> Result<(String, Vec<u8>), Diagnostic> {
    let name = key.as_str().map_err(|_| key.expected("the name of a variable"))?;
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(key.error(format!("{} cannot be the name of a variable", Quoted::new(name))));
    }
    let named = |wrong: Diagnostic| {
        let message = format!("{}: {}", Quoted::new(name), wrong.message);
        if wrong.span.is_some() { wrong } else { Diagnostic { message, ..wrong } }
    };
    let bytes = value.as_argument().map_err(named)?;
    if bytes.contains(&0) {
        return Err(named(value.error("the value must not have a NUL byte")));
    }
    Ok((name.to_owned(), bytes))
}
