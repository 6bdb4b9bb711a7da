//! `.env` beside `config.fnl`: variables for who does not write `config.fnl`.

use crate::model::{Diagnostic, Severity, Span, suggest};

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

/// Warns of names that are nearly one of `known`, which is what counts in this file, and of a file whose mode lets others
/// read it.
pub fn warn_of_dotenv(pairs: &[(String, String)], known: &[&str], mode: Option<u32>) -> Vec<Diagnostic> {
    let warning = |message: String, help: String| Diagnostic {
        severity: Severity::Warning,
        ..Diagnostic::error(DOTENV, message).help(help)
    };
    let names = pairs.iter().map(|(name, _)| name.as_str()).filter(|name| !known.contains(name));
    let near = names.filter_map(|name| Some((name, suggest(&name.to_uppercase(), known.iter().copied())?)));
    let mut warnings: Vec<Diagnostic> = near
        .map(|(name, near)| {
            warning(format!("`{name}` is no variable that counts"), format!("did you mean {near}?"))
        })
        .collect();
    if let Some(mode) = mode.filter(|mode| mode & 0o044 != 0) {
        let message = format!("it has the mode {:04o}: others can read the addresses in it", mode & 0o7777);
        warnings.push(warning(message, format!("chmod 600 {DOTENV}")));
    }
    warnings
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
    fn near_names_and_open_files_are_warned_of() {
        let pair = |name: &str| (name.to_owned(), "https://hooks.example/T0".to_owned());
        let pairs =
            [pair("SLACK_WEBHOK_URL"), pair("discord_webhook_url"), pair("OTHER"), pair("SLACK_WEBHOOK_URL")];
        let known = ["DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL"];
        let warnings = crate::model::render_all(&warn_of_dotenv(&pairs, &known, Some(0o100_640)));
        assert_eq!(
            warnings,
            "warning: .env: `SLACK_WEBHOK_URL` is no variable that counts\nhint: did you mean SLACK_WEBHOOK_URL?\n\
             warning: .env: `discord_webhook_url` is no variable that counts\nhint: did you mean DISCORD_WEBHOOK_URL?\n\
             warning: .env: it has the mode 0640: others can read the addresses in it\nhint: chmod 600 .env\n"
        );
        assert!(warn_of_dotenv(&pairs[2..], &known, Some(0o600)).is_empty());
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
