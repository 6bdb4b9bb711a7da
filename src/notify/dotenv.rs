//! `.env` beside `config.fnl`: variables for who does not write `config.fnl`.

use crate::model::{Diagnostic, Span};

/// The name of the file.
pub const DOTENV: &str = ".env";

/// The most bytes of it that are read.
pub(super) const MAX_DOTENV: u64 = 64 << 10;

/// Reads `KEY=VALUE` lines, with what is wrong in the others. A value may stand in quotes; in double ones `\n`, `\"`, `\\` and `\$`
/// are what they look like. Nothing is put in for `$NAME`. What is wrong is said without the line: it may hold a secret.
pub fn read_dotenv(text: &str) -> (Vec<(String, String)>, Vec<Diagnostic>) {
    let (mut pairs, mut wrong) = (Vec::new(), Vec::new());
    for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
        match read_line(line.trim()) {
            Ok(Some(pair)) => pairs.push(pair),
            Ok(None) => {}
            Err(problem) => wrong.push(Diagnostic {
                span: Some(Span::point(number, 1)),
                ..Diagnostic::error(DOTENV, problem)
                    .help("write it as NAME=value, or NAME=\"value\"; # begins a comment")
            }),
        }
    }
    (pairs, wrong)
}

fn read_line(line: &str) -> Result<Option<(String, String)>, &'static str> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or("this line has no `=`")?;
    let name = name.trim_end();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(fits) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("before the `=` of this line is no name of a variable");
    }
    Ok(Some((name.to_owned(), read_value(value.trim_start())?)))
}

fn read_value(text: &str) -> Result<String, &'static str> {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        let bare = text.split(" #").next().unwrap_or_default().trim_end();
        return Ok(if bare.starts_with('#') { String::new() } else { bare.to_owned() });
    };
    let mut value = String::new();
    let mut rest = text.chars();
    rest.next();
    while let Some(c) = rest.next() {
        match c {
            c if c == quote => {
                let after = rest.as_str().trim();
                let is_end = after.is_empty() || after.starts_with('#');
                return if is_end {
                    Ok(value)
                } else {
                    Err("behind the quoted value of this line is something else")
                };
            }
            '\\' if quote == '"' => match rest.next() {
                Some('n') => value.push('\n'),
                Some(c @ ('"' | '\\' | '$')) => value.push(c),
                Some(c) => value.extend(['\\', c]),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err("the quote of this line is never closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_comments_and_quotes_are_read() {
        let text =
            "# c\n\nA=1\nexport B = two words # c\nC=\"x # \\\" \\n\\q\" # c\nD='a\\n$X'\nE=\nF=#c\nG=a#b\n";
        let (pairs, wrong) = read_dotenv(text);
        assert!(wrong.is_empty());
        let shown: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["A=1", "B=two words", "C=x # \" \n\\q", "D=a\\n$X", "E=", "F=", "G=a#b"]);
    }

    #[test]
    fn bad_lines_are_named_without_what_they_hold() {
        let (pairs, wrong) = read_dotenv("https://hooks.example/T0\n1A=x\nA=\"x\nB='x' y\nOK=1\n=x\n");
        assert_eq!(pairs.len(), 1);
        let shown: Vec<String> =
            wrong.iter().map(|wrong| format!("{}: {}", wrong.place(), wrong.message)).collect();
        assert_eq!(
            shown,
            [
                ".env:1:1: this line has no `=`",
                ".env:2:1: before the `=` of this line is no name of a variable",
                ".env:3:1: the quote of this line is never closed",
                ".env:4:1: behind the quoted value of this line is something else",
                ".env:6:1: before the `=` of this line is no name of a variable",
            ]
        );
        assert!(!crate::model::render_all(&wrong).contains("hooks"));
    }
}
