//! The commit that a run is started at by hand: named by a branch, a tag or an id.

use std::path::Path;

use crate::model::{CommitId, Quoted, RefKind, RefName};
use crate::sys::git_command::{GitCommand, GitError};

use super::look_error::LookError;
use super::refs::{RefValue, Refs, head_branch};

/// How a commit is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PointName {
    /// By the default branch.
    Default,
    /// By a branch or tag: its full name, or a short one.
    Ref(String),
    /// By its id. It is in the history of a branch or tag.
    Commit(CommitId),
}

/// A ref and the value that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StartingPoint {
    /// A branch or a tag.
    pub(crate) ref_name: RefName,
    /// The commit, or the annotated tag that leads to it.
    pub(crate) commit: CommitId,
}

/// Why nothing can be started there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PointError {
    /// The default branch does not exist.
    #[error("the repository has no default branch yet")]
    NoDefault,
    /// No ref has the name.
    #[error("the repository has no branch or tag {0}")]
    NoRef(Quoted),
    /// A branch and a tag have the name.
    #[error("{0} is a branch and a tag")]
    Ambiguous(Quoted),
    /// The ref is neither a branch nor a tag.
    #[error("{0} is neither a branch nor a tag")]
    OtherRef(Quoted),
    /// No branch or tag has the commit in its history.
    #[error("the commit {0} is in the history of no branch or tag of the repository")]
    Unreachable(CommitId),
    /// The refs cannot be read.
    #[error("could not read the refs")]
    Refs(#[from] LookError),
    /// Git cannot say which refs have the commit.
    #[error("could not search the history")]
    Git(#[from] GitError),
}

impl PointError {
    /// Whether it is the request that is wrong, not the repository.
    pub(crate) fn is_of_request(&self) -> bool {
        !matches!(self, Self::Refs(_) | Self::Git(_))
    }

    /// What helps.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoDefault => Some("push a branch, or name a ref"),
            Self::Ambiguous(_) => Some("write refs/heads/NAME or refs/tags/NAME"),
            Self::OtherRef(_) => Some("runs are of branches and tags"),
            Self::Unreachable(_) => Some("push the commit to a branch first"),
            Self::NoRef(_) | Self::Refs(_) | Self::Git(_) => None,
        }
    }
}

/// Finds the commit that a name means. Blocking.
///
/// # Errors
/// Nothing has the name, or the repository cannot be read.
pub(crate) fn find_point(git_dir: &Path, name: &PointName) -> Result<StartingPoint, PointError> {
    let mut refs = Refs::of(git_dir);
    match name {
        PointName::Default => {
            let named = head_branch(git_dir).ok_or(PointError::NoDefault)?;
            point_of(&mut refs, named)?.ok_or(PointError::NoDefault)
        }
        PointName::Ref(text) => find_ref(&mut refs, text),
        PointName::Commit(commit) => {
            let ref_name = ref_with(git_dir, *commit)?.ok_or(PointError::Unreachable(*commit))?;
            Ok(StartingPoint { ref_name, commit: *commit })
        }
    }
}

fn find_ref(refs: &mut Refs, text: &str) -> Result<StartingPoint, PointError> {
    let missing = || PointError::NoRef(Quoted::new(text));
    if text.starts_with("refs/") {
        let name = RefName::parse(text.as_bytes()).map_err(|_| missing())?;
        return match name.kind() {
            RefKind::Branch | RefKind::Tag => point_of(refs, name)?.ok_or_else(missing),
            RefKind::Other => Err(PointError::OtherRef(Quoted::new(text))),
        };
    }
    let mut found = Vec::new();
    for kind in ["refs/heads/", "refs/tags/"] {
        if let Ok(name) = RefName::parse(format!("{kind}{text}").as_bytes()) {
            found.extend(point_of(refs, name)?);
        }
    }
    if found.len() > 1 {
        return Err(PointError::Ambiguous(Quoted::new(text)));
    }
    found.pop().ok_or_else(missing)
}

