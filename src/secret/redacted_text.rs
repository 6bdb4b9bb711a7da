//! Text without secrets.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// A text without secrets: a [`Redactor`](super::Redactor) made it, it was read back from what one wrote, or it is
/// quire's own.
///
/// It is the only text that is shortened. What is cut before it is redacted may keep the first half of a secret,
/// which no redactor finds any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedactedText(String);

impl RedactedText {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, without a copy.
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// The first line that is not blank, without white space around it.
    #[must_use]
    pub(crate) fn first_line(&self) -> Self {
        Self(self.0.trim().lines().next().unwrap_or_default().trim_end().to_owned())
    }

    /// The first characters, at most `limit`; an ellipsis is the last when there were more.
    #[must_use]
    pub(crate) fn shorten(self, limit: usize) -> Self {
        if self.0.chars().nth(limit).is_none() {
            return self;
        }
        Self(self.0.chars().take(limit.saturating_sub(1)).chain(['…']).collect())
    }

    /// The first bytes, at most `limit`, and how many more there were.
    #[must_use]
    pub(crate) fn shorten_to_bytes(mut self, limit: usize) -> Self {
        if self.0.len() > limit {
            let end = (0..=limit).rev().find(|end| self.0.is_char_boundary(*end)).unwrap_or_default();
            let left = self.0.len() - end;
            self.0.truncate(end);
            self.0.push_str(&format!("… ({left} more bytes)"));
        }
        self
    }
}

/// Quire's own words hold no secret.
impl From<&'static str> for RedactedText {
    fn from(text: &'static str) -> Self {
        Self(text.to_owned())
    }
}

impl Deref for RedactedText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for RedactedText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RedactedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<&str> for RedactedText {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<str> for RedactedText {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shortened_at_a_character_and_says_so() {
        let text = || RedactedText::new("é".repeat(10));
        assert_eq!(text().shorten(10), "é".repeat(10).as_str());
        assert_eq!(text().shorten(9), format!("{}…", "é".repeat(8)).as_str());
        assert_eq!(text().shorten_to_bytes(20), "é".repeat(10).as_str());
        assert_eq!(text().shorten_to_bytes(5), "éé… (16 more bytes)");
        assert_eq!(text().shorten(0), "…");
    }

    #[test]
    fn the_first_line_is_the_first_that_says_something() {
        assert_eq!(RedactedText::from("\n  make \nx").first_line(), "make");
        assert_eq!(RedactedText::from(" ").first_line(), "");
    }
}
