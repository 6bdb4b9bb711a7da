//! A command line as words: quotes and backslashes are read as a POSIX shell reads them, and nothing else is.
//!
//! Crates that do this take `#` for the beginning of a comment, so that a word is silently left out, and report neither
//! where a quote was opened nor whether a `&&` was quoted.

use std::str::CharIndices;

/// A line that was split.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) words: Vec<String>,
    /// The first thing outside of quotes that a shell would have acted upon.
    pub(super) shell_sign: Option<ShellSign>,
    /// The first backslash outside of quotes before a letter or digit, which takes it away without a use: `\s`.
    pub(super) lost_backslash: Option<usize>,
}

/// Something that means more than itself to a shell: `&&`, `$`, a line break.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShellSign {
    /// Where it stands, in bytes.
    pub(super) at: usize,
    pub(super) text: String,
    /// Whether it is a part of a double-quoted word: a program that is a shell itself gets it as it is.
    pub(super) is_quoted: bool,
}

/// A quote that is not closed, or a backslash with nothing behind it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unclosed {
    /// Where it stands, in bytes.
    pub(super) at: usize,
    pub(super) mark: char,
}

/// Splits a line at spaces, tabs and line breaks outside of quotes.
pub(super) fn split(line: &str) -> Result<Words, Unclosed> {
    let mut reading =
        Reading { line, words: Vec::new(), word: None, line_break: None, sign: None, lost_backslash: None };
    let mut rest = line.char_indices();
    while let Some((at, character)) = rest.next() {
        let unclosed = Unclosed { at, mark: character };
        match character {
            ' ' | '\t' => reading.end_word(),
            '\n' => {
                reading.end_word();
                reading.line_break = Some(at);
            }
            '\'' => single(&mut rest, reading.word()).ok_or(unclosed)?,
            '"' => {
                let inner = double(&mut rest, reading.word()).ok_or(unclosed)?;
                inner.into_iter().for_each(|at| reading.note(at, true));
            }
            '\\' => match rest.next() {
                Some((_, '\n')) => {}
                Some((_, escaped)) => {
                    if escaped.is_alphanumeric() {
                        reading.lost_backslash = reading.lost_backslash.or(Some(at));
                    }
                    reading.word().push(escaped);
                }
                None => return Err(unclosed),
            },
            _ => {
                if is_sign(character) {
                    reading.note(at, false);
                }
                reading.word().push(character);
            }
        }
    }
    reading.end_word();
    let Reading { words, sign: shell_sign, lost_backslash, .. } = reading;
    Ok(Words { words, shell_sign, lost_backslash })
}

struct Reading<'a> {
    line: &'a str,
    words: Vec<String>,
    word: Option<String>,
    /// The last line break, for the case that a word follows.
    line_break: Option<usize>,
    sign: Option<ShellSign>,
    lost_backslash: Option<usize>,
}

impl Reading<'_> {
    /// The word that is being read; a line break between two words would end a command of a shell.
    fn word(&mut self) -> &mut String {
        if let Some(at) = self.line_break.take()
            && !self.words.is_empty()
        {
            self.note(at, false);
        }
        self.word.get_or_insert_default()
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    /// Notes a sign; one that is not quoted counts more.
    fn note(&mut self, at: usize, is_quoted: bool) {
        if self.sign.as_ref().is_none_or(|sign| sign.is_quoted && !is_quoted) {
            let rest = self.line.get(at..).unwrap_or_default();
            let length = rest.find(|c| !matches!(c, '&' | '|' | ';' | '<' | '>')).unwrap_or(rest.len());
            let text = rest.chars().take(length.max(1)).collect();
            self.sign = Some(ShellSign { at, text, is_quoted });
        }
    }
}

fn is_sign(character: char) -> bool {
    matches!(character, '&' | '|' | ';' | '<' | '>' | '$' | '`' | '*')
}

/// Reads up to the end of a single-quoted part; nothing when it does not end.
fn single(rest: &mut CharIndices<'_>, word: &mut String) -> Option<()> {
    loop {
        match rest.next()?.1 {
            '\'' => return Some(()),
            character => word.push(character),
        }
    }
}

