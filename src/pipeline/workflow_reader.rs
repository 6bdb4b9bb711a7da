//! Reads the numbered tables of a workflow file, and finds all mistakes at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::shell_habits;
use super::words::{self, ShellSign, Unclosed};
use crate::model::{Diagnostic, Quoted, TextPlaces};
use crate::schema::workflow::{INTERRUPTIBLE, RUN, WORKFLOW_TABLE};
use crate::schema::{Fields, Mistakes, TomlKey, TomlNodes};
use crate::script::{MAX_DIAGNOSTICS, MAX_JOBS};

/// One table.
pub(super) struct Command {
    pub(super) number: u64,
    /// Where the number stands, in bytes.
    pub(super) key: Range<usize>,
    /// Where the value of `run` stands.
    pub(super) run: Range<usize>,
    /// The program and its arguments; never empty.
    pub(super) words: Vec<String>,
    /// Whether a newer push may stop it, when the file says so.
    pub(super) interruptible: Option<bool>,
}

/// What the TOML parser says of a key, or of a table, that is there twice.
const DUPLICATE: &str = "duplicate key";

/// What a file looks like.
const EXAMPLE: &str = "a workflow has numbered tables: `[0]`, and below it `run = \"make test\"`";

/// The hint for missing numbers.
const GAP_HELP: &str = "number the tables from 0 on; those that are there run one after the other";

/// The commands in the order of their numbers, and warnings.
///
/// # Errors
/// Gives all mistakes.
pub(super) fn read(
    file: &str,
    places: &TextPlaces<'_>,
) -> Result<(Vec<Command>, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (document, broken) = DeTable::parse_recoverable(places.text());
    let mut tables: Vec<(&TomlKey<'_>, &Spanned<DeValue<'_>>)> = document.get_ref().iter().collect();
    tables.sort_by_key(|(key, _)| key.span().start);
    if let Some((language, range)) = other_language(places.text()).filter(|_| !broken.is_empty()) {
        let message = format!("this is {language}, not TOML");
        let help = if language == "Fennel" { "Fennel belongs in `.quire/ci.fnl`" } else { EXAMPLE };
        return Err(vec![places.error(&range, message, help)]);
    }
    if tables.len() > MAX_JOBS {
        let message = format!("{} tables are more than the {MAX_JOBS} jobs of a pipeline", tables.len());
        return Err(vec![places.error_of_file(message, "put steps that belong together into a script")]);
    }
    let mut reading = Reading::new(file, places);
    for error in broken.iter().take(MAX_DIAGNOSTICS) {
        reading.syntax(error);
    }
    reading.more = broken.len().saturating_sub(MAX_DIAGNOSTICS);
    let (keys, tables): (Vec<_>, Vec<_>) =
        tables.into_iter().partition(|(key, _)| key.get_ref() == INTERRUPTIBLE);
    if tables.is_empty() && broken.is_empty() {
        return Err(vec![places.error_of_file("the workflow has no table", EXAMPLE)]);
    }
    let of_all = keys.first().map(|(_, value)| reading.nodes.value(value).as_bool());
    let of_all = of_all.and_then(|flag| flag.map_err(|wrong| reading.note(wrong)).ok());
    for (key, value) in tables {
        reading.table(key, value);
    }
    for command in &mut reading.commands {
        command.interruptible = command.interruptible.or(of_all);
    }
    reading.gaps();
    reading.finish()
}

/// The language that the first line is of when it is not TOML, and where that line is.
fn other_language(text: &str) -> Option<(&'static str, Range<usize>)> {
    let line = text.lines().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
    let start = text.find(line)?;
    let is_key = |key: &str| key.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    let is_yaml = line
        .split_once(':')
        .is_some_and(|(key, value)| is_key(key) && (value.is_empty() || value.starts_with(' ')));
    let language = if line.starts_with(['(', ';']) { "Fennel" } else { "YAML" };
    (is_yaml || language == "Fennel").then(|| (language, start..start + line.trim_end().len()))
}

struct Reading<'a> {
    places: &'a TextPlaces<'a>,
    nodes: TomlNodes<'a>,
    commands: Vec<Command>,
    /// The numbers of all tables, with the place of each.
    numbers: BTreeMap<u64, Range<usize>>,
    wrong: Vec<Diagnostic>,
    /// How many mistakes are beyond the most that are shown.
    more: usize,
    warnings: Vec<Diagnostic>,
    /// The end of the header of the last table that is there twice.
    repeated: Option<usize>,
    /// The lines that are no TOML: what else is wrong there follows from that.
    broken_lines: BTreeSet<u32>,
}

impl<'a> Reading<'a> {
    fn new(file: &str, places: &'a TextPlaces<'a>) -> Self {
        Reading {
            places,
            nodes: TomlNodes::new(file, places),
            commands: Vec::new(),
            numbers: BTreeMap::new(),
            wrong: Vec::new(),
            more: 0,
            warnings: Vec::new(),
            repeated: None,
            broken_lines: BTreeSet::new(),
        }
    }

