//! An error of a script, with its place in the user's file.
//!
//! Lua's own texts carry a position in front; this takes it off, and prefers what the stack says where Lua
//! says nothing. A call in tail position has no frame; its place is then the compiler's span, when there is
//! one, or the frame below.

use std::fmt;

use mlua::{Error, Lua, UserData, Value};

use super::call_spans::CallSpans;
use super::plain_message::plain_message;
use crate::model::{Span, without_codes};
use crate::schema::elsewhere;

/// The most frames that a trace keeps.
pub(super) const MAX_TRACE: usize = 20;
/// The most frames that are looked at.
const MAX_FRAMES: usize = 2_000;
/// The longest text of an error, in bytes. It is kept whole: what writes it down redacts it first and shortens it then.
const MAX_MESSAGE: usize = 4 << 20;

/// A line of a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as the chunk names it: `.quire/ci.fnl`.
    pub(crate) file: String,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What a script raised and did not catch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// What went wrong, without a position.
    pub message: String,
    /// The file it went wrong in.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
    /// The call of quire's that raised it, when the compiler has marked that.
    pub(crate) span: Option<Span>,
    /// The calls that led there, innermost first, at most 20.
    pub trace: Vec<Place>,
    /// What to do instead.
    pub help: Option<String>,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ScriptError {}

impl ScriptError {
    /// An error with a text and maybe a place.
    pub(super) fn new(message: impl Into<String>, place: Option<Place>) -> Self {
        let message = whole_or_size(plain_message(&without_codes(demangled(message.into()))).into_owned());
        let help = help_for(&message);
        let trace = place.iter().cloned().collect();
        let (file, line) = place.map_or((None, None), |place| (Some(place.file), Some(place.line)));
        Self { message, file, line, span: None, trace, help }
    }
}

/// What the message handler found out, on its way through Lua.
#[derive(Debug, Clone)]
pub(super) enum Caught {
    /// An error of the script.
    Script(ScriptError),
    /// The VM's memory limit was hit.
    OutOfMemory,
}

impl UserData for Caught {}

impl Caught {
    /// The error of the script, if it is one.
    pub(super) fn script(self) -> Option<ScriptError> {
        match self {
            Self::Script(error) => Some(error),
            Self::OutOfMemory => None,
        }
    }
}

/// Makes a [`Caught`] of an error value, at the moment it is raised. `span` is the compiler's, when the value
/// is one of quire's own texts.
#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum")]
pub(super) fn capture(lua: &Lua, problem: &Value, span: Option<&str>) -> Caught {
    let trace = frames(lua);
    match problem {
        Value::Error(error) => match root(error) {
            Error::MemoryError(_) => Caught::OutOfMemory,
            other => Caught::Script(located(lua, text_of(other), trace, span)),
        },
        other => Caught::Script(located(lua, text_of_value(other), trace, span)),
    }
}

/// What an error value that went through `call_async` or `xpcall` stands for.
#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum")]
pub(super) fn caught(value: &Value) -> Caught {
    let known =
        value.as_userdata().and_then(|data| data.borrow::<Caught>().ok().map(|caught| caught.clone()));
    if let Some(caught) = known {
        return caught;
    }
    match value {
        Value::Error(error) => caught_error(error),
        // The handler is not called for these.
        Value::String(text) if text.as_bytes() == b"not enough memory" => Caught::OutOfMemory,
        other => Caught::Script(ScriptError::new(text_of_value(other), None)),
    }
}

/// The same for an error of mlua's.
#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum")]
pub(super) fn caught_error(error: &Error) -> Caught {
    match root(error) {
        Error::MemoryError(_) => Caught::OutOfMemory,
        other => {
            let (message, place) = split_position(&text_of(other), |_| true);
            Caught::Script(ScriptError::new(message, place))
        }
    }
}

/// The user's line that is being executed: the innermost frame of a repository's file.
pub(super) fn current_place(lua: &Lua) -> Option<Place> {
    (0..MAX_FRAMES).map_while(|level| frame(lua, level)).flatten().next()
}

