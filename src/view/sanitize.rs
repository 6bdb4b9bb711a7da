//! Text from repositories and commands, made safe to print: what is printed is a [`SafeText`].

use std::iter::Peekable;
use std::str::Chars;

use crate::model::moves_text;

/// The longest name that is shown in a line, in characters.
const MAX_SHOWN: usize = 120;

/// The longest line of output that is shown among others, in characters.
const MAX_OUTPUT: usize = 500;

/// The longest line of output that is shown in a push, in bytes.
const MAX_PUSHED: usize = 500;

/// What ends all colours.
const RESET: &str = "\u{1b}[0m";

/// Whether the colours of a command's output are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    /// As they are, on a terminal.
    Kept,
    /// They are left out.
    Dropped,
}

/// Text that moves no cursor, changes no title and turns no direction. Line feeds and tabs stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SafeText(String);

impl SafeText {
    /// Makes a text of several lines safe.
    pub(crate) fn new(text: &str, colours: Colours) -> Self {
        Self::by_line(text, colours, |line| line.strip_suffix('\r').unwrap_or(line))
    }

    /// The same for the output of a command: of a line that it wrote over by carriage returns the last part is left, as on a
    /// terminal.
    pub(crate) fn of_output(text: &str, colours: Colours) -> Self {
        Self::by_line(text, colours, last_part)
    }

    fn by_line(text: &str, colours: Colours, shown: impl Fn(&str) -> &str) -> Self {
        let is_plain = |c: char| c == '\n' || c == '\t' || !moves_text(c);
        // Most of it is ASCII, of which bytes are enough.
        let is_plain_ascii = |byte: u8| matches!(byte, b'\n' | b'\t' | b' '..=b'~');
        if text.bytes().all(is_plain_ascii) || text.chars().all(is_plain) {
            return Self(text.to_owned());
        }
        let mut safe = String::with_capacity(text.len());
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                safe.push('\n');
            }
            push_line(&mut safe, shown(line), colours);
        }
        Self(safe)
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name for one line: control characters and bidirectional overrides are made visible, a long name is cut.
pub(crate) fn one_line(text: &str) -> String {
    within(&visible(text), MAX_SHOWN)
}

/// A reason for one line: like a name, but longer.
pub(crate) fn reason_line(text: &str) -> String {
    within(&visible(text), MAX_OUTPUT)
}

/// A line of a file: like a name, but whole, and with its tabs.
pub(crate) fn file_line(line: &str) -> String {
    line.chars().map(|c| if c != '\t' && moves_text(c) { '\u{fffd}' } else { c }).collect()
}

