//! What the compile VM reports, as diagnostics.

use std::collections::BTreeMap;

use mlua::Table;

use crate::model::{Diagnostic, Severity, Span, suggest};

use super::compiler_words::own_words;
use super::plain_message::plain_message;
use super::script_error::help_for_absent;
use super::unclosed::{Unclosed, closed_at, invalid_escape, unclosed};
use super::unknown_input::{unknown_argument, unknown_input};
use crate::schema::{elsewhere, primitive_of, shape_of};

/// The most diagnostics that one compilation gives.
pub const MAX_DIAGNOSTICS: usize = 50;

/// A mistake as `lua/report.lua` keeps it.
#[derive(Debug, Default)]
pub(super) struct Mistake {
    /// The file that was compiled when it was found.
    pub(super) unit: String,
    /// The file that it is in.
    pub(super) file: String,
    span: Option<Span>,
    message: String,
    hint: Option<String>,
    unknown: Option<String>,
    unknown_module: Option<String>,
    locals: Vec<String>,
    /// The line on which an unknown name is bound, too late.
    later: Option<u32>,
    unclosed: bool,
    field: Option<UnknownField>,
}

/// A literal name that a table of quire never has.
#[derive(Debug)]
enum UnknownField {
    /// A field of the table of this shape.
    Field { shape: String, name: String },
    /// An option of this primitive.
    Option { of: String, name: String },
    /// An input of a job; `jobs` are those of its file.
    Input { job: Option<String>, name: String, inputs: Vec<String>, jobs: Vec<String> },
    /// An argument of a job that declares these.
    Argument { job: Option<String>, name: String, names: Vec<String> },
}

impl UnknownField {
    /// The message about it and the hint.
    fn words(&self) -> Option<(String, String)> {
        match self {
            Self::Field { shape, name } => shape_of(shape).map(|shape| shape.unknown(name)),
            Self::Option { of, name } => {
                let options = primitive_of(of)?.options?;
                options.refusal(name, options.of, ":")
            }
            Self::Input { job, name, inputs, jobs } => {
                let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
                Some(unknown_input(job.as_deref(), name, &inputs, jobs.iter().map(String::as_str)))
            }
            Self::Argument { job, name, names } => {
                let names = names.iter().map(String::as_str);
                Some(unknown_argument(job.as_deref(), name, names))
            }
        }
    }
}

/// Reads a list of mistakes.
pub(super) fn mistakes(list: &Table) -> mlua::Result<Vec<Mistake>> {
    list.sequence_values::<Table>().map(|table| mistake(&table?)).collect()
}

fn mistake(table: &Table) -> mlua::Result<Mistake> {
    let text = |key: &str| -> mlua::Result<Option<String>> {
        let text = table.raw_get::<Option<mlua::LuaString>>(key)?;
        Ok(text.map(|text| text.to_string_lossy()))
    };
    Ok(Mistake {
        unit: text("unit")?.unwrap_or_default(),
        file: text("file")?.unwrap_or_default(),
        span: table.raw_get::<Option<Table>>("span")?.as_ref().map(span).transpose()?,
        message: text("message")?.unwrap_or_default(),
        hint: text("hint")?,
        unknown: text("unknown")?,
        unknown_module: text("unknown_module")?,
        locals: table.raw_get::<Option<Vec<String>>>("locals")?.unwrap_or_default(),
        unclosed: table.raw_get::<Option<bool>>("unclosed")?.unwrap_or_default(),
        later: table.raw_get("later")?,
        field: unknown_field(table)?,
    })
}

fn unknown_field(table: &Table) -> mlua::Result<Option<UnknownField>> {
    let Some(name) = table.raw_get::<Option<String>>("field")? else { return Ok(None) };
    if let Some(of) = table.raw_get::<Option<String>>("options")? {
        return Ok(Some(UnknownField::Option { of, name }));
    }
    let shape: String = table.raw_get("shape")?;
    if shape == "args" {
        let (job, names) = (table.raw_get("job")?, table.raw_get("inputs")?);
        return Ok(Some(UnknownField::Argument { job, name, names }));
    }
    if shape != "inputs" {
        return Ok(Some(UnknownField::Field { shape, name }));
    }
    let (job, inputs, jobs) = (table.raw_get("job")?, table.raw_get("inputs")?, table.raw_get("jobs")?);
    Ok(Some(UnknownField::Input { job, name, inputs, jobs }))
}

/// Reads a place as `lua/positions.lua` makes it.
pub(super) fn span(table: &Table) -> mlua::Result<Span> {
    Ok(Span {
        line: table.raw_get("line")?,
        column: table.raw_get("column")?,
        end_line: table.raw_get("end_line")?,
        end_column: table.raw_get("end_column")?,
    })
}