/// The line that a span of the compiler's begins on: `\1@12:3:…`.
pub(super) fn line_of_span(span: &str) -> Option<u32> {
    let digits: String = span.strip_prefix("\u{1}@")?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn located(lua: &Lua, text: String, trace: Vec<Place>, span: Option<&str>) -> ScriptError {
    let chunks = lua.app_data_ref::<ChunkNames>();
    let known = |file: &str| {
        chunks.as_ref().is_some_and(|chunks| chunks.0.iter().any(|name| name == file))
            || trace.iter().any(|place| place.file == file)
    };
    let (message, written) = split_position(&text, known);
    let spanned = span.and_then(line_of_span).map(|line| {
        let file = trace.first().map(|place| place.file.clone());
        let entry = || chunks.as_ref().and_then(|chunks| chunks.0.first().cloned()).unwrap_or_default();
        Place { file: file.unwrap_or_else(entry), line }
    });
    drop(chunks);
    let marked = span.filter(|_| written.is_none()).and_then(CallSpans::parse).map(|spans| spans.call);
    let place = written.or(spanned).or_else(|| trace.first().cloned());
    let mut error = ScriptError { span: marked, ..ScriptError::new(message, place) };
    if !trace.is_empty() {
        error.trace = trace;
    }
    error
}

/// The names of all chunks of the repository, the entry first; kept with the VM.
pub(super) struct ChunkNames(pub(super) Vec<String>);

/// The file of the repository's chunks, when all are of one.
pub(super) fn only_file(lua: &Lua) -> Option<String> {
    let chunks = lua.app_data_ref::<ChunkNames>()?;
    let mut files = chunks.0.iter().filter(|name| !name.starts_with("quire/") && !name.starts_with('='));
    let first = files.next()?;
    files.all(|file| file == first).then(|| first.clone())
}

fn frames(lua: &Lua) -> Vec<Place> {
    (0..MAX_FRAMES).map_while(|level| frame(lua, level)).flatten().take(MAX_TRACE).collect()
}

/// One level of the stack: nothing above its end, and no place for a frame that is not the user's.
fn frame(lua: &Lua, level: usize) -> Option<Option<Place>> {
    lua.inspect_stack(level, place_of)
}

/// The place of a frame, when it is in a repository's file.
pub(super) fn place_of(debug: &mlua::debug::Debug<'_>) -> Option<Place> {
    let source = debug.source();
    let file = user_chunk(source.source.as_deref()?)?.to_owned();
    let line = u32::try_from(debug.current_line()?).ok()?;
    Some(Place { file, line })
}

/// The file of a chunk's source, when it is the repository's; quire's own are `=name` and `@quire/…`.
pub(super) fn user_chunk(source: &str) -> Option<&str> {
    source.strip_prefix('@').filter(|file| !file.starts_with("quire/"))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum")]
fn root(error: &Error) -> &Error {
    match error {
        Error::CallbackError { cause, .. } | Error::WithContext { cause, .. } => root(cause),
        other => other,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum")]
fn text_of(error: &Error) -> String {
    match error {
        Error::RuntimeError(text) | Error::SyntaxError { message: text, .. } => {
            // mlua adds a traceback to the text of an error that leaves a coroutine.
            text.split("\nstack traceback:").next().unwrap_or_default().to_owned()
        }
        other => other.to_string(),
    }
}

fn text_of_value(value: &Value) -> String {
    match value.as_string() {
        Some(text) => text.to_string_lossy(),
        None => value.to_string().unwrap_or_else(|_| "an error without a text".to_owned()),
    }
}

/// Splits `file:line: text`, when the file is one of the user's.
fn split_position(text: &str, known: impl Fn(&str) -> bool) -> (String, Option<Place>) {
    let whole = || (text.to_owned(), None);
    let Some((file, rest)) = text.split_once(':') else { return whole() };
    let Some((digits, message)) = rest.split_once(": ") else { return whole() };
    match digits.parse() {
        Ok(line) if known(file) => (message.to_owned(), Some(Place { file: file.to_owned(), line })),
        _ => whole(),
    }
}

/// Gives a global the name that it has in Fennel: `__fnl_global__read_2dfile` is `read-file`.
fn demangled(message: String) -> String {
    let mut parts = message.split("__fnl_global__");
    let Some(first) = parts.next() else { return message };
    let mut out = first.to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        let mut pieces = name.split('_');
        out.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let code = piece.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii);
            match (code, piece.get(2..)) {
                (Some(code), Some(tail)) => {
                    out.push(char::from(code));
                    out.push_str(tail);
                }
                _ => {
                    out.push('_');
                    out.push_str(piece);
                }
            }
        }
        out.push_str(rest);
    }
    out
}

/// The text, or how long it is: a part of it could end within a secret.
fn whole_or_size(message: String) -> String {
    if message.len() <= MAX_MESSAGE { message } else { format!("an error of {} bytes", message.len()) }
}

/// What a user can do who called something that is not in the sandbox.
fn help_for(message: &str) -> Option<String> {
    let known = HINTS.iter().find(|(part, _)| message.contains(part));
    if let Some((_, hint)) = known {
        return Some((*hint).to_owned());
    }
    let absent = message.strip_prefix("attempt to ")?;
    let name = absent.split('\'').nth(1)?;
    // Of the words of other languages only methods of text and lists can be meant here.
    let of_text = |hint: &String| TEXT_HINTS.iter().any(|begin| hint.starts_with(begin));
    help_for_absent(name).or_else(|| elsewhere(name).filter(of_text))
}

/// Parts of messages, and what to do.
const HINTS: [(&str, &str); 4] = [
    ("(for iterator 'for iterator')", "a list is walked by `(each [_ value (ipairs list)] …)`"),
    ("attempt to call a string value", "a list is `[a b]`; `(a b)` calls `a`"),
    ("attempt to concatenate a table value", "a table is no text; the output of a step is `result.stdout`"),
    (
        " works only inside a running job",
        "call it in the function of a job: `(ci:job :id [:quire/push] (fn [{: sh}] …))`",
    ),
];

/// How hints about methods of text and lists begin.
const TEXT_HINTS: [&str; 4] = ["`(text:", "`(table.", "`(icollect [part", "`(length"];

/// The same for its name.
pub(super) fn help_for_absent(name: &str) -> Option<String> {
    let instead = match name {
        "io" => "use `read-file`, `write-file` or `sh`",
        "execute" | "popen" => "use `sh`",
        "getenv" | "exit" | "remove" | "rename" | "tmpname" => "use `sh`; `os` has only time, date and clock",
        "coroutine" => "jobs that do not wait for each other run at the same time",
        "debug" | "package" | "warn" | "collectgarbage" => "it is not in a pipeline's Lua",
        "load" | "loadstring" | "loadfile" | "dofile" | "dump" => {
            "put code into `.quire/lib` and `require` it"
        }
        _ => return None,
    };
    Some(format!("`{name}` is not available in a pipeline: {instead}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_split_off_when_the_file_is_known() {
        let known = |file: &str| file == ".quire/ci.fnl";
        let place = Place { file: ".quire/ci.fnl".into(), line: 7 };
        assert_eq!(split_position(".quire/ci.fnl:7: a: b", known), ("a: b".into(), Some(place)));
        for text in ["other:7: x", ".quire/ci.fnl:x: y", "plain", ".quire/ci.fnl: 7", "http://x:1: y"] {
            assert_eq!(split_position(text, known), (text.to_owned(), None));
        }
    }

    #[test]
    fn globals_have_their_name_in_fennel() {
        let message = "attempt to call a nil value (global '__fnl_global__read_2dfiel')";
        let error = ScriptError::new(message, None);
        assert_eq!(error.message, "attempt to call a nil value (global 'read-fiel')");
        assert_eq!(demangled("__fnl_global__a_5fb_zz __fnl_global__".into()), "a_b_zz ");
        assert_eq!(demangled("plain _2d".into()), "plain _2d");
    }

    #[test]
    fn spans_give_their_line() {
        assert_eq!(line_of_span("\u{1}@12:3:40-60"), Some(12));
        for odd in ["12", "\u{1}@", "\u{1}@x", "", "@12"] {
            assert_eq!(line_of_span(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_message_is_whole_or_only_its_size() {
        let length = |bytes: usize| ScriptError::new("x".repeat(bytes), None).message.len();
        assert_eq!(length(MAX_MESSAGE), MAX_MESSAGE);
        assert_eq!(ScriptError::new("x".repeat(MAX_MESSAGE + 1), None).message, "an error of 4194305 bytes");
    }

    #[test]
    fn what_is_not_in_the_sandbox_is_explained() {
        let help = |message| ScriptError::new(message, None).help;
        assert!(help("attempt to index a nil value (global 'io')").unwrap().contains("read-file"));
        assert!(help("attempt to call a nil value (field 'execute')").unwrap().contains("`sh`"));
        assert_eq!(help("attempt to call a nil value (global 'x')"), None);
        assert_eq!(help("io"), None);
    }
}
