//! How far a container may have access to its host.

use serde::{Deserialize, Serialize};

use super::Quoted;

/// How far a container may have access to its host. Ordered from strict to lax.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Only what the operator's own table allows.
    #[default]
    Secure,
    /// In addition, what the bundle lists.
    Permissive,
    /// Everything but what would give control of the host; each exception is a warning.
    Disabled,
}

/// Why a text is not a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a profile: use `secure`, `permissive` or `disabled`")]
pub struct ProfileError(Quoted);

impl Profile {
    /// All profiles, the strictest first.
    pub(crate) const ALL: [Self; 3] = [Self::Secure, Self::Permissive, Self::Disabled];

    /// Reads a profile.
    ///
    /// # Errors
    /// The valid profiles.
    pub(crate) fn parse(text: &str) -> Result<Self, ProfileError> {
        let wrong = || ProfileError(Quoted::new(text));
        Self::ALL.into_iter().find(|profile| profile.as_str() == text).ok_or_else(wrong)
    }

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Secure => "secure",
            Self::Permissive => "permissive",
            Self::Disabled => "disabled",
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_both_ways_and_strictness_is_the_order() {
        for profile in Profile::ALL {
            assert_eq!(Profile::parse(profile.as_str()), Ok(profile));
        }
        assert!(Profile::ALL.is_sorted());
        for text in ["", "Secure", "secure ", "none", "\u{1b}[31m"] {
            let wrong = Profile::parse(text).unwrap_err().to_string();
            assert!(wrong.contains("use `secure`, `permissive` or `disabled`"), "{wrong}");
            assert!(!wrong.contains('\u{1b}'));
        }
    }
}
