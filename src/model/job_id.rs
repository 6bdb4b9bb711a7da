//! The name of a job within its pipeline.

use super::Quoted;
use super::text_id::text_id;

/// The longest job id, in characters.
const MAX_LENGTH: usize = 64;

text_id! {
    /// The name of a job: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}`.
    ///
    /// A job id is also a folder name below the run's `log/`, which is why it is this narrow.
    pub JobId, JobIdError, read
}

/// Why a text is not a job id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobIdError {
    /// It is empty.
    #[error("a job id must not be empty")]
    Empty,
    /// It is over 64 characters.
    #[error("a job id may have at most 64 characters, this one has {0}")]
    TooLong(usize),
    /// It has a character that is not allowed at its place.
    #[error("{id} is not a job id: {character:?} is not allowed{}", if *first { " at its start" } else { "" })]
    Character {
        /// The whole id.
        id: Quoted,
        /// The offending character.
        character: char,
        /// Whether it is the first one, where `.` and `-` are not allowed either.
        first: bool,
    },
    /// It is in the namespace of the event sources.
    #[error("{0} is not a job id: the `quire/` namespace is reserved for event sources")]
    Reserved(Quoted),
}

fn read(text: &str) -> Result<&str, JobIdError> {
    let shown = || Quoted::new(text);
    if text.is_empty() {
        return Err(JobIdError::Empty);
    }
    if text.starts_with("quire/") {
        return Err(JobIdError::Reserved(shown()));
    }
    for (place, character) in text.chars().enumerate() {
        let first = place == 0;
        let allowed = character.is_ascii_alphanumeric()
            || character == '_'
            || (!first && (character == '.' || character == '-'));
        if !allowed {
            return Err(JobIdError::Character { id: shown(), character, first });
        }
    }
    if text.len() > MAX_LENGTH {
        return Err(JobIdError::TooLong(text.len()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_at_the_limits() {
        for id in ["a", "_", "9", "build.x86-64_gnu", &"a".repeat(64)] {
            assert_eq!(JobId::parse(id).unwrap().as_str(), id);
        }
        for id in ["", "-a", ".a", "a b", "a/b", "quire/push", "é", "a\n", &"a".repeat(65)] {
            assert!(JobId::parse(id).is_err(), "{id}");
        }
    }
}
