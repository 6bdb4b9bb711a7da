//! The TOML front-end: `workflow/<branch>.toml` to a bundle whose entry declares a job for each numbered table.
//!
//! The entry is Lua text made here, so that a workflow is evaluated and run as every other pipeline. Whatever the file
//! says is in it as numbers and as string literals whose bytes are escaped. Nothing is cached: there is nothing to
//! compile.

use std::fmt::Write as _;

use super::workflow_reader::{Command, read};
use crate::model::{Diagnostic, Span, TextPlaces};
use crate::script::{Bundle, Module, SourceFile, source_text};

/// What every entry begins with: how a table becomes a job. A step that fails raises, and so fails its job.
const JOB: &str = "local ci = require('quire.primitives')
local function job(id, need, words, place, options)
  ci.job(id, { need }, options, function(q) q.sh(words, { check = true }, place) end, place)
end
";

/// Makes the bundle of a workflow.
///
/// # Errors
/// Gives all mistakes.
pub(crate) fn load(file: &SourceFile) -> Result<Bundle, Vec<Diagnostic>> {
    let text = source_text(&file.path, &file.text).map_err(|wrong| vec![wrong])?;
    let places = TextPlaces::new(&file.path, &text);
    let (commands, warnings) = read(&file.path, &places)?;
    let entry = Module { name: "ci".to_owned(), path: file.path.clone(), lua: entry(&commands, &places) };
    Ok(Bundle { entry, modules: Vec::new(), warnings })
}

/// The Lua text that declares the jobs, each after the one that it needs.
fn entry(commands: &[Command], places: &TextPlaces<'_>) -> String {
    let mut lua = JOB.to_owned();
    let mut need = "quire/push".to_owned();
    for Command { number, key, run, words, interruptible } in commands {
        let id = number.to_string();
        let words: Vec<String> = words.iter().map(|word| literal(word)).collect();
        let (key, run) = (shown(places.span(key)), shown(places.span(run)));
        // The place of the call is that of `run`: it is what a step is asked for by. Then come those of its arguments.
        let place = format!("\"\\1@{run}|{key};{key}[{key}]\"");
        let options = interruptible.map_or("{}".to_owned(), |is| format!("{{ interruptible = {is} }}"));
        let words = words.join(", ");
        let _infallible = writeln!(lua, "job(\"{id}\", \"{need}\", {{ {words} }}, {place}, {options})");
        need = id;
    }
    lua
}

/// A place as the compiler of Fennel writes it.
fn shown(span: Span) -> String {
    format!("{}:{}:{}:{}", span.line, span.column, span.end_line, span.end_column)
}

/// A string literal of Lua: what is not a letter, digit or harmless sign is written as the number of its byte.
pub(super) fn literal(word: &str) -> String {
    let mut out = String::from("\"");
    for byte in word.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_./=:@%+, ".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "\\{byte:03}");
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
#[path = "workflow_tests.rs"]
mod tests;