/// The compiler's message about a backslash in a string.
const INVALID_ESCAPE: &str = "nvalid escape sequence";

/// The compiler's message about a table with a key and no value, at its end.
const ODD_TABLE: &str = "expected even number of values in table literal";

/// The compiler's message about a bracket that closes another kind.
const MISMATCHED: &str = "ismatched closing delimiter";

/// The compiler's message about a module of macros.
const NO_MACROS: &str = " module not found.";

/// What turns mistakes into diagnostics needs to know.
pub(super) struct Context<'a> {
    /// The text of every file by its path; the first of them is named when a mistake has no file.
    pub(super) files: &'a BTreeMap<String, String>,
    /// The file to name when a mistake is in none of them.
    pub(super) entry: &'a str,
    /// Global names, special forms and macros, for "did you mean".
    pub(super) words: Vec<&'a str>,
    /// Modules that can be required.
    pub(super) modules: Vec<&'a str>,
}

impl Context<'_> {
    /// One mistake as a diagnostic.
    pub(super) fn diagnostic(&self, mistake: &Mistake, severity: Severity) -> Diagnostic {
        let (file, text) = match self.files.get_key_value(&mistake.file) {
            Some((file, text)) => (file.as_str(), Some(text.as_str())),
            None => (self.entry, None),
        };
        let (message, help) = self.words_of(mistake);
        let out = Diagnostic { severity, help, ..Diagnostic::error(file, message) };
        let Some(text) = text else { return out };
        if mistake.unclosed {
            match unclosed(text) {
                Some(Unclosed::String(span)) => {
                    let out = Diagnostic { message: "a string is not closed".to_owned(), ..out };
                    return out.help("it ends with `\"`").at(span, text);
                }
                Some(Unclosed::Bracket { span, next_form }) => {
                    let end = match next_form {
                        Some(line) => format!("on line {line}, where the next form begins"),
                        None => "at the end of the file".to_owned(),
                    };
                    return out.help(format!("what begins here is still open {end}")).at(span, text);
                }
                None => {}
            }
        }
        if mistake.message.contains(INVALID_ESCAPE)
            && let Some(span) = invalid_escape(text)
        {
            return out.help("write `\\\\` for a backslash").at(span, text);
        }
        let Some(span) = mistake.span else { return out };
        if let Some(name) = &mistake.unknown {
            return at_unknown(out, name, span, text);
        }
        if mistake.message.contains(ODD_TABLE) || mistake.message.contains(MISMATCHED) {
            return at_bracket(out, span, text);
        }
        out.at(span, text)
    }

    /// The message and the hint of a mistake.
    fn words_of(&self, mistake: &Mistake) -> (String, Option<String>) {
        if let Some((message, help)) = mistake.field.as_ref().and_then(UnknownField::words) {
            return (message, Some(help));
        }
        if let Some(name) = &mistake.unknown {
            if let Some(instead) = primitive_of(name).and_then(|primitive| primitive.call.workaround()) {
                return (format!("`{name}` is not in this version of quire"), Some(instead.to_owned()));
            }
            let near = suggest(name, mistake.locals.iter().map(String::as_str));
            let help = match (near, mistake.later) {
                (_, Some(line)) => {
                    format!("`{name}` is bound on line {line}: move that before its first use")
                }
                (Some(near), None) => format!("did you mean `{near}`?"),
                (None, None) => self.help_for_unknown(name),
            };
            return (format!("unknown identifier: {name}"), Some(help));
        }
        if let Some(name) = &mistake.unknown_module {
            let help = match suggest(name, self.modules.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "modules are the files in .quire/lib and quire's own, such as `quire.ci`".to_owned(),
            };
            return (one_line(&mistake.message), Some(help));
        }
        let first = mistake.message.lines().next().unwrap_or_default();
        if let Some(name) = first.strip_suffix(NO_MACROS) {
            let help = format!("a module of macros is a file such as `.quire/lib/{name}.fnlm`");
            return (format!("there is no module of macros `{name}`"), Some(help));
        }
        let text = self.files.get(&mistake.file).map(String::as_str).unwrap_or_default();
        let message = one_line(&mistake.message);
        match own_words(&message, (text, mistake.span)) {
            Some((message, help)) => (message, Some(help)),
            None => (message, mistake.hint.as_deref().map(one_line)),
        }
    }

    /// The hint for a name that nothing binds.
    fn help_for_unknown(&self, name: &str) -> String {
        elsewhere(name).or_else(|| help_for_absent(name)).unwrap_or_else(|| {
            match suggest(name, self.words.iter().copied().filter(|word| !word.starts_with('_'))) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "bind it with `local` or `let` before this, or require the module that has it".to_owned()
                }
            }
        })
    }
}

