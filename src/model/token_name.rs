//! The name of a token.

use super::Quoted;
use super::text_id::text_id;

/// The longest name, in characters.
const MAX_LENGTH: usize = 64;

text_id! {
    /// The name of a token: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
    pub(crate) TokenName, TokenNameError, read
}

/// Why a text is not the name of a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a valid token name: use 1 to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit"
)]
pub(crate) struct TokenNameError(Quoted);

fn read(text: &str) -> Result<&str, TokenNameError> {
    let first = text.starts_with(|first: char| first.is_ascii_alphanumeric());
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    let fits = first && rest && text.len() <= MAX_LENGTH;
    if fits { Ok(text) } else { Err(TokenNameError(Quoted::new(text))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_the_limits() {
        for name in ["a", "1", "ci.example-1_x", &"a".repeat(64)] {
            assert_eq!(TokenName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "-a", ".a", "a b", "a:b", "a/b", "é", "a\n", &"a".repeat(65)] {
            assert!(TokenName::parse(name).is_err(), "{name}");
        }
    }
}