    fn refuse(&mut self, range: &Range<usize>, message: impl Into<String>, help: &str) {
        self.note(self.places.error(range, message, help));
    }

    fn note(&mut self, mut wrong: Diagnostic) {
        if wrong.span.is_some_and(|span| self.broken_lines.contains(&span.line)) {
            return;
        }
        wrong.help.get_or_insert_with(|| WORKFLOW_TABLE.example.to_owned());
        if self.wrong.len() < MAX_DIAGNOSTICS {
            self.wrong.push(wrong);
        } else {
            self.more += 1;
        }
    }

    fn warn(&mut self, range: &Range<usize>, message: String, help: &str) {
        if self.warnings.len() < MAX_DIAGNOSTICS {
            self.warnings.push(self.places.warning(range, message, help));
        }
    }

    fn syntax(&mut self, error: &toml::de::Error) {
        let range = error.span().unwrap_or(0..0);
        if error.message() == DUPLICATE {
            return self.duplicate(&range);
        }
        let (range, message, help) = self.plain(range, error.message());
        self.refuse(&range, message, help);
        let line = self.places.span(&range).line;
        self.broken_lines.insert(line);
        // What stands below a broken header is of no table.
        let below = (line + 1..).zip(self.places.text().lines().skip(line as usize));
        let is_header = |line: &str| line.trim_start().starts_with('[');
        if self.places.text().lines().nth(line as usize - 1).is_some_and(is_header) {
            self.broken_lines.extend(below.take_while(|(_, text)| !is_header(text)).map(|(line, _)| line));
        }
    }

    /// What the parser says in plain words, with its place and a hint.
    fn plain(&self, range: Range<usize>, said: &str) -> (Range<usize>, String, &'static str) {
        let text = self.places.text();
        let line = text.get(..range.start).unwrap_or_default().rfind('\n').map_or(0, |end| end + 1);
        let before = text.get(line..range.start).unwrap_or_default();
        if said.contains("escape") {
            let message = "this is not an escape of TOML".to_owned();
            return (range, message, "in `\"…\"` write `\\\\` for a backslash, or write the string in `'…'`");
        }
        if let (true, Some(colon)) = (said.starts_with("key with no value"), before.rfind(':')) {
            let message = "`:` does not stand between a key and its value".to_owned();
            return (line + colon..line + colon + 1, message, EXAMPLE);
        }
        if said.starts_with("string values must be quoted") {
            return (range, "the value is not in quotes".to_owned(), "write it as `run = \"make test\"`");
        }
        let quote = before.find(['"', '\'']).filter(|_| said.contains(" string, expected"));
        if let Some(quote) = quote {
            let message = "this string is not closed".to_owned();
            return (
                line + quote..line + quote + 1,
                message,
                "it ends with the same quote, on the same line",
            );
        }
        (range, said.lines().collect::<Vec<_>>().join(", "), EXAMPLE)
    }

    /// A table that is defined twice is reported once: all of its keys are defined twice, then.
    fn duplicate(&mut self, range: &Range<usize>) {
        let text = self.places.text();
        let between = |from: usize| text.get(from..range.start).unwrap_or_default();
        if self.repeated.is_some_and(|header| !between(header).contains("\n[")) {
            return;
        }
        let name = Quoted::new(text.get(range.clone()).unwrap_or_default());
        if between(0).ends_with('[') {
            self.repeated = Some(range.end);
            let message = format!("there are two tables with the number {name}");
            self.refuse(range, message, "give each table a number of its own");
        } else {
            self.refuse(range, format!("{name} is there twice"), "remove one of the two");
        }
    }

