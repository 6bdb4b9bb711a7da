//! The name of a person or machine that comes over ssh.

use super::Quoted;
use super::text_id::text_id;

/// The longest name, in characters.
const MAX_LENGTH: usize = 64;

text_id! {
    /// The name of a user: `[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}`.
    pub UserName, UserNameError, read
}

/// Why a text is not the name of a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a valid user name: use 1 to 64 letters, digits, `.`, `_`, `@`, `+` or `-`, starting with a letter or digit"
)]
pub struct UserNameError(Quoted);

fn read(text: &str) -> Result<&str, UserNameError> {
    let first = text.starts_with(|first: char| first.is_ascii_alphanumeric());
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '+' | '-'));
    let fits = first && rest && text.len() <= MAX_LENGTH;
    if fits { Ok(text) } else { Err(UserNameError(Quoted::new(text))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_the_limits() {
        for name in ["a", "1", "kim.lee@example.org", &"a".repeat(64)] {
            assert_eq!(UserName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "-a", ".a", "a b", "a:b", "a/b", "é", "a\n", "$(id)", &"a".repeat(65)] {
            assert!(UserName::parse(name).is_err(), "{name}");
        }
    }
}
