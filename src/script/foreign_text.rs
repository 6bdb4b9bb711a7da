//! Text of another language in a Fennel file: a whole file of Lua or YAML, and comments, quotes and commas as others write
//! them.
//!
//! Only files that do not compile are looked at, so nothing here can refuse valid Fennel. What is recognised is replaced by what
//! Fennel writes, of the same length: the mistakes of the rest have their places then, and nothing follows from a comment.

use crate::model::{Diagnostic, Span};

/// A file that is of another language.
const A_FIRST_PIPELINE: &str = "write the pipeline in Fennel: `(local ci (require :quire.ci))`, then \
    `(ci:job :test [:quire/push] (fn [{: sh}] (sh \"make test\")))`";
/// The same for a workflow file.
const A_WORKFLOW: &str =
    "a list of commands in TOML is a workflow file, `workflow/<branch>.toml`; `.quire/ci.fnl` is Fennel";

/// The mistake of a file that is not Fennel at all.
pub(super) fn other_language(path: &str, text: &str) -> Option<Diagnostic> {
    if let Some(line) = text.lines().position(|line| line.starts_with("<<<<<<< "))
        && text.contains("\n>>>>>>> ")
    {
        let span = Span::of_line(text, u32::try_from(line + 1).unwrap_or(u32::MAX));
        let help = "keep one side, and remove the lines that begin with `<<<<<<<`, `=======` and `>>>>>>>`";
        return Some(
            Diagnostic::error(path, "this is an unresolved merge conflict").at(span, text).help(help),
        );
    }
    let is_comment = |line: &&str| {
        let line = line.trim();
        line.is_empty()
            || line.starts_with(';')
            || line.starts_with("# ")
            || line == "#"
            || line.starts_with("//")
            || line.starts_with("-- ")
    };
    let number = text.lines().position(|line| !is_comment(&line))?;
    let line = text.lines().nth(number)?.trim();
    let language = language_of(line, text)?;
    let help = if language == "TOML" { A_WORKFLOW } else { A_FIRST_PIPELINE };
    let span = Span::of_line(text, u32::try_from(number + 1).unwrap_or(u32::MAX));
    Some(Diagnostic::error(path, format!("this is {language}, not Fennel")).at(span, text).help(help))
}

/// The language that a line which begins a file is of; nothing for one that may be Fennel.
fn language_of(line: &str, text: &str) -> Option<&'static str> {
    let word = line.split([' ', '(', ':', '=']).next().unwrap_or_default();
    let is_name =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    let key = line.split_once(':').map(|(key, value)| (key.trim_matches('"'), value));
    let setting = line.split_once('=').map(|(key, _)| key.trim());
    if line.starts_with("#!") {
        return Some(if line.contains("python") { "Python" } else { "a shell script" });
    }
    match (line.chars().next()?, word) {
        ('(', _) => None,
        ('{', _) if line.contains("\":") || (line == "{" && text.contains("\":")) => Some("JSON"),
        ('[', _) if line.ends_with(']') && is_name(line.trim_matches(['[', ']'])) => Some("TOML"),
        ('{' | '[', _) => None,
        (_, "local" | "return" | "end") => Some("Lua"),
        (_, "function") => Some(if line.contains('{') { "JavaScript" } else { "Lua" }),
        (_, "const" | "let" | "var" | "export" | "async") if !line.contains("$") => Some("JavaScript"),
        (_, "import") if line.contains(" from ") || line.ends_with(';') => Some("JavaScript"),
        (_, "import" | "from" | "def" | "class" | "with") => Some("Python"),
        (_, "FROM") => Some("a Dockerfile"),
        (_, "pipeline" | "node") if line.ends_with('{') => Some("Groovy"),
        _ if key.is_some_and(|(key, _)| is_name(key)) && text.contains("\n\t") => Some("a Makefile"),
        ('-', _) if line.starts_with("---") || line.starts_with("- ") => Some("YAML"),
        _ if key.is_some_and(|(key, value)| is_name(key) && (value.is_empty() || value.starts_with(' '))) => {
            Some("YAML")
        }
        _ if is_call(line) => Some("another language"),
        _ if setting.is_some_and(is_name) && !line.contains("require") => Some("TOML"),
        (_, "echo" | "set" | "if" | "for" | "cd") => Some("a shell script"),
        _ => crate::schema::is_program(word).then_some("a shell script"),
    }
}

/// Whether a line is a call as most languages write it: `print("x")`, `ci:job("x"`.
fn is_call(line: &str) -> bool {
    let head = line.split_once('(').map(|(head, _)| head);
    head.is_some_and(|head| {
        !head.is_empty() && head.chars().all(|c| c.is_alphanumeric() || "_.:".contains(c))
    })
}

/// A file with what is foreign in it replaced, and the mistakes of that.
pub(super) struct Repaired {
    pub(super) text: String,
    pub(super) mistakes: Vec<Diagnostic>,
}