    fn table(&mut self, key: &TomlKey<'_>, value: &Spanned<DeValue<'_>>) {
        let (name, at) = (key.get_ref(), key.span());
        let shown = Quoted::new(name);
        let Some(table) = value.get_ref().as_table() else {
            let help = if value.get_ref().is_array() {
                "a table has single brackets: `[0]`"
            } else if name == RUN {
                "put it into a numbered table: write `[0]` above it"
            } else {
                EXAMPLE
            };
            return self.refuse(&at, format!("{shown} is not a table"), help);
        };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            let help = "tables are numbered in the order in which they run: `[0]`, `[1]`, `[2]`";
            self.refuse(&at, format!("the table {shown} is not numbered"), help);
        } else if let Ok(number) = name.parse() {
            self.number(number, &at);
            self.keys((number, &at), value, table);
        } else {
            self.refuse(&at, format!("the number {shown} is too large"), &format!("at most {}", u64::MAX));
        }
    }

    /// Keeps a number, which may be written in several ways: `1`, `01`.
    fn number(&mut self, number: u64, at: &Range<usize>) {
        match self.numbers.get(&number) {
            Some(first) => {
                let line = self.places.span(first).line;
                let message = format!("there are two tables with the number `{number}`");
                self.refuse(at, message, &format!("the first one is in line {line}"));
            }
            None => {
                self.numbers.insert(number, at.clone());
            }
        }
    }

    fn keys(
        &mut self,
        (number, at): (u64, &Range<usize>),
        value: &Spanned<DeValue<'_>>,
        table: &DeTable<'_>,
    ) {
        let (node, mistakes) = (self.nodes.value(value), Mistakes::default());
        let Some(fields) = Fields::open(&node, &WORKFLOW_TABLE, &mistakes) else { return };
        // It may be what could not be read, or has another name.
        let may_be_there = mistakes.count() > 0 || !self.broken_lines.is_empty();
        let (interruptible, run) = (fields.flag(INTERRUPTIBLE), fields.text(RUN));
        if fields.get(RUN).is_none() && !may_be_there {
            self.refuse(
                at,
                format!("the table {number} has no `run`"),
                "say what it runs: `run = \"make test\"`",
            );
        }
        mistakes.into_sorted().into_iter().for_each(|wrong| self.note(wrong));
        let place = table.iter().find(|(key, _)| key.get_ref() == RUN).map(|(_, value)| value.span());
        if let Some((text, place)) = run.zip(place) {
            self.run((number, at), (&text, place), interruptible);
        }
    }

    fn run(
        &mut self,
        (number, key): (u64, &Range<usize>),
        (text, run): (&str, Range<usize>),
        interruptible: Option<bool>,
    ) {
        let split = match words::split(text) {
            Ok(split) => split,
            Err(Unclosed { at, mark }) => {
                let (message, help) = match mark {
                    '\\' => ("nothing follows the backslash", "for a backslash write two, or quote it"),
                    _ => ("this quote is not closed", "close it, or write a backslash before it"),
                };
                return self.refuse(&self.inside(&run, text, at..at + 1), message, help);
            }
        };
        let program = split.words.first().map(String::as_str).unwrap_or_default();
        if program.is_empty() {
            let message = if split.words.is_empty() { "`run` is empty" } else { "the program is empty" };
            self.refuse(&run, message, "begin with the program: `run = \"make test\"`");
        } else {
            let is_for_shell = |sign: &&ShellSign| sign.is_quoted && shell_habits::runs_text(&split.words);
            if let Some(sign) = split.shell_sign.as_ref().filter(|sign| !is_for_shell(sign)) {
                self.warn_of_shell(&run, text, program, sign);
            } else if let Some((message, help)) = shell_habits::of_program(program) {
                self.warn(&run, message, &help);
            } else if let Some(at) = split.lost_backslash {
                let place = self.inside(&run, text, at..at + 1);
                let message = "this backslash is left out, as a shell leaves it out".to_owned();
                self.warn(
                    &place,
                    message,
                    "quote the word, or write two backslashes, when the program needs it",
                );
            }
            let words = split.words;
            self.commands.push(Command { number, key: key.clone(), run, words, interruptible });
        }
    }

    fn warn_of_shell(&mut self, run: &Range<usize>, text: &str, program: &str, sign: &ShellSign) {
        let at = self.inside(run, text, sign.at..sign.at + sign.text.len());
        if sign.text == "\n" {
            let message =
                format!("no shell reads this: all lines are one command of {}", Quoted::new(program));
            return self.warn(
                &at,
                message,
                "write a table for each command, or end the line with a backslash",
            );
        }
        let message = format!("no shell reads this: `{}` is only a part of a word", sign.text);
        self.warn(&at, message, "quote it when it is meant so, or run a shell: `run = \"sh -c '…'\"`");
    }

    /// A part of a string's value as a place in the file; the whole string when it is written with escapes.
    fn inside(&self, whole: &Range<usize>, value: &str, part: Range<usize>) -> Range<usize> {
        let written = self.places.text().get(whole.clone()).unwrap_or_default();
        match written.find(value) {
            Some(start) => whole.start + start + part.start..whole.start + start + part.end,
            None => whole.clone(),
        }
    }

    /// Warns of numbers that are left out.
    fn gaps(&mut self) {
        let mut expected = Some(0);
        for (number, at) in std::mem::take(&mut self.numbers) {
            match expected {
                Some(first) if first + 1 == number => {
                    self.warn(&at, format!("table {first} is missing"), GAP_HELP);
                }
                Some(first) if first < number => {
                    let message = format!("tables {first} to {} are missing", number - 1);
                    self.warn(&at, message, GAP_HELP);
                }
                Some(_) | None => {}
            }
            expected = number.checked_add(1);
        }
    }

    fn finish(mut self) -> Result<(Vec<Command>, Vec<Diagnostic>), Vec<Diagnostic>> {
        if self.wrong.is_empty() {
            self.commands.sort_by_key(|command| command.number);
            self.warnings.sort_by_key(|warning| warning.span);
            return Ok((self.commands, self.warnings));
        }
        self.wrong.append(&mut self.warnings);
        self.wrong.sort_by_key(|mistake| mistake.span);
        if self.more > 0 {
            let message = format!("there are {} more mistakes", self.more);
            self.wrong.push(self.places.error_of_file(message, "fix those that are shown, and check again"));
        }
        Err(self.wrong)
    }
}
