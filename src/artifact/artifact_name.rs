//! The name of an artifact: a path with `/`, which can be a path on every system and a part of an address.

use std::fmt;

use crate::model::{Quoted, moves_text};

/// The longest name, in bytes.
pub(crate) const MAX_ARTIFACT_NAME: usize = 500;

/// The longest part between two `/`, in bytes, as of most file systems.
const MAX_PART: usize = 255;

/// The name of an artifact. Names that differ in case only are one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArtifactName(String);

impl ArtifactName {
    /// Reads a name.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            |what: &str| Err(format!("{} cannot be the name of an artifact: {what}", Quoted::new(text)));
        if text.is_empty() {
            return Err("the name of an artifact is empty".to_owned());
        }
        if text.len() > MAX_ARTIFACT_NAME {
            return wrong(&format!("it has more than {MAX_ARTIFACT_NAME} bytes"));
        }
        if text.chars().any(is_unsafe) {
            return wrong("it has a character that is a control of text");
        }
        if text.contains('\\') {
            return wrong("`\\` divides folders on some systems; write `/`");
        }
        if text.starts_with('/') || text.ends_with('/') {
            return wrong("it begins or ends with `/`");
        }
        for part in text.split('/') {
            match part {
                "" => return wrong("it has `//`"),
                "." | ".." => return wrong("it has `.` or `..` as a part"),
                part if part.len() > MAX_PART => {
                    return wrong(&format!("a part of it has more than {MAX_PART} bytes"));
                }
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What two names share that differ in case only.
    pub(crate) fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters that no name needs.
fn is_unsafe(c: char) -> bool {
    moves_text(c) || c == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths_below_a_folder() {
        for good in ["a", "a/b.xml", "ünï/ö o", ".hidden", "a..b", &"x".repeat(255), "-rf", "<b>", "a%2fb"]
        {
            assert_eq!(ArtifactName::parse(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(256);
        let longer = vec!["x".repeat(100); 5].join("/");
        for bad in [
            "",
            ".",
            "..",
            "/a",
            "a/",
            "a//b",
            "a/../b",
            "./a",
            "a\nb",
            "a\0",
            "a\u{1b}[31m",
            "a\\b",
            &long,
            &longer,
            "a\u{202e}b",
            "\u{7f}",
            "a/.",
            "../a",
        ] {
            assert!(ArtifactName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(ArtifactName::parse("A/Ö").unwrap().key(), ArtifactName::parse("a/ö").unwrap().key());
    }
}
