//! The commit that changed each entry of a folder last.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::browse_error::BrowseError;
use super::commit_info::CommitInfo;
use super::tree::find_folder;
use super::tree_path::TreePath;
use super::walk::Walk;
use crate::forge::open::Repo;
use crate::model::CommitId;

/// The longest that a history is walked for a folder.
const MAX_TIME: Duration = Duration::from_secs(3);

/// The commits that changed the entries of a folder last, by the place of the entry; nothing for those that were not found in
/// time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ChangedEntries(pub(crate) Vec<Option<CommitInfo>>);

/// Entries whose last change is looked for at one commit: place in the answer, and object.
type Open = Vec<(usize, git2::Oid)>;

/// Finds the commits that changed these entries of a folder last, in one walk over the history.
///
/// An entry is followed to the first parent that has the same object, as `git log -1 -- PATH` does.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn changed_entries(
    repo: &Repo,
    commit: CommitId,
    path: &TreePath,
    names: &[Vec<u8>],
) -> Result<ChangedEntries, BrowseError> {
    let deadline = Instant::now() + MAX_TIME;
    let folder = find_folder(repo, commit, path)?;
    let object = |(place, name): (usize, &Vec<u8>)| Some((place, folder.get_name_bytes(name)?.id()));
    let all: Open = names.iter().enumerate().filter_map(object).collect();
    let begin = repo.find(commit)?.id();
    let mut walk = Walk::new(repo, [begin]);
    let mut open: HashMap<git2::Oid, Open> = HashMap::from([(begin, all)]);
    let mut found = vec![None; names.len()];
    while !open.is_empty() && Instant::now() < deadline {
        let Some(commit) = walk.next() else { break };
        let Some(mut entries) = open.remove(&commit.id()) else { continue };
        let own = folder_id(repo, &commit, path);
        for parent in commit.parents() {
            let id = folder_id(repo, &parent, path);
            let same = match id {
                _ if entries.is_empty() => break,
                Some(id) if Some(id) == own => std::mem::take(&mut entries),
                Some(id) => same_entries(repo, id, names, &mut entries),
                None => continue,
            };
            if !same.is_empty() {
                open.entry(parent.id()).or_default().extend(same);
                walk.push(parent.id());
            }
        }
        if !entries.is_empty() {
            let info = CommitInfo::of(&commit);
            for (place, _) in entries {
                found.get_mut(place).into_iter().for_each(|slot| *slot = Some(info.clone()));
            }
        }
    }
    Ok(ChangedEntries(found))
}

/// The object of a folder in a commit.
fn folder_id(repo: &Repo, commit: &git2::Commit<'_>, path: &TreePath) -> Option<git2::Oid> {
    let mut id = commit.tree_id();
    for part in path.parts() {
        id = repo.git().find_tree(id).ok()?.get_name_bytes(part)?.id();
    }
    Some(id)
}

/// Takes those entries that are the same in another tree.
fn same_entries(repo: &Repo, tree: git2::Oid, names: &[Vec<u8>], entries: &mut Open) -> Open {
    // What was a file before it was a folder has no entries.
    let Ok(tree) = repo.git().find_tree(tree) else { return Vec::new() };
    let is_same = |&mut (place, id): &mut (usize, git2::Oid)| {
        let name = names.get(place).map(Vec::as_slice).unwrap_or_default();
        tree.get_name_bytes(name).is_some_and(|entry| entry.id() == id)
    };
    entries.extract_if(.., is_same).collect()
}
