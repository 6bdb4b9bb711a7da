//! The name of a secret in `config.fnl`.

use super::Quoted;
use super::text_id::text_id;

/// The longest name, in characters.
const MAX_LENGTH: usize = 64;

text_id! {
    /// The name of a secret: `[A-Za-z_][A-Za-z0-9_-]{0,63}`.
    pub SecretName, SecretNameError, read
}

/// Why a text is not the name of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a valid secret name: use 1 to 64 letters, digits, `_` or `-`, starting with a letter or `_`"
)]
pub struct SecretNameError(Quoted);

fn read(text: &str) -> Result<&str, SecretNameError> {
    let first = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let fits = first && rest && text.len() <= MAX_LENGTH;
    if fits { Ok(text) } else { Err(SecretNameError(Quoted::new(text))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_the_limits() {
        for name in ["a", "_x", "github_token", "deploy-key", &"a".repeat(64)] {
            assert_eq!(SecretName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "1a", "-a", "a b", "a.b", "é", &"a".repeat(65)] {
            assert!(SecretName::parse(name).is_err(), "{name}");
        }
    }
}
