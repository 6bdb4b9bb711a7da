//! How far a container may open itself to its host.

use serde::{Deserialize, Serialize};

use super::Quoted;

/// How far a container may open itself to its host. The order is that of strictness: a later one is laxer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Nothing but what the operator's own table opens.
    #[default]
    Secure,
    /// Also what the bundle lists.
    Permissive,
    /// Everything but what would give the host away; each opening is a warning.
    Disabled,
}

/// Why a text is not a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a profile: they are secure, permissive and disabled")]
pub struct ProfileError(Quoted);

impl Profile {
    /// All profiles, the strictest first.
    pub const ALL: [Profile; 3] = [Profile::Secure, Profile::Permissive, Profile::Disabled];

    /// Reads a profile.
    ///
    /// # Errors
    /// Says which there are.
    pub fn parse(text: &str) -> Result<Profile, ProfileError> {
        let wrong = || ProfileError(Quoted::new(text));
        Profile::ALL.into_iter().find(|profile| profile.as_str() == text).ok_or_else(wrong)
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::Secure => "secure",
            Profile::Permissive => "permissive",
            Profile::Disabled => "disabled",
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
            assert!(wrong.contains("secure, permissive and disabled"), "{wrong}");
            assert!(!wrong.contains('\u{1b}'));
        }
    }
}
