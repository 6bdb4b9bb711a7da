//! Words as a shell reads them.

/// The word as POSIX shells take it back, in quotes where it needs them.
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Why a command line cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShellWordsError {
    /// A shell would do something there: no shell reads it.
    #[error("`{0}` is shell syntax, and no shell reads this; put it in quotes")]
    Syntax(char),
    /// A quote or a backslash is the last one.
    #[error("a quote is not closed")]
    Open,
    /// It has a NUL byte, a line feed or another control character.
    #[error("a command is one line without control characters")]
    Control,
}

/// What a shell acts on when it is not quoted. Patterns of file names and `#` within words are letters here.
const SYNTAX: &str = ";&|<>()$`{}";

/// The words of a command line, as POSIX shells read them, without anything that they would replace or do.
pub(crate) fn shell_words(line: &str) -> Result<Vec<String>, ShellWordsError> {
    if line.chars().any(|c| c.is_control() && c != '\t') {
        return Err(ShellWordsError::Control);
    }
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(rest.next().ok_or(ShellWordsError::Open)?),
            '\'' => {
                let (quoted, after) = rest.as_str().split_once('\'').ok_or(ShellWordsError::Open)?;
                word.get_or_insert_default().push_str(quoted);
                rest = after.chars();
            }
            '"' => read_double(&mut rest, word.get_or_insert_default())?,
            c if SYNTAX.contains(c) => return Err(ShellWordsError::Syntax(c)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Reads what stands in double quotes.
fn read_double(rest: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), ShellWordsError> {
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok(()),
            '$' | '`' => return Err(ShellWordsError::Syntax(c)),
            '\\' => match rest.next().ok_or(ShellWordsError::Open)? {
                escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            c => word.push(c),
        }
    }
    Err(ShellWordsError::Open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for words in [
            vec!["git-upload-pack", "it's a \"name\".git"],
            vec!["", "-x", "a\\b", "$(id)", "`id`; id", "*?[a]", "~", "foo#41", "!", "é"],
        ] {
            let line = words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join("  ");
            assert_eq!(shell_words(&line).unwrap(), words, "{line}");
        }
        let read = |line: &str| shell_words(line).unwrap();
        // As git quotes (quote.c).
        assert_eq!(read(r"git-upload-pack 'a'\''b'\!'c'"), ["git-upload-pack", "a'b!c"]);
        assert_eq!(read(r#"a"b c"'d e'\ f "\$\\\x""#), ["ab cd e f", r"$\\x"]);
        assert_eq!(read("  foo#41\t*  "), ["foo#41", "*"]);
        assert_eq!(read(""), [""; 0]);
    }

    #[test]
    fn what_a_shell_would_do_is_refused() {
        for (line, wrong) in [
            ("a; id", ShellWordsError::Syntax(';')),
            ("a && id", ShellWordsError::Syntax('&')),
            ("a $(id)", ShellWordsError::Syntax('$')),
            ("a \"$(id)\"", ShellWordsError::Syntax('$')),
            ("a `id`", ShellWordsError::Syntax('`')),
            ("a >x", ShellWordsError::Syntax('>')),
            ("a 'b", ShellWordsError::Open),
            ("a \"b", ShellWordsError::Open),
            ("a\\", ShellWordsError::Open),
            ("a\nid", ShellWordsError::Control),
            ("a\0", ShellWordsError::Control),
            ("a '\u{1b}[2J'", ShellWordsError::Control),
        ] {
            assert_eq!(shell_words(line), Err(wrong), "{line:?}");
        }
    }
}
