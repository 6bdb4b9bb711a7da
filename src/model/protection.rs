//! Refs that nobody can rewrite or delete, and the jobs that must have passed before they move.

use super::{JobId, Quoted, RefName, RefNameError, RepoName, RepoPattern};

/// Refs by their full names: `refs/heads/main`, or `refs/heads/release/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefPattern {
    /// The name, or what it begins with.
    text: Vec<u8>,
    is_prefix: bool,
}

/// Why a text is not a pattern of refs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefPatternError {
    /// It is not a full name.
    #[error("{0} is not a full name: write `refs/heads/main`, or `refs/heads/release/*`")]
    Short(Quoted),
    /// It is not a name.
    #[error(transparent)]
    Name(#[from] RefNameError),
}

impl RefPattern {
    /// Reads a full name, or one that ends in `/*`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, RefPatternError> {
        let short = || RefPatternError::Short(Quoted::new(text));
        if !text.starts_with("refs/") {
            return Err(short());
        }
        let (name, is_prefix) = match text.strip_suffix('*') {
            Some(start) if start.ends_with('/') => (start, true),
            Some(_) => return Err(short()),
            None => (text, false),
        };
        if name.contains('*') {
            return Err(short());
        }
        if name != "refs/" {
            RefName::parse(name.trim_end_matches('/').as_bytes())?;
        }
        Ok(Self { text: name.as_bytes().to_owned(), is_prefix })
    }

    /// Whether a ref is meant.
    pub fn matches(&self, name: &RefName) -> bool {
        if self.is_prefix { name.as_bytes().starts_with(&self.text) } else { name.as_bytes() == self.text }
    }
}

/// One rule of `:protected`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedRule {
    /// The repositories.
    pub repos: Vec<RepoPattern>,
    /// The refs.
    pub refs: Vec<RefPattern>,
    /// The jobs that must have passed for the new commit, on another ref.
    pub required_jobs: Vec<JobId>,
}

/// The rules that hold for a ref of a repository.
pub(crate) fn rules_for<'a>(
    rules: &'a [ProtectedRule],
    repo: &'a RepoName,
    name: &'a RefName,
) -> impl Iterator<Item = &'a ProtectedRule> {
    rules.iter().filter(|rule| {
        rule.repos.iter().any(|pattern| pattern.matches(repo))
            && rule.refs.iter().any(|pattern| pattern.matches(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_are_full_names_or_what_is_below_one() {
        let matches = |pattern: &str, name: &str| {
            RefPattern::parse(pattern).unwrap().matches(&RefName::parse(name.as_bytes()).unwrap())
        };
        assert!(
            matches("refs/heads/main", "refs/heads/main") && !matches("refs/heads/main", "refs/heads/main2")
        );
        assert!(matches("refs/heads/release/*", "refs/heads/release/1/x"));
        assert!(!matches("refs/heads/release/*", "refs/heads/releases") && matches("refs/*", "refs/notes/x"));
        for text in ["", "main", "refs/heads/ma*", "refs/*/x", "refs/heads/**", "*"] {
            assert!(RefPattern::parse(text).is_err(), "{text}");
        }
    }
}