/// Replaces foreign comments, quotes and commas; nothing when there are none.
pub(super) fn repaired(path: &str, text: &str) -> Option<Repaired> {
    let mut repair =
        Repair { path, text, out: text.as_bytes().to_vec(), mistakes: Vec::new(), said: Vec::new() };
    repair.walk();
    let text = String::from_utf8(repair.out).ok()?;
    (!repair.mistakes.is_empty()).then_some(Repaired { text, mistakes: repair.mistakes })
}

struct Repair<'a> {
    path: &'a str,
    text: &'a str,
    out: Vec<u8>,
    mistakes: Vec<Diagnostic>,
    /// What was said already: once for each kind.
    said: Vec<&'static str>,
}

impl Repair<'_> {
    fn rest(&self, at: usize) -> &str {
        self.text.get(at..).unwrap_or_default()
    }

    /// The byte after the line that a byte is in.
    fn line_end(&self, at: usize) -> usize {
        at + self.rest(at).find('\n').unwrap_or(self.rest(at).len())
    }

    fn note(&mut self, at: usize, length: usize, message: &'static str, help: &'static str) {
        if self.said.contains(&message) {
            return;
        }
        self.said.push(message);
        let before = self.text.get(..at).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let (line, column) = (number(before.matches('\n').count() + 1), number(at - start + 1));
        let span = Span { line, column, end_line: line, end_column: column + number(length) };
        self.mistakes.push(Diagnostic::error(self.path, message).at(span, self.text).help(help));
    }

    fn blank(&mut self, from: usize, to: usize) {
        for byte in self.out.iter_mut().take(to).skip(from).filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
    }

    fn set(&mut self, at: usize, byte: u8) {
        self.out.get_mut(at).into_iter().for_each(|old| *old = byte);
    }

    /// Goes over the text outside of strings and comments.
    fn walk(&mut self) {
        let mut at = 0;
        while let Some(c) = self.rest(at).chars().next() {
            let before = self.text.get(..at).and_then(|text| text.chars().next_back());
            let begins = before.is_none_or(|c| c.is_whitespace() || "([{".contains(c));
            at = match c {
                ';' => self.line_end(at),
                '"' => self.string_end(at),
                '\'' if begins => self.quoted(at, '\'').unwrap_or(at + 1),
                '`' if begins && self.is_backquoted(at) => self.quoted(at, '`').unwrap_or(at + 1),
                '\u{a0}' | '\u{202f}' | '\u{2007}' => {
                    self.note(at, c.len_utf8(), "a no-break space does not separate values", "write a space");
                    self.blank(at, at + c.len_utf8());
                    at + c.len_utf8()
                }
                '\u{201c}' | '\u{201e}' | '\u{201d}' => self.quoted(at, '\u{201d}').unwrap_or(at + 3),
                '\u{2018}' | '\u{2019}' => self.quoted(at, '\u{2019}').unwrap_or(at + 3),
                '\u{ab}' => self.quoted(at, '\u{bb}').unwrap_or(at + 2),
                ',' => self.comma(at, before),
                ':' if before == Some('"') && self.is_followed_by_space(at + 1) => {
                    self.note(
                        at,
                        1,
                        "`:` does not stand between a key and its value",
                        "write `{:key \"value\"}`",
                    );
                    self.blank(at, at + 1);
                    at + 1
                }
                '#' | '-' | '/' if begins && before != Some('(') => self.comment(at).unwrap_or(at + 1),
                _ => at + c.len_utf8(),
            };
        }
    }

    fn is_followed_by_space(&self, at: usize) -> bool {
        self.rest(at).chars().next().is_none_or(char::is_whitespace)
    }

    /// Whether a string in backquotes begins here, and no form of a macro.
    fn is_backquoted(&self, at: usize) -> bool {
        let line = self.rest(at + 1).lines().next().unwrap_or_default();
        let Some((inner, after)) = line.split_once('`') else { return false };
        let ends = after.chars().next().is_none_or(|c| c.is_whitespace() || ")]}".contains(c));
        ends && inner.starts_with(char::is_alphanumeric) && !inner.ends_with(['(', '[', '{', ' '])
    }

    fn string_end(&self, at: usize) -> usize {
        let mut escaped = false;
        for (place, c) in self.rest(at + 1).char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return at + 1 + place + 1,
                _ => {}
            }
        }
        self.text.len()
    }

    /// `#`, `--`, `//` or `/*` and what follows to the end of the line.
    fn comment(&mut self, at: usize) -> Option<usize> {
        const HELP: &str = "a comment begins with `;`";
        let rest = self.rest(at);
        if rest.starts_with("/*") {
            let end = rest.find("*/").map_or(self.text.len(), |end| at + end + 2);
            self.note(at, 2, "`/*` does not begin a comment", HELP);
            self.blank(at, end);
            return Some(end);
        }
        let (mark, message) = if rest.starts_with("--") {
            ("--", "`--` does not begin a comment")
        } else if rest.starts_with("//") {
            ("//", "`//` does not begin a comment")
        } else {
            ("#", "`#` does not begin a comment")
        };
        let next = rest.get(mark.len()..)?.trim_start_matches('#').chars().next();
        let is_text =
            next.is_none_or(char::is_whitespace) || (mark != "#" && next.is_some_and(char::is_alphanumeric));
        if !rest.starts_with(mark) || !is_text {
            return None;
        }
        self.note(at, mark.len(), message, HELP);
        let end = self.line_end(at);
        self.blank(at, end);
        Some(end)
    }

    /// A string in other quotation marks, which ends on its line.
    fn quoted(&mut self, at: usize, close: char) -> Option<usize> {
        let open = self.rest(at).chars().next()?;
        let inner = self.rest(at + open.len_utf8());
        let line = inner.lines().next().unwrap_or_default();
        let length = line
            .find([close, '"'])
            .filter(|end| line.get(*end..).is_some_and(|rest| rest.starts_with(close)));
        let length = length.or_else(|| line.find(close))?;
        let (first, last) = (at + open.len_utf8(), at + open.len_utf8() + length);
        let message = match open {
            '\'' => "a string is not written in `'`",
            '`' => "a string is not written in backquotes",
            _ => "a string is not written in typographic quotation marks",
        };
        self.note(at, last + close.len_utf8() - at, message, "write `\"…\"`");
        let end = last + close.len_utf8();
        for place in first..last {
            if matches!(self.out.get(place), Some(b'"' | b'\\')) {
                self.set(place, b' ');
            }
        }
        self.blank(at, first);
        self.set(first - 1, b'"');
        self.blank(last, end);
        self.set(last, b'"');
        Some(end)
    }

    /// A comma between values; one that quotes in a macro stands before its value.
    fn comma(&mut self, at: usize, before: Option<char>) -> usize {
        let follows_value = before.is_some_and(|c| !c.is_whitespace() && !"([{`".contains(c));
        if follows_value || self.is_followed_by_space(at + 1) {
            self.note(at, 1, "values are not separated by commas", "write a space");
            self.blank(at, at + 1);
        }
        at + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_language_is_recognised() {
        for (text, expected) in [
            ("local ci = require(\"quire.ci\")\n", Some("Lua")),
            ("# CI\non: push\njobs:\n", Some("YAML")),
            ("on:\n  push:\n", Some("YAML")),
            ("image: rust:1\n", Some("YAML")),
            ("[test]\nrun = \"make\"\n", Some("TOML")),
            ("[[step]]\n", Some("TOML")),
            ("run = \"make\"\n", Some("TOML")),
            ("{\n  \"jobs\": []}\n", Some("JSON")),
            ("#!/bin/sh\nmake\n", Some("a shell script")),
            ("make test\n", Some("a shell script")),
            ("import os\n", Some("Python")),
            ("def main():\n", Some("Python")),
            ("const x = 1;\n", Some("JavaScript")),
            ("import x from 'y'\n", Some("JavaScript")),
            ("pipeline {\n", Some("Groovy")),
            ("FROM alpine\n", Some("a Dockerfile")),
            ("test: build\n\tmake test\n", Some("a Makefile")),
            ("ci:job(\"x\")\n", Some("another language")),
            ("(local x 1)\n", None),
            ("; x\n[1 2]\n", None),
            ("", None),
        ] {
            let found = other_language("f", text).map(|problem| problem.message);
            assert_eq!(found, expected.map(|name| format!("this is {name}, not Fennel")), "{text}");
        }
    }

    #[test]
    fn what_is_foreign_is_replaced_by_as_much_of_fennel() {
        for (text, expected, mistakes) in [
            ("# build (the app\n(a)", "                \n(a)", 1),
            ("(a) -- it's here", "(a)             ", 1),
            ("--here\n(a)", "      \n(a)", 1),
            ("// x\n(// 4 2) ## y", "    \n(// 4 2)     ", 2),
            ("/* x\n y */ (a)", "    \n      (a)", 1),
            ("(sh 'make \"x\"')", "(sh \"make  x \")", 1),
            ("(sh `make test`)", "(sh \"make test\")", 1),
            ("(f\u{a0}:a)", "(f  :a)", 1),
            ("(sh \u{201c}make\u{201d})", "(sh   \"make\"  )", 1),
            ("(f :a, [b], c)", "(f :a  [b]  c)", 1),
            ("{\"a\": 1}", "{\"a\"  1}", 1),
        ] {
            let repaired = repaired("f", text).unwrap();
            assert_eq!((repaired.text.as_str(), repaired.mistakes.len()), (expected, mistakes), "{text}");
        }
        for text in [
            "(map `a `b)",
            "`(f `x)",
            "(map #(+ $ 1)) ; it's, \"x\"",
            "\"#, 'x', --\"",
            "`(f ,x ,(g))",
            "(- 1 -2) (--)",
            "(a #x)",
        ] {
            assert!(repaired("f", text).is_none(), "{text}");
        }
    }
}