/// The value of a ref; nothing when it does not exist.
fn point_of(refs: &mut Refs, ref_name: RefName) -> Result<Option<StartingPoint>, PointError> {
    let end = refs.resolve(&ref_name)?;
    Ok(match refs.value(&end)? {
        RefValue::Direct(commit) => Some(StartingPoint { ref_name, commit }),
        RefValue::Symbolic(_) | RefValue::Missing => None,
    })
}

/// The branch or tag that has a commit in its history: the default branch if it is one of them, otherwise the first branch, then
/// the first tag.
fn ref_with(git_dir: &Path, commit: CommitId) -> Result<Option<RefName>, PointError> {
    let containing = |prefix: &str| {
        let found = GitCommand::in_repo(git_dir)
            .args(["for-each-ref", "--count=1", "--format=%(refname)"])
            .arg(format!("--contains={commit}"))
            .arg(prefix)
            .run();
        match found {
            Ok(found) => Ok(RefName::parse(found.trim_ascii()).ok()),
            // No object has the id, or it is no commit.
            Err(GitError::Failed { .. }) => Ok(None),
            Err(error) => Err(PointError::Git(error)),
        }
    };
    let default = head_branch(git_dir).map(|branch| branch.to_string());
    for prefix in default.iter().map(String::as_str).chain(["refs/heads/", "refs/tags/"]) {
        if let Some(found) = containing(prefix)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, args: &[&str]) -> String {
        let who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0"];
        let said =
            GitCommand::new().args(["-C".as_ref(), folder.as_os_str()]).args(who).args(args).run().unwrap();
        String::from_utf8(said).unwrap().trim().to_owned()
    }

    #[test]
    fn a_commit_is_found_by_a_ref_and_by_an_id_that_a_ref_has() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        git(folder, &["init", "-q", "-b", "main"]);
        let git_dir = folder.join(".git");
        let find = |name: PointName| {
            find_point(&git_dir, &name).map(|point| (point.ref_name.to_string(), point.commit.to_string()))
        };
        assert!(matches!(find(PointName::Default), Err(PointError::NoDefault)));
        for text in ["one", "two", "lost"] {
            git(folder, &["commit", "-q", "--allow-empty", "-m", text]);
        }
        let [one, two, lost] = ["HEAD~2", "HEAD~1", "HEAD"].map(|name| git(folder, &["rev-parse", name]));
        git(folder, &["reset", "-q", "--hard", "HEAD~1"]);
        git(folder, &["branch", "side", &one]);
        git(folder, &["branch", "both"]);
        git(folder, &["tag", "both"]);
        git(folder, &["tag", "v1", &one]);
        git(folder, &["update-ref", "refs/notes/x", &lost]);
        let named = |text: &str| find(PointName::Ref(text.to_owned()));
        let commit = |id: &str| find(PointName::Commit(CommitId::parse(id).unwrap()));
        let is = |name: &str, id: &String| (name.to_owned(), id.clone());
        assert_eq!(find(PointName::Default).unwrap(), is("refs/heads/main", &two));
        assert_eq!(named("side").unwrap(), is("refs/heads/side", &one));
        assert_eq!(named("v1").unwrap(), is("refs/tags/v1", &one));
        assert_eq!(named("refs/tags/both").unwrap(), is("refs/tags/both", &two));
        assert_eq!(commit(&one).unwrap(), is("refs/heads/main", &one));
        assert!(matches!(named("both"), Err(PointError::Ambiguous(_))));
        assert!(matches!(named("refs/notes/x"), Err(PointError::OtherRef(_))));
        for name in ["none", "", "..", "refs/heads/", "refs/heads/none", "a b", "-x", "heads/main", "HEAD"] {
            assert!(matches!(named(name), Err(PointError::NoRef(_))), "{name}");
        }
        let tree = git(folder, &["rev-parse", "HEAD^{tree}"]);
        for id in [lost.as_str(), &"7".repeat(40), &"0".repeat(40), &tree] {
            assert!(matches!(commit(id), Err(PointError::Unreachable(_))), "{id}");
        }
    }
}