fn visible(text: &str) -> String {
    let visible = |c| match c {
        '\t' => ' ',
        c if moves_text(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(visible).collect()
}

/// A line of output among quire's own: what a terminal would show of it, without colours.
pub(crate) fn output_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    push_line(&mut line, last_part(text), Colours::Dropped);
    within(&line.replace('\t', " "), MAX_OUTPUT)
}

/// A line of output behind the name of its job, in a push: what a terminal would show of it, at most 500 bytes.
pub(crate) fn pushed_output(text: &str, colours: Colours) -> String {
    let mut line = String::with_capacity(text.len());
    push_line(&mut line, last_part(text), colours);
    let mut line = line.replace('\t', " ");
    if line.len() > MAX_PUSHED {
        let is_start = |place: &usize| line.is_char_boundary(*place);
        let mut end = (0..=MAX_PUSHED).rev().find(is_start).unwrap_or_default();
        // No sequence is cut in two.
        let begun = line.get(..end).and_then(|kept| kept.rsplit_once('\u{1b}'));
        if let Some((before, _)) = begun.filter(|(_, sequence)| !sequence.contains('m')) {
            end = before.len();
        }
        line.truncate(end);
        line.push('…');
        if line.contains('\u{1b}') {
            line.push_str(RESET);
        }
    }
    line
}

fn within(line: &str, limit: usize) -> String {
    match line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// Text of several lines, without colours.
pub(crate) fn plain(text: &str) -> String {
    SafeText::new(text, Colours::Dropped).0
}

/// What a terminal shows of a line that was written over.
fn last_part(line: &str) -> &str {
    line.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default()
}

/// Adds what is left of a line.
fn push_line(safe: &mut String, line: &str, colours: Colours) {
    let mut chars = line.chars().peekable();
    let mut has_colours = false;
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                if let Some(colour) = sequence(&mut chars).filter(|_| colours == Colours::Kept) {
                    has_colours = true;
                    safe.push_str(&format!("\u{1b}[{colour}m"));
                }
            }
            '\t' => safe.push(c),
            c if moves_text(c) => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    if has_colours {
        safe.push_str(RESET);
    }
}

/// Reads an escape sequence to its end; gives the numbers of one that sets colours.
fn sequence(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let kind = chars.next_if(|c| !c.is_control())?;
    match kind {
        '[' => {
            let mut numbers = String::new();
            while let Some(c) = chars.next_if(|c| matches!(c, ' '..='?')) {
                numbers.push(c);
            }
            let last = chars.next_if(|c| matches!(c, '@'..='~'));
            let is_colour =
                last == Some('m') && numbers.chars().all(|c| c.is_ascii_digit() || ";:".contains(c));
            is_colour.then_some(numbers)
        }
        ']' | 'P' | 'X' | '^' | '_' => {
            while let Some(c) = chars.next_if(|c| *c != '\u{1b}') {
                if c == '\u{7}' {
                    return None;
                }
            }
            // The end is `ESC \`.
            let _escape = chars.next();
            let _end = chars.next_if_eq(&'\\');
            None
        }
        ' '..='/' => {
            let _charset = chars.next_if(|c| !c.is_control());
            None
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_the_cursor_is_left() {
        assert_eq!(one_line("a\u{1b}[2Jb\r\n\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}c");
        assert_eq!(output_line("a\u{1b}[2Jb\n\u{202e}c\u{8}"), "ab\u{fffd}\u{fffd}c\u{fffd}");
        assert_eq!(plain("a\n\tb\u{1b}c\r"), "a\n\tb");
        assert_eq!(
            plain("\u{1b}]0;title\u{7}a\u{1b}]8;;http://x\u{1b}\\b\u{1b}(Bc\u{9b}2J"),
            "abc\u{fffd}2J"
        );
        assert_eq!(one_line(&"x".repeat(200)).chars().count(), 121);
        assert_eq!(plain("\u{1b}"), "");
    }

    #[test]
    fn the_last_part_of_a_line_that_was_written_over_is_shown() {
        let shown = SafeText::of_output(" 10%\r 50%\r100%\nnext\r\n\r", Colours::Dropped);
        assert_eq!(shown.as_str(), "100%\nnext\n");
        assert_eq!(plain("`make\r` failed\r\n"), "`make\u{fffd}` failed\n");
        assert_eq!(reason_line("`make\r` failed"), "`make\u{fffd}` failed");
        assert_eq!(output_line("10%\r\u{1b}[K20%\r"), "20%");
    }

    #[test]
    fn a_line_of_a_push_is_cut_with_its_colours_whole() {
        let line = |text: &str| pushed_output(text, Colours::Kept);
        assert_eq!(line("10%\r\u{1b}]0;t\u{7}\u{1b}[31mred\u{8}\tx"), "\u{1b}[31mred\u{fffd} x\u{1b}[0m");
        assert_eq!(pushed_output("\u{1b}[31mred", Colours::Dropped), "red");
        assert_eq!(line(&"é".repeat(250)), "é".repeat(250));
        assert_eq!(line(&"é".repeat(251)), "é".repeat(250) + "…");
        let cut = line(&format!("{}\u{1b}[38;5;200mlong", "x".repeat(495)));
        assert_eq!(cut, "x".repeat(495) + "…");
        let cut = line(&format!("\u{1b}[31m{}", "x".repeat(600)));
        assert_eq!(cut, format!("\u{1b}[31m{}…\u{1b}[0m", "x".repeat(495)));
    }

    #[test]
    fn colours_stay_where_they_are_wanted_and_end_with_their_line() {
        let text = "\u{1b}[1;31mred\u{1b}[0m\n\u{1b}[32mgreen\u{1b}[2K\nplain";
        let kept = SafeText::new(text, Colours::Kept);
        assert_eq!(kept.as_str(), "\u{1b}[1;31mred\u{1b}[0m\u{1b}[0m\n\u{1b}[32mgreen\u{1b}[0m\nplain");
        assert_eq!(plain(text), "red\ngreen\nplain");
    }
}
