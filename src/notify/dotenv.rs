//! `.env` next to `config.fnl`: variables for a server without a `config.fnl`.

use crate::model::{Diagnostic, Severity, Span, suggest};

/// The name of the file.
pub const DOTENV: &str = ".env";

/// The most bytes of it that are read.
pub(super) const MAX_DOTENV: u64 = 64 << 10;

/// Reads `KEY=VALUE` lines, and what is wrong with the others. A value may be quoted; in double quotes `\n`, `\"`, `\\` and `\$`
/// are escapes. `$NAME` is not expanded. Errors do not show the line: it may contain a secret.
pub fn read_dotenv(text: &str) -> (Vec<(String, String)>, Vec<Diagnostic>) {
    let (mut pairs, mut wrong) = (Vec::new(), Vec::new());
    for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
        match read_line(line.trim()) {
            Ok(Some(pair)) => pairs.push(pair),
            Ok(None) => {}
            Err(problem) => wrong.push(Diagnostic {
                span: Some(Span::point(number, 1)),
                ..Diagnostic::error(DOTENV, problem)
                    .help("write `NAME=value` or `NAME=\"value\"`; `#` begins a comment")
            }),
        }
    }
    (pairs, wrong)
}

/// Warns of names that are similar to one of `known`, the only names used from this file, and of a file that other users can
/// read.
pub fn warn_of_dotenv(pairs: &[(String, String)], known: &[&str], mode: Option<u32>) -> Vec<Diagnostic> {
    let warning = |message: String, help: String| Diagnostic {
        severity: Severity::Warning,
        ..Diagnostic::error(DOTENV, message).help(help)
    };
    let names = pairs.iter().map(|(name, _)| name.as_str()).filter(|name| !known.contains(name));
    let near = names.filter_map(|name| Some((name, suggest(&name.to_uppercase(), known.iter().copied())?)));
    let mut warnings: Vec<Diagnostic> = near
        .map(|(name, near)| warning(format!("unknown variable `{name}`"), format!("did you mean `{near}`?")))
        .collect();
    if let Some(mode) = mode.filter(|mode| mode & 0o044 != 0) {
        let message = format!("mode {:04o} lets other users read the addresses in the file", mode & 0o7777);
        warnings.push(warning(message, format!("`chmod 600 {DOTENV}`")));
    }
    warnings
}

fn read_line(line: &str) -> Result<Option<(String, String)>, &'static str> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or("missing `=`")?;
    let name = name.trim_end();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(fits) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("invalid variable name before `=`");
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
                return if is_end { Ok(value) } else { Err("unexpected text after the quoted value") };
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
    Err("unclosed quote")
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
    fn similar_names_and_readable_files_cause_warnings() {
        let pair = |name: &str| (name.to_owned(), "https://hooks.example/T0".to_owned());
        let pairs =
            [pair("SLACK_WEBHOK_URL"), pair("discord_webhook_url"), pair("OTHER"), pair("SLACK_WEBHOOK_URL")];
        let known = ["DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL"];
        let warnings = crate::model::render_all(&warn_of_dotenv(&pairs, &known, Some(0o100_640)));
        assert_eq!(
            warnings,
            "warning: .env: unknown variable `SLACK_WEBHOK_URL`\nhint: did you mean `SLACK_WEBHOOK_URL`?\n\
             warning: .env: unknown variable `discord_webhook_url`\nhint: did you mean `DISCORD_WEBHOOK_URL`?\n\
             warning: .env: mode 0640 lets other users read the addresses in the file\nhint: `chmod 600 .env`\n"
        );
        assert!(warn_of_dotenv(&pairs[2..], &known, Some(0o600)).is_empty());
    }

    #[test]
    fn bad_lines_are_reported_without_their_content() {
        let (pairs, wrong) = read_dotenv("https://hooks.example/T0\n1A=x\nA=\"x\nB='x' y\nOK=1\n=x\n");
        assert_eq!(pairs.len(), 1);
        let shown: Vec<String> =
            wrong.iter().map(|wrong| format!("{}: {}", wrong.place(), wrong.message)).collect();
        assert_eq!(
            shown,
            [
                ".env:1:1: missing `=`",
                ".env:2:1: invalid variable name before `=`",
                ".env:3:1: unclosed quote",
                ".env:4:1: unexpected text after the quoted value",
                ".env:6:1: invalid variable name before `=`",
            ]
        );
        assert!(!crate::model::render_all(&wrong).contains("hooks"));
    }
}
