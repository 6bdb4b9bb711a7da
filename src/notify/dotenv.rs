//! `.env` next to `config.fnl`: variables for a server without a `config.fnl`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::model::{Diagnostic, Severity, Span, suggest};

/// The name of the file.
pub(crate) const DOTENV: &str = ".env";

/// The most bytes of it that are read.
const MAX_DOTENV: usize = 64 << 10;

/// The variables of a file, and what is wrong with its other lines.
pub(super) type Dotenv = (Vec<(String, String)>, Vec<Diagnostic>);

/// Reads the file at a path, with warnings about names that are similar to one of `known`; empty when it does not exist. What
/// is not a file, such as a fifo, is not waited for.
///
/// # Errors
/// It could not be read, or is not a file.
pub(crate) fn load_dotenv(path: &Path, known: &[&str]) -> io::Result<Dotenv> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file: File = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Dotenv::default()),
        Err(error) => return Err(error),
    };
    let there = file.metadata()?;
    if !there.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_DOTENV as u64 + 1).read_to_end(&mut bytes)?;
    let (pairs, mut wrong) = read_dotenv(&bytes);
    wrong.extend(warn_of_dotenv(&pairs, known, Some(there.mode())));
    Ok((pairs, wrong))
}

/// Reads `KEY=VALUE` lines, and what is wrong with the others; of equal names the last counts. A value may be quoted; in double
/// quotes `\n`, `\"`, `\\` and `\$` are escapes. `$NAME` is not expanded. Errors do not show the line: it may contain a secret.
fn read_dotenv(bytes: &[u8]) -> Dotenv {
    let (mut pairs, mut wrong): Dotenv = Dotenv::default();
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        let is_cut = bytes.len() > MAX_DOTENV && line.as_ptr_range().end == bytes.as_ptr_range().end;
        let line = if is_cut { Err(TOO_LONG) } else { text_of(line) };
        match line.and_then(read_line) {
            Ok(Some((name, value))) => {
                pairs.retain(|(known, _)| *known != name);
                pairs.push((name, value));
            }
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

const TOO_LONG: &str = "this line and those after it are not read: the file is larger than 64 KiB";

/// A line as text: only this line is lost when it is not UTF-8.
fn text_of(line: &[u8]) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(line).map_err(|_| "invalid UTF-8")?;
    if text.contains('\0') { Err("a NUL, which no variable can contain") } else { Ok(text.trim()) }
}

/// Warns of names that are similar to one of `known`, the only names used from this file, and of a file that other users can
/// read.
fn warn_of_dotenv(pairs: &[(String, String)], known: &[&str], mode: Option<u32>) -> Vec<Diagnostic> {
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
    let exported = line.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
    let line = exported.map_or(line, str::trim_start);
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
        // A comment begins behind a space: an address may contain a `#`.
        let is_comment = |(place, _): &(usize, &str)| {
            text.get(..*place).is_none_or(|before| before.is_empty() || before.ends_with([' ', '\t']))
        };
        let end = text.match_indices('#').find(is_comment).map_or(text.len(), |(place, _)| place);
        return Ok(text.get(..end).unwrap_or_default().trim_end().to_owned());
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
        let text = "\u{feff}# c\n\nA=0\nA=1\r\nexport\tB = two words\t# c\nC=\"x # \\\" \\n\\q\" # c\nD='a\\n$X'\nE=\nF=#c\nG=a#b\nexportH=1\nI=x #c # d\n";
        let (pairs, wrong) = read_dotenv(text.as_bytes());
        assert!(wrong.is_empty());
        let shown: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            shown,
            ["A=1", "B=two words", "C=x # \" \n\\q", "D=a\\n$X", "E=", "F=", "G=a#b", "exportH=1", "I=x"]
        );
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
        let text = b"https://hooks.example/T0\n1A=x\nA=\"x\nB='x' y\nOK=1\n=x\nU=\xff\nN=\0\nexport X\n";
        let (pairs, wrong) = read_dotenv(text);
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
                ".env:7:1: invalid UTF-8",
                ".env:8:1: a NUL, which no variable can contain",
                ".env:9:1: missing `=`",
            ]
        );
        assert!(!crate::model::render_all(&wrong).contains("hooks"));
    }

    #[test]
    fn a_fifo_is_refused_and_a_large_file_is_read_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DOTENV);
        assert_eq!(load_dotenv(&path, &[]).unwrap().0.len(), 0);
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .unwrap();
        assert!(load_dotenv(&fifo, &[]).is_err() && load_dotenv(folder.path(), &[]).is_err());
        std::fs::write(&path, format!("A=1\nB={}\nC=3\n", "x".repeat(MAX_DOTENV))).unwrap();
        let (pairs, wrong) = load_dotenv(&path, &[]).unwrap();
        assert_eq!(pairs, [("A".to_owned(), "1".to_owned())]);
        assert!(wrong.iter().any(|wrong| wrong.message == TOO_LONG));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(load_dotenv(&link, &[]).unwrap().0.len(), 1);
    }
}
