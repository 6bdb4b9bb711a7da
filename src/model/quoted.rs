//! User text, quoted in a message about it.

use std::fmt;

/// The longest text that is quoted, in bytes.
pub(crate) const MAX_QUOTED: usize = 200;

/// User text for a message: complete, or only its size.
///
/// Never its beginning. The text may be a secret or contain one, and the message is redacted later: half of a secret
/// would not be recognised then. A message that is too long is shortened after redaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(Result<String, usize>);

impl Quoted {
    /// Keeps the text if it is short enough.
    pub(crate) fn new(text: &str) -> Self {
        Self(if text.len() <= MAX_QUOTED { Ok(text.to_owned()) } else { Err(text.len()) })
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(text) => write!(f, "`{}`", escape_controls(text)),
            Err(size) => write!(f, "a text of {size} bytes"),
        }
    }
}

/// A text unchanged but for its control characters, which are written as `\n` or `\u{1b}`.
///
/// This is the only escaping of user text before redaction: a secret stays recognisable in it.
pub(crate) fn escape_controls(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_debug()) } else { shown.push(c) }
    }
    shown
}

/// Whether a character can move a cursor, or turn the direction of what follows.
pub(crate) fn moves_text(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_quoted_whole_or_not_at_all() {
        assert_eq!(Quoted::new("a\u{1b}b\n").to_string(), "`a\\u{1b}b\\n`");
        assert_eq!(Quoted::new(&"x".repeat(MAX_QUOTED)).to_string().len(), MAX_QUOTED + 2);
        assert_eq!(Quoted::new(&"x".repeat(MAX_QUOTED + 1)).to_string(), "a text of 201 bytes");
    }
}
