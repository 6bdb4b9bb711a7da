//! Folders that have the id of another repository: `cp -a` copies `quire.json`, too.
//!
//! A repository is the folder that was recorded under its id. When that folder is gone, another folder with the id is the same
//! repository under a new name; when both exist, or the first is in the trash, the other is a copy and not adopted.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use crate::model::RepoName;

use super::identity::{self, RepoId, read_identity};
use super::layout::find;
use super::list::{Listed, Problem};
use super::trash::list_trash;

/// The recorded names of repositories, by their ids; also those of removed repositories.
pub(crate) type RecordedNames = HashMap<String, RepoName>;

/// Removes the id from each folder of a listing that is a copy, and records of which repository.
pub(super) fn mark_copies(data: &Path, listed: &mut [Listed], recorded: &RecordedNames) {
    let mut by_id: BTreeMap<RepoId, Vec<&mut Listed>> = BTreeMap::new();
    for repo in listed {
        if let Some(id) = repo.id {
            by_id.entry(id).or_default().push(repo);
        }
    }
    for (id, mut folders) in by_id {
        let known = recorded.get(&id.to_string());
        let original = match known {
            Some(known) if folders.iter().any(|repo| repo.name == *known) => known.clone(),
            Some(known) if is_in_trash(data, id) => known.clone(),
            _ if folders.len() == 1 => continue,
            _ => match folders.iter().min_by_key(|repo| (born(&repo.path), repo.name.clone())) {
                Some(oldest) => oldest.name.clone(),
                None => continue,
            },
        };
        for repo in folders.iter_mut().filter(|repo| repo.name != original) {
            repo.id = None;
            repo.problems.push(Problem::Copy(original.clone()));
        }
    }
}

/// The repository that the folder of this name and id is a copy of; `None` when it is the repository itself.
pub(crate) fn original_of(
    data: &Path,
    name: &RepoName,
    id: RepoId,
    recorded: Option<&RepoName>,
) -> Option<RepoName> {
    let other = recorded.filter(|recorded| *recorded != name)?;
    let there = find(data, other).and_then(|folder| read_identity(&folder)).ok().flatten();
    (there.is_some_and(|there| there.id == id) || is_in_trash(data, id)).then(|| other.clone())
}

/// Whether a removed repository has this id.
fn is_in_trash(data: &Path, id: RepoId) -> bool {
    let has_id =
        |path: &Path| read_identity(path).is_ok_and(|found| found.is_some_and(|found| found.id == id));
    // If the trash cannot be listed, the repository counts as not being in it.
    list_trash(data).unwrap_or_default().iter().any(|entry| has_id(&entry.path.join("repo")))
}

/// When the identity of a repository was written there; a copy is younger.
fn born(repo: &Path) -> (i64, u32) {
    let stat = statx(CWD, repo.join(identity::FILE), AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME);
    stat.map_or((i64::MAX, 0), |stat| (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec))
}
