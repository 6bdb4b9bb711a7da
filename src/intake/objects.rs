//! The objects that refs point to, as far as they are needed to decide what an update starts.

use std::path::Path;

use super::decide::{Decision, Facts, Found, decide};
use super::pushed_with::PushedWith;
use super::settle::Settling;
use crate::forge::{self, ReadError};
use crate::model::{CommitId, RefKind, RefName, chain};
use crate::secret::Redactor;

/// The longest subject of a commit that is kept, in characters.
const MAX_SUBJECT: usize = 200;

/// The objects of a repository, opened on first use.
pub(super) struct Objects<'a> {
    git_dir: &'a Path,
    open: Option<Result<forge::Repo, String>>,
}

/// The consequence of a ref's new value.
pub(super) struct Decided {
    pub(super) decision: Decision,
    /// The commit that the value is or points to. Of what is no commit, or could not be read, for which nothing runs, it is
    /// the value itself.
    pub(super) commit: CommitId,
    /// The first line of the commit's message.
    pub(super) subject: Option<String>,
}

impl<'a> Objects<'a> {
    pub(super) fn new(git_dir: &'a Path) -> Self {
        Self { git_dir, open: None }
    }

    /// The repository, or why it cannot be read.
    fn open(&mut self) -> Result<&forge::Repo, String> {
        let git_dir = self.git_dir;
        let open = self.open.get_or_insert_with(|| forge::Repo::open(git_dir).map_err(|error| chain(&error)));
        open.as_ref().map_err(Clone::clone)
    }

    /// The commit that an object is or points to, its message, and whether it has a pipeline for a ref; `None` for other
    /// objects.
    fn look(&mut self, id: CommitId, name: &RefName) -> Result<Option<(CommitId, String, bool)>, String> {
        let repo = self.open()?;
        match repo.commit(id) {
            Ok(commit) => {
                let has_pipeline = repo.has_pipeline(commit.id, name).map_err(|error| chain(&error))?;
                Ok(Some((commit.id, commit.message, has_pipeline)))
            }
            Err(ReadError::NotACommit { .. }) => Ok(None),
            Err(error) => Err(chain(&error)),
        }
    }

    /// Whether a value has left the commits of another behind: it is no descendant, or that cannot be known.
    pub(super) fn leaves(&mut self, old: CommitId, new: CommitId) -> bool {
        new.is_zero() || !self.open().is_ok_and(|repo| repo.is_ancestor(old, new).unwrap_or(false))
    }

    /// The consequence of a ref's new value.
    pub(super) fn decide(
        &mut self,
        settling: &Settling<'_>,
        name: &RefName,
        updated: &forge::Found,
        pushed: &PushedWith<'_>,
    ) -> Decided {
        let (limits, new, is_deletion) = (settling.limits, updated.new, updated.new.is_zero());
        let starts_nothing = is_deletion || name.kind() == RefKind::Other;
        let commit = if starts_nothing { Ok(None) } else { self.look(new, name) };
        let (facts, id, subject) = match &commit {
            Ok(Some((id, message, has_pipeline))) => {
                let found = Found::Commit { message, has_pipeline: *has_pipeline };
                (found, *id, Some(commit_subject(message, settling.secrets)))
            }
            Ok(None) => (Found::Other, new, None),
            Err(problem) => (Found::Unreadable(problem.clone()), new, None),
        };
        let is_default_branch =
            pushed.refs > limits.runs_per_push && forge::head_branch(self.git_dir).as_ref() == Some(name);
        let facts = Facts {
            kind: name.kind(),
            is_deletion,
            is_default_branch,
            is_first_sight: settling.records_first && updated.old.is_zero(),
            commit: facts,
            options: pushed.options,
            pushed_refs: pushed.refs,
            is_announced: pushed.is_announced,
            max_runs: limits.runs_per_push,
            had_runs: pushed.has_many_runs.then_some(limits.runs_per_minute),
        };
        Decided { decision: decide(&facts), commit: id, subject }
    }
}

/// The first line of a commit's message, without the values of secrets, shortened.
pub(crate) fn commit_subject(message: &str, secrets: &Redactor) -> String {
    let first = message.trim_start().lines().next().unwrap_or_default().trim_end();
    secrets.text(first).shorten(MAX_SUBJECT).into_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SecretName;

    #[test]
    fn the_subject_of_a_commit_is_its_first_line() {
        for (message, subject) in [("one\n\nbody\n", "one"), ("\n two \r\nx", "two"), ("", ""), ("\n", "")] {
            assert_eq!(commit_subject(message, &Redactor::none()), subject, "{message:?}");
        }
        let long = commit_subject(&"\u{fc}".repeat(300), &Redactor::none());
        assert_eq!((long.chars().count(), long.chars().last()), (MAX_SUBJECT, Some('…')));
        let token = (SecretName::parse("t").unwrap(), b"ghp_0123456789".to_vec().into());
        assert_eq!(
            commit_subject("use ghp_0123456789 here", &Redactor::new(vec![token])),
            "use <redacted> here"
        );
    }
}
