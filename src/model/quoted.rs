//! A text that somebody wrote, in a message about it.

use std::fmt::{self, Write as _};

/// The longest text that is quoted, in bytes.
pub const MAX_QUOTED: usize = 200;

/// A text that somebody wrote, for a message: whole, or only its size.
///
/// Never its beginning. The text may be a secret or hold one, and the message is redacted later: half of a secret
/// would not be found then. Where a message is too long, what has redacted it shortens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(Result<String, usize>);

impl Quoted {
    /// Keeps the text if it is short enough.
    pub fn new(text: &str) -> Quoted {
        Quoted(if text.len() <= MAX_QUOTED { Ok(text.to_owned()) } else { Err(text.len()) })
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(text) => {
                f.write_str("`")?;
                for c in text.chars() {
                    if c.is_control() { write!(f, "{}", c.escape_debug())? } else { f.write_char(c)? }
                }
                f.write_str("`")
            }
            Err(size) => write!(f, "a text of {size} bytes"),
        }
    }
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
