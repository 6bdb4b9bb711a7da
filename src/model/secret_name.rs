//! The name of a secret in `config.fnl`.

use std::fmt;

use super::Quoted;

/// The name of a secret: `[A-Za-z_][A-Za-z0-9_-]{0,63}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretName(String);

/// Why a text is not the name of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a valid secret name: use 1 to 64 letters, digits, `_` or `-`, starting with a letter or `_`"
)]
pub struct SecretNameError(Quoted);

impl SecretName {
    /// Reads the name of a secret.
    ///
    /// # Errors
    /// Says what a name looks like.
    pub fn parse(text: &str) -> Result<SecretName, SecretNameError> {
        let first = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if first && rest && text.len() <= 64 {
            Ok(SecretName(text.to_owned()))
        } else {
            Err(SecretNameError(Quoted::new(text)))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
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
