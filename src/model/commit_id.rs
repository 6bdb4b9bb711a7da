//! The id of a git object, SHA-1: forty hexadecimal digits.

use std::fmt;

use super::Quoted;
use super::hex::hex;

/// The id of a commit (or of a tag object), as git writes it: forty lower-case hexadecimal digits.
///
/// The all-zero id stands for "no object": the old value of a created ref, the new value of a deleted one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId([u8; 20]);

/// Why a text is not a commit id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a commit id: expected 40 hexadecimal digits")]
pub struct CommitIdError(Quoted);

impl CommitId {
    /// The id that stands for "no object".
    pub(crate) const ZERO: Self = Self([0; 20]);

    /// Reads forty hexadecimal digits.
    ///
    /// # Errors
    /// Says so when the text has another length or other characters.
    pub fn parse(text: &str) -> Result<Self, CommitIdError> {
        let wrong = || CommitIdError(Quoted::new(text));
        if text.len() != 40 {
            return Err(wrong());
        }
        let mut bytes = [0; 20];
        let mut digits = text.bytes().map(|digit| char::from(digit).to_digit(16));
        for byte in &mut bytes {
            let (high, low) = digits.next().flatten().zip(digits.next().flatten()).ok_or_else(wrong)?;
            *byte = u8::try_from(high << 4 | low).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }

    /// The id with these twenty bytes.
    pub(crate) fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The twenty bytes of the id.
    pub(crate) fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Whether this is the id that stands for "no object".
    pub(crate) fn is_zero(&self) -> bool {
        self == &Self::ZERO
    }

    /// The first seven digits, for people.
    pub(crate) fn short(&self) -> String {
        self.to_string().chars().take(7).collect()
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_as_it_was_read() {
        let text = "8fab34b0c1d2e3f405162738495a6b7c8d9e0f1a";
        let id = CommitId::parse(text).unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(id.short(), "8fab34b");
        assert!(!id.is_zero());
        assert!(CommitId::parse(&"0".repeat(40)).unwrap().is_zero());
    }

    #[test]
    fn other_lengths_and_letters_are_refused() {
        for text in ["", "8fab34b", &"g".repeat(40), &"0".repeat(64), &"+1".repeat(20), &"é".repeat(20)] {
            assert!(CommitId::parse(text).is_err(), "{text}");
        }
    }
}
