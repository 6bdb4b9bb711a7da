//! The name of a branch as people write it, checked by git's own rules.

use super::Quoted;
use super::ref_name::RefName;
use super::text_id::text_id;

/// The longest name of a branch, in bytes.
const MAX_LENGTH: usize = 200;

text_id! {
    /// The name of a branch without `refs/heads/`, such as `main` or `topic/x`. Visible ASCII, and nothing that git would
    /// take for an option, a pattern or a revision.
    pub BranchName, BranchNameError, read
}

/// Why a text is not the name of a branch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{shown} is not the name of a branch: {reason}")]
pub struct BranchNameError {
    shown: Quoted,
    reason: &'static str,
}

impl BranchName {
    /// The full name.
    pub(crate) fn full(&self) -> String {
        format!("refs/heads/{}", self.0)
    }

    /// The ref.
    ///
    /// # Errors
    /// None in practice: every accepted name is valid in a ref.
    pub(crate) fn ref_name(&self) -> Result<RefName, super::RefNameError> {
        RefName::parse(self.full().as_bytes())
    }
}

/// Reads `main` or `refs/heads/main`.
fn read(text: &str) -> Result<&str, BranchNameError> {
    let name = text.strip_prefix("refs/heads/").unwrap_or(text);
    match mistake(name) {
        None => Ok(name),
        Some(reason) => Err(BranchNameError { shown: Quoted::new(text), reason }),
    }
}

/// The rule that a name breaks.
fn mistake(name: &str) -> Option<&'static str> {
    let bad_part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    let is_bad = |c: char| !c.is_ascii_graphic() || "~^:?*[\\".contains(c);
    if name.is_empty() {
        Some("the name is empty")
    } else if name.starts_with('-') {
        Some("it must not begin with `-`")
    } else if name.starts_with("refs/") {
        Some("only branches are watched")
    } else if name.len() > MAX_LENGTH {
        Some("the name is longer than 200 characters")
    } else if name.chars().any(is_bad) {
        Some("spaces, control characters and ~ ^ : ? * [ \\ are not allowed")
    } else if name.contains("..") || name.contains("@{") || name.ends_with('.') || name == "@" {
        Some("git gives this name another meaning")
    } else if name.split('/').any(bad_part) {
        Some("a part of it is empty, begins with `.` or ends in `.lock`")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_git_takes_for_options_patterns_or_revisions_are_refused() {
        for text in ["main", "topic/x", "v1.0", "refs/heads/main", "a@b", "feature_1"] {
            assert!(BranchName::parse(text).unwrap().ref_name().is_ok(), "{text}");
        }
        let long = "a".repeat(201);
        for text in [
            "",
            "-x",
            "--upload-pack=x",
            "a b",
            "a\nb",
            "a..b",
            "a~1",
            "a^",
            "a:b",
            "+a",
            "a*",
            "a?",
            "[a",
            "a\\b",
            "a//b",
            "/a",
            "a/",
            ".a",
            "a/.b",
            "a.lock",
            "a.",
            "a@{1}",
            "@",
            "refs/tags/v1",
            "é",
            &long,
        ] {
            // A leading `+` is a name that git accepts.
            assert_eq!(BranchName::parse(text).is_ok(), text == "+a", "{text:?}");
        }
    }
}
