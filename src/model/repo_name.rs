//! The name of a hosted repository: `name` or `group/name`.

use std::path::PathBuf;

use super::quoted::Quoted;
use super::text_id::text_id;

/// The longest part of a name, in bytes: a file name of 255 minus room for `.git` and a suffix in the trash.
const MAX_PART: usize = 100;

text_id! {
    /// The name of a repository, without `.git`: `name` or `group/name`.
    ///
    /// Each part is `[A-Za-z0-9_][A-Za-z0-9_.-]*`, so it is safe as a folder name, in an address and as an
    /// argument list.
    pub RepoName, RepoNameError, read
}

/// Why a text is not the name of a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepoNameError {
    /// Nothing remains after `.git` is removed.
    #[error("a repository's name must not be empty")]
    Empty,
    /// It is an absolute path.
    #[error("{0} is an absolute path; a repository's name is relative to the data folder")]
    Absolute(Quoted),
    /// It has more than two parts.
    #[error("{0} has more than two parts; a repository's name is `name` or `group/name`")]
    TooDeep(Quoted),
    /// A part is empty, `.` or `..`.
    #[error("{0} has an empty part, `.` or `..` in it")]
    Dots(Quoted),
    /// A part begins with `-` or `.`.
    #[error("{name}: a part of a name must not begin with {first:?}")]
    Start {
        /// The whole name.
        name: Quoted,
        /// The character that it must not begin with.
        first: char,
    },
    /// A part has a character that is not allowed.
    #[error("{name}: {character:?} is not allowed; use letters, digits, `_`, `.` and `-`")]
    Character {
        /// The whole name.
        name: Quoted,
        /// The offending character.
        character: char,
    },
    /// A part ends in `.git` or `.lock`, or in a dot.
    #[error("{name}: a part of a name must not end in `{end}`")]
    End {
        /// The whole name.
        name: Quoted,
        /// The ending.
        end: &'static str,
    },
    /// A part is over 100 bytes.
    #[error("a part of a repository's name may have at most 100 characters, this one has {0}")]
    TooLong(usize),
}

/// The name that the runs of job folders are counted under.
const JOBS: &str = "quire/jobs";

impl RepoName {
    /// The name that the runs of job folders are counted under. No repository can have it.
    pub(crate) fn of_jobs() -> Self {
        Self(JOBS.to_owned())
    }

    /// Whether the runs of job folders are counted under it.
    pub(crate) fn is_of_jobs(&self) -> bool {
        self.0 == JOBS
    }

    /// Where the repository is below `repos/`, and its runs below `runs/`: `group/name.git`.
    pub(crate) fn folder(&self) -> PathBuf {
        PathBuf::from(format!("{}.git", self.0))
    }
}

/// Reads `name`, `group/name`, with or without `.git` at the end.
fn read(text: &str) -> Result<&str, RepoNameError> {
    let shown = || Quoted::new(text);
    if text.starts_with('/') {
        return Err(RepoNameError::Absolute(shown()));
    }
    let name = text.strip_suffix('/').unwrap_or(text);
    let name = name.strip_suffix(".git").unwrap_or(name);
    if name.is_empty() {
        return Err(RepoNameError::Empty);
    }
    let parts: Vec<&str> = name.split('/').collect();
    for part in &parts {
        check_part(part, &shown)?;
    }
    if parts.len() > 2 {
        return Err(RepoNameError::TooDeep(shown()));
    }
    Ok(name)
}

/// Checks one part of a name.
fn check_part(part: &str, shown: &dyn Fn() -> Quoted) -> Result<(), RepoNameError> {
    if part.is_empty() || part == "." || part == ".." {
        return Err(RepoNameError::Dots(shown()));
    }
    if let Some(first) = part.chars().next().filter(|first| matches!(first, '-' | '.')) {
        return Err(RepoNameError::Start { name: shown(), first });
    }
    if let Some(character) =
        part.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))
    {
        return Err(RepoNameError::Character { name: shown(), character });
    }
    if let Some(end) = [".git", ".lock", "."].into_iter().find(|end| part.ends_with(end)) {
        return Err(RepoNameError::End { name: shown(), end });
    }
    if part.len() > MAX_PART {
        return Err(RepoNameError::TooLong(part.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_is_optional_on_input() {
        for (text, name) in
            [("foo", "foo"), ("foo.git", "foo"), ("group/foo.git", "group/foo"), ("a.b-c_d", "a.b-c_d")]
        {
            assert_eq!(RepoName::parse(text).unwrap().as_str(), name);
        }
        assert_eq!(RepoName::parse("g/n").unwrap().folder(), PathBuf::from("g/n.git"));
        assert!(RepoName::parse(&"a".repeat(100)).is_ok());
    }

    #[test]
    fn names_that_leave_the_folder_or_look_like_options_are_refused() {
        let long = "a".repeat(101);
        for text in [
            "",
            ".git",
            "..",
            "../x",
            "a/../b",
            "a/..",
            "/abs",
            "/abs/x.git",
            "-x",
            "a/-x",
            ".hidden",
            "a/.git",
            "a//b",
            "a/b/c",
            "a\0b",
            "a b",
            "a\nb",
            "é",
            "%2e%2e",
            "x.git.git",
            "a.git/b",
            "x.lock",
            "x.",
            &long,
        ] {
            assert!(RepoName::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn the_reason_names_the_rule() {
        assert_eq!(
            RepoName::parse("/x").unwrap_err().to_string(),
            "`/x` is an absolute path; a repository's name is relative to the data folder"
        );
        assert!(RepoName::parse("a\0b").unwrap_err().to_string().contains("'\\0'"));
        assert_eq!(
            RepoName::parse("a/../\u{1b}[31m\n").unwrap_err().to_string(),
            "`a/../\\u{1b}[31m\\n` has an empty part, `.` or `..` in it"
        );
    }
}
