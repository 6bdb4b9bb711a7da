//! Makes text from repositories and commands safe to print together with quire's own text.

use std::fmt::Write as _;

/// The longest name that is shown in a line, in characters.
const MAX_SHOWN: usize = 120;

/// The longest line of output that is shown among others, in characters.
const MAX_OUTPUT: usize = 500;

/// A name for one line: control characters and bidirectional overrides are made visible, a long name is cut.
pub fn one_line(text: &str) -> String {
    within(text, MAX_SHOWN)
}

/// A line of output among quire's own: like a name, but longer.
pub fn output_line(text: &str) -> String {
    within(text, MAX_OUTPUT)
}

fn within(text: &str, limit: usize) -> String {
    let visible = |c| match c {
        '\t' => ' ',
        c if is_dangerous(c) => '\u{fffd}',
        c => c,
    };
    let shown: String = text.chars().take(limit).map(visible).collect();
    if text.chars().nth(limit).is_some() { format!("{shown}…") } else { shown }
}

/// Text of several lines for a terminal: line feeds and tabs stay, other control characters are escaped.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || c == '\t' {
            out.push(c);
        } else if is_dangerous(c) {
            let _infallible = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character can move a cursor or turn the direction of what follows.
fn is_dangerous(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_the_cursor_is_left() {
        assert_eq!(one_line("a\u{1b}[2Jb\r\n\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}c");
        assert_eq!(plain("a\n\tb\u{1b}c\r"), "a\n\tb\\u{1b}c\\u{d}");
        assert_eq!(one_line(&"x".repeat(200)).chars().count(), 121);
    }
}
