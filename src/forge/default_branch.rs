//! The default branch: the one that `HEAD` names. Clones check it out, and its files hold the rules of the repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::model::{BranchName, CommitId, RefKind, RefName, RepoName};

use super::durable;
use super::layout::find;
use super::look_error::LookError;
use super::refs::{RefValue, Refs, head_branch};
use super::repo_error::RepoError;

/// The branches that are preferred when several are pushed at once, the first of them first.
const USUAL: [&str; 4] = ["refs/heads/main", "refs/heads/master", "refs/heads/trunk", "refs/heads/develop"];

/// Makes the first pushed branch the default branch while `HEAD` names one that does not exist; the new one, if it has
/// changed. When none of `pushed` exists, every branch of the repository counts as pushed.
///
/// # Errors
/// The refs could not be read, or `HEAD` could not be written.
pub(crate) fn follow_first_push(git_dir: &Path, pushed: &[RefName]) -> Result<Option<RefName>, RepoError> {
    let unread = |source| RepoError::Refs { path: git_dir.to_owned(), source };
    let mut refs = Refs::of(git_dir);
    if unborn_branch(&mut refs).map_err(unread)?.is_none() {
        return Ok(None);
    }
    let branches = branches(&mut refs).map_err(unread)?;
    let Some(first) = first_branch(&branches, pushed) else { return Ok(None) };
    write_head(git_dir, &first)?;
    Ok(Some(first))
}

/// Sets the default branch of a repository.
///
/// # Errors
/// The repository or the branch does not exist, or `HEAD` could not be written.
pub(crate) fn set_default_branch(data: &Path, name: &RepoName, branch: &BranchName) -> Result<(), RepoError> {
    let (path, found) = find_branch(data, name, branch)?;
    write_head(&path, &found)
}

/// The folder of a repository and a branch of it.
///
/// # Errors
/// One of them does not exist.
pub(crate) fn find_branch(
    data: &Path,
    name: &RepoName,
    branch: &BranchName,
) -> Result<(PathBuf, RefName), RepoError> {
    let path = find(data, name)?;
    let found = branches(&mut Refs::of(&path));
    let found = found.map_err(|source| RepoError::Refs { path: path.clone(), source })?;
    match found.keys().find(|found| found.as_bytes() == branch.full().as_bytes()) {
        Some(found) => Ok((path, found.clone())),
        None => Err(RepoError::NoBranch {
            repo: name.clone(),
            branch: branch.clone(),
            branches: found.keys().map(RefName::short).collect(),
        }),
    }
}

/// The branch that `HEAD` names although it does not exist and other branches do.
pub(super) fn missing_default_branch(git_dir: &Path) -> Result<Option<RefName>, LookError> {
    let mut refs = Refs::of(git_dir);
    let Some(unborn) = unborn_branch(&mut refs)? else { return Ok(None) };
    Ok((!branches(&mut refs)?.is_empty()).then_some(unborn))
}

/// The branch that `HEAD` names, if it does not exist.
fn unborn_branch(refs: &mut Refs) -> Result<Option<RefName>, LookError> {
    let named = head_branch(refs.git_dir()).filter(|named| named.kind() == RefKind::Branch);
    let Some(named) = named else { return Ok(None) };
    let end = refs.resolve(&named)?;
    Ok((refs.value(&end)? == RefValue::Missing).then_some(named))
}

fn branches(refs: &mut Refs) -> Result<BTreeMap<RefName, CommitId>, LookError> {
    let mut branches = refs.all()?.direct;
    branches.retain(|name, _| name.kind() == RefKind::Branch);
    Ok(branches)
}

fn first_branch(branches: &BTreeMap<RefName, CommitId>, pushed: &[RefName]) -> Option<RefName> {
    let pushed: Vec<&RefName> = pushed.iter().filter(|name| branches.contains_key(name)).collect();
    let candidates = if pushed.is_empty() { branches.keys().collect() } else { pushed };
    let usual =
        USUAL.iter().find_map(|usual| candidates.iter().find(|name| name.as_bytes() == usual.as_bytes()));
    usual.or(candidates.first()).map(|name| (*name).clone())
}

/// Writes `HEAD` durably and at once, without git's lock: one that a killed process leaves would keep every push out.
fn write_head(git_dir: &Path, branch: &RefName) -> Result<(), RepoError> {
    durable::write(&git_dir.join("HEAD"), &[b"ref: ".as_slice(), branch.as_bytes(), b"\n"].concat())
}