/// The mistake of a name that nothing binds: perhaps it is a keyword without its colon, or a method with a slash.
fn at_unknown(out: Diagnostic, name: &str, span: Span, text: &str) -> Diagnostic {
    let line = text.lines().nth((span.line as usize).saturating_sub(1)).unwrap_or_default();
    let before = line.get(..(span.column as usize).saturating_sub(1)).unwrap_or_default().trim_end();
    let is_id = ["(ci:job", "(ci.job"].iter().any(|call| before.ends_with(call));
    let parts = name.split_once('/').filter(|(table, method)| !table.is_empty() && !method.is_empty());
    let out = if is_id || name.starts_with("quire/") {
        out.help(format!("did you mean `:{name}`?"))
    } else if let (Some((table, method)), true) = (parts, before.ends_with('(')) {
        out.help(format!("did you mean `{table}:{method}`?"))
    } else {
        out
    };
    out.at(span, text)
}

/// The mistake of a bracket: what it closes is named, and of a table the key that has no value.
fn at_bracket(out: Diagnostic, span: Span, text: &str) -> Diagnostic {
    let Some(closed) = closed_at(text, span) else { return out.at(span, text) };
    let line = |span: Span| text.lines().nth((span.line as usize).saturating_sub(1)).unwrap_or_default();
    let shown = |span: Span| {
        line(span).get((span.column as usize).saturating_sub(1)..(span.end_column as usize).saturating_sub(1))
    };
    if out.message.contains(MISMATCHED) {
        let open = shown(closed.open).unwrap_or_default();
        let help = format!(
            "`{open}` on line {}, column {} is not closed before this",
            closed.open.line, closed.open.column
        );
        return out.help(help).at(span, text);
    }
    let help = "a table is `{:key value}`, a list is `[a b]`";
    let equals = closed.items.iter().find(|item| shown(**item) == Some("="));
    match (equals, closed.items.last()) {
        (Some(equals), _) => {
            let message = "`=` does not stand between a key and its value".to_owned();
            Diagnostic { message, ..out }.help("write `{:key \"value\"}`").at(*equals, text)
        }
        (None, Some(last)) => {
            Diagnostic { message: "this key has no value".to_owned(), ..out }.help(help).at(*last, text)
        }
        (None, None) => out.at(span, text),
    }
}

/// Puts diagnostics in the order of files and lines, once each, and at most [`MAX_DIAGNOSTICS`].
pub(super) fn arrange(mut list: Vec<Diagnostic>, entry: &str) -> Vec<Diagnostic> {
    list.sort_by(|a, b| {
        let key = |d: &Diagnostic| (d.file != entry, d.file.clone(), d.span, d.message.clone());
        key(a).cmp(&key(b))
    });
    list.dedup();
    let more = list.len().saturating_sub(MAX_DIAGNOSTICS);
    if more > 0 {
        list.truncate(MAX_DIAGNOSTICS);
        list.push(Diagnostic::error(entry, format!("there are {more} more mistakes")));
    }
    list
}

/// The first line of a message, with a small first letter. It is not shortened: what writes it down redacts it first.
fn one_line(text: &str) -> String {
    let text = plain_message(text);
    let line =
        text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("an error without a message");
    let mut characters = line.chars();
    let first = characters.next();
    let rest: String = characters.collect();
    match first {
        Some(first) if first.is_uppercase() && rest.starts_with(|next: char| next.is_lowercase()) => {
            format!("{}{rest}", first.to_lowercase())
        }
        Some(first) => format!("{first}{rest}"),
        None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_one_line_in_lower_case() {
        assert_eq!(one_line("Expected one argument\n* Try x"), "expected one argument");
        assert_eq!(one_line("UTF is kept"), "UTF is kept");
        assert_eq!(one_line(" \n "), "an error without a message");
    }

    #[test]
    fn mistakes_are_in_order_once_and_not_endless() {
        let at = |file: &str, line| Diagnostic::error(file, "m").at(Span::point(line, 1), "");
        let sorted = arrange(vec![at("b", 1), at("ci", 9), at("a", 1), at("ci", 2), at("ci", 9)], "ci");
        let places: Vec<_> = sorted.iter().map(Diagnostic::place).collect();
        assert_eq!(places, ["ci:2:1", "ci:9:1", "a:1:1", "b:1:1"]);
        let many = arrange((1..=60).map(|line| at("ci", line)).collect(), "ci");
        assert_eq!(many.len(), MAX_DIAGNOSTICS + 1);
        assert_eq!(many.last().unwrap().message, "there are 10 more mistakes");
    }
}