/// The same for a double-quoted part; gives where in it a shell would have expanded something.
fn double(rest: &mut CharIndices<'_>, word: &mut String) -> Option<Option<usize>> {
    let mut sign = None;
    loop {
        match rest.next()? {
            (_, '"') => return Some(sign),
            (_, '\\') => match rest.next()?.1 {
                '\n' => {}
                escaped @ ('$' | '`' | '"' | '\\') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            (at, character) => {
                if matches!(character, '$' | '`') {
                    sign = sign.or(Some(at));
                }
                word.push(character);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Vec<String> {
        split(line).unwrap().words
    }

    fn sign(line: &str) -> Option<(usize, String)> {
        split(line).unwrap().shell_sign.map(|sign| (sign.at, sign.text))
    }

    #[test]
    fn quotes_and_backslashes_are_those_of_a_shell() {
        for (line, expected) in [
            ("", &[][..]),
            (" \t\n ", &[]),
            ("make", &["make"]),
            ("  make  -j\t4 ", &["make", "-j", "4"]),
            ("a 'b c' \"d e\"", &["a", "b c", "d e"]),
            ("a'b'\"c\"d", &["abcd"]),
            ("'' \"\"", &["", ""]),
            (r#"'\' '"' "'""#, &["\\", "\"", "'"]),
            (r#""\$ \` \" \\ \n""#, &["$ ` \" \\ \\n"]),
            (r"\a\ b\'\\", &["a b'\\"]),
            ("a\\\nb \"c\\\nd\"", &["ab", "cd"]),
            ("echo # not a comment", &["echo", "#", "not", "a", "comment"]),
            ("~ {a,b} [x] ?", &["~", "{a,b}", "[x]", "?"]),
            ("é '\u{1f600} x'", &["é", "\u{1f600} x"]),
            ("a\n'b\nc'\n", &["a", "b\nc"]),
        ] {
            assert_eq!(words(line), expected, "{line:?}");
        }
    }

    #[test]
    fn what_is_not_closed_has_its_place() {
        for (line, at, mark) in [
            ("echo 'it", 5, '\''),
            ("é \"x", 3, '"'),
            ("a \"b\" \"c\\\"", 6, '"'),
            ("a\\", 1, '\\'),
            ("it's", 2, '\''),
        ] {
            assert_eq!(split(line), Err(Unclosed { at, mark }), "{line:?}");
        }
    }

    #[test]
    fn what_a_shell_would_act_upon_is_noticed_outside_of_quotes() {
        for (line, at, text) in [
            ("make && make test", 5, "&&"),
            ("a|b ; c", 1, "|"),
            ("x 2>&1", 3, ">&"),
            ("echo $HOME $X", 5, "$"),
            ("echo \"is $HOME\"", 9, "$"),
            ("rm *.o", 3, "*"),
            ("make\nmake test\n", 4, "\n"),
            ("a `b`", 2, "`"),
        ] {
            assert_eq!(sign(line), Some((at, text.to_owned())), "{line:?}");
        }
        for line in ["a '&&' '$x' \"*\" \\; \"\\$x\"", "\na b\n\n", "a \\\n b", "# ~ ? [x] {a,b} a=b %x"] {
            assert_eq!(sign(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_backslash_that_is_lost_has_its_place() {
        for (line, at) in
            [(r"grep \s x", Some(5)), (r"a \ b", None), (r"grep '\s' \$", None), (r#""\s""#, None)]
        {
            assert_eq!(split(line).unwrap().lost_backslash, at, "{line}");
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in proptest::collection::vec("[ -~\n\té]{0,12}", 0..6)) {
            let quoted: Vec<String> =
                words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
            prop_assert_eq!(&split(&quoted.join(" ")).unwrap().words, &words);
            let escaped = |word: &String| {
                let inner: String =
                    word.chars().flat_map(|c| "$`\"\\".contains(c).then_some('\\').into_iter().chain([c])).collect();
                format!("\"{inner}\"")
            };
            let doubled: Vec<String> = words.iter().map(escaped).collect();
            prop_assert_eq!(&split(&doubled.join("\n")).unwrap().words, &words);
        }

        #[test]
        fn no_line_is_too_much(line in "\\PC*") {
            let _either = split(&line);
        }
    }
}
