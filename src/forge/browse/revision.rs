//! Which commit an address means.

use std::path::Path;

use super::browse_error::BrowseError;
use super::tree_path::TreePath;
use crate::forge::open::{Repo, commit_id};
use crate::forge::refs::{RefValue, Refs, head_branch};
use crate::model::{CommitId, Quoted, RefName, is_hex};

/// How many parts of a path can belong to the name of a ref.
const MAX_REF_PARTS: usize = 32;

/// The fewest digits of an id.
const MIN_ID: usize = 7;

/// A commit, and what it was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    /// The commit.
    pub(crate) commit: CommitId,
    /// How it stands in the address: a short name of a ref, or an id.
    pub(crate) name: Vec<u8>,
    /// The branch or tag; nothing for an id.
    pub(crate) ref_name: Option<RefName>,
}

impl Revision {
    /// Whether the name means this commit for ever.
    pub(crate) fn is_fixed(&self) -> bool {
        self.name.len() == 40 && self.name == self.commit.to_string().as_bytes()
    }
}

/// Divides `topic/x/src/main.rs` into a revision and a path: the longest name that is one of a ref. The default branch when
/// there is nothing to divide.
///
/// # Errors
/// Nothing has such a name, or the repository cannot be read.
pub(crate) fn split_revision(
    repo: &Repo,
    git_dir: &Path,
    address: &[u8],
) -> Result<(Revision, TreePath), BrowseError> {
    let missing = || BrowseError::NoRevision(Quoted::new(&String::from_utf8_lossy(address)));
    if address.is_empty() {
        return Ok((find_revision(repo, git_dir, b"HEAD")?, TreePath::default()));
    }
    let parts: Vec<&[u8]> = address.split(|byte| *byte == b'/').collect();
    let path = |from: usize| {
        let rest = parts.get(from..).unwrap_or_default().join(&b'/');
        TreePath::parse(&rest).ok_or_else(missing)
    };
    let first = parts.first().copied().unwrap_or_default();
    if let Some(revision) = full_id(repo, first)? {
        return Ok((revision, path(1)?));
    }
    let mut refs = Refs::of(git_dir);
    for count in (1..=parts.len().min(MAX_REF_PARTS)).rev() {
        let name = parts.get(..count).unwrap_or_default().join(&b'/');
        if let Some(revision) = named(repo, &mut refs, &name)? {
            return Ok((revision, path(count)?));
        }
    }
    Ok((head_or_id(repo, &mut refs, first)?.ok_or_else(missing)?, path(1)?))
}

/// The commit that a whole name means.
///
/// # Errors
/// Nothing has the name, or the repository cannot be read.
pub(crate) fn find_revision(repo: &Repo, git_dir: &Path, name: &[u8]) -> Result<Revision, BrowseError> {
    let mut refs = Refs::of(git_dir);
    let found = match full_id(repo, name)? {
        Some(revision) => Some(revision),
        None => match named(repo, &mut refs, name)? {
            Some(revision) => Some(revision),
            None => head_or_id(repo, &mut refs, name)?,
        },
    };
    found.ok_or_else(|| BrowseError::NoRevision(Quoted::new(&String::from_utf8_lossy(name))))
}

/// The commit with this whole id. Before a ref of the same name: what has such an address never changes.
fn full_id(repo: &Repo, name: &[u8]) -> Result<Option<Revision>, BrowseError> {
    let id = std::str::from_utf8(name)
        .ok()
        .filter(|_| is_hex(name, 40))
        .and_then(|text| CommitId::parse(text).ok());
    let Some(id) = id else { return Ok(None) };
    let commit = commit_id(repo.find(id)?.id());
    // The id of an annotated tag leads to a commit with another id.
    Ok(Some(Revision { commit, name: name.to_vec(), ref_name: None }))
}

/// The commit of a branch or tag, by its short or full name.
fn named(repo: &Repo, refs: &mut Refs, name: &[u8]) -> Result<Option<Revision>, BrowseError> {
    // The name of the default branch, whatever was pushed as `refs/heads/HEAD`.
    if name == b"HEAD" {
        return Ok(None);
    }
    let is_full = name.starts_with(b"refs/heads/") || name.starts_with(b"refs/tags/");
    let full = [b"refs/heads/".as_slice(), b"refs/tags/"].map(|kind| [kind, name].concat());
    let names = if is_full { vec![name.to_vec()] } else { full.to_vec() };
    for full in names {
        let Ok(ref_name) = RefName::parse(&full) else { continue };
        if let Some(commit) = commit_of(repo, refs, &ref_name)? {
            return Ok(Some(Revision { commit, name: name.to_vec(), ref_name: Some(ref_name) }));
        }
    }
    Ok(None)
}

fn commit_of(repo: &Repo, refs: &mut Refs, name: &RefName) -> Result<Option<CommitId>, BrowseError> {
    // A ref whose file is broken is one that does not exist.
    let Ok(end) = refs.resolve(name) else { return Ok(None) };
    match refs.value(&end)? {
        RefValue::Direct(id) => Ok(Some(commit_id(repo.find(id)?.id()))),
        RefValue::Symbolic(_) | RefValue::Missing => Ok(None),
    }
}

/// The default branch, or the commit whose id begins so.
fn head_or_id(repo: &Repo, refs: &mut Refs, name: &[u8]) -> Result<Option<Revision>, BrowseError> {
    if name == b"HEAD" {
        let Some(branch) = head_branch(refs.git_dir()) else { return Ok(None) };
        let commit = commit_of(repo, refs, &branch)?;
        let short = branch.as_bytes().strip_prefix(b"refs/heads/").unwrap_or(branch.as_bytes()).to_vec();
        return Ok(commit.map(|commit| Revision { commit, name: short, ref_name: Some(branch) }));
    }
    let is_short = (MIN_ID..40).contains(&name.len()) && name.iter().all(u8::is_ascii_hexdigit);
    let Some(text) = std::str::from_utf8(name).ok().filter(|_| is_short) else { return Ok(None) };
    let found = repo.git().find_object_by_prefix(text, None).and_then(|object| object.peel_to_commit());
    // Several begin so, or it is no commit: there is no such revision.
    Ok(found.ok().map(|commit| Revision {
        commit: commit_id(commit.id()),
        name: name.to_vec(),
        ref_name: None,
    }))
}
