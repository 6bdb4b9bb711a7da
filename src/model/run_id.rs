//! Names of runs: the id, and the number within the repository.

use std::fmt;

use super::Quoted;
use super::repo_name::{RepoName, RepoNameError};

/// The id of a run: a UUID of version 7 (RFC 9562), so that ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(uuid::Uuid);

/// Why a text is not the id of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not the id of a run: expected a UUID such as `01a228f0-0386-7cc3-98c4-dc0c0c07398f`")]
pub struct RunIdError(Quoted);

impl RunId {
    /// The id made from a time and random bits.
    pub fn new(millis_since_1970: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(millis_since_1970, &random).into_uuid())
    }

    /// Reads a UUID with dashes.
    ///
    /// # Errors
    /// Says what an id looks like.
    pub(crate) fn parse(text: &str) -> Result<Self, RunIdError> {
        let id = uuid::Uuid::parse_str(text).ok().filter(|_| text.len() == 36);
        id.map(RunId).ok_or_else(|| RunIdError(Quoted::new(text)))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How people refer to a run: `foo#41`, or its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunName {
    /// A repository and a number within it.
    Number(RepoName, u64),
    /// The id.
    Id(RunId),
}

/// Why a text does not name a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunNameError {
    /// It is neither `repository#number` nor an id.
    #[error("{0} is not a run; write `foo#41` or the id of a run")]
    Form(Quoted),
    /// The part before `#` is not the name of a repository.
    #[error("the part before `#` must be the name of a repository")]
    Repo(#[source] RepoNameError),
}

impl RunName {
    /// Parses `foo#41`, `group/foo#41`, `foo.git#41` or an id.
    ///
    /// # Errors
    /// The expected form.
    pub(crate) fn parse(text: &str) -> Result<Self, RunNameError> {
        let wrong = || RunNameError::Form(Quoted::new(text));
        let Some((repo, number)) = text.rsplit_once('#') else {
            return RunId::parse(text).map(RunName::Id).map_err(|_| wrong());
        };
        let repo = RepoName::parse(repo).map_err(RunNameError::Repo)?;
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
        Ok(Self::Number(repo, number))
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(repo, number) => write!(f, "{repo}#{number}"),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_named_by_number_or_id() {
        let id = RunId::new(1_795_000_000_000, [7; 10]);
        assert_eq!(RunName::parse(&id.to_string()), Ok(RunName::Id(id)));
        let repo = RepoName::parse("g/foo").unwrap();
        assert_eq!(RunName::parse("g/foo.git#41"), Ok(RunName::Number(repo, 41)));
        for text in
            ["", "foo", "foo#", "foo#x", "#4", "foo#-1", "foo#+1", "../x#1", "foo#99999999999999999999"]
        {
            assert!(RunName::parse(text).is_err(), "{text}");
        }
    }
}
