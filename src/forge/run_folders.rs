//! The folders of runs follow renamed repositories: `mv repos/a.git repos/z.git` moves `runs/a.git` as well.
//!
//! A run that has not ended knows its folder by its path. While a repository has such runs, its old name in `runs/` is
//! a link to the new one.
//!
//! A move is noted before it is made, as a link `runs/.moved-<id>` to `OLD:NEW`, until the new name is recorded. Without that
//! record the move is taken back: the runs of a repository are always under its recorded name.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::model::RepoName;

use super::copies::RecordedNames;
use super::durable::{make_folder, move_folder, sync};
use super::layout::{names_in, runs_dir};
use super::repo_error::RepoError;
use super::trash::put_folder_away;

/// How the names of notes begin.
const MOVED: &str = ".moved-";

/// A renamed repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Renamed {
    pub(crate) id: String,
    /// The recorded name.
    pub(crate) from: RepoName,
    /// The current name.
    pub(crate) to: RepoName,
    /// Whether some of its runs have not ended.
    pub(crate) has_unfinished: bool,
}

/// Moves the runs of repositories that were renamed, before the new names are recorded; [`forget_moves`] comes after that.
///
/// # Errors
/// A folder could not be moved.
pub(crate) fn move_runs(data: &Path, renamed: &[Renamed]) -> Result<(), RepoError> {
    let renamed: Vec<&Renamed> = renamed.iter().filter(|repo| !must_wait(data, repo)).collect();
    renamed.iter().try_for_each(|repo| note(data, repo))?;
    // Names may be swapped in a cycle: each folder leaves its place before another takes it.
    for repo in &renamed {
        let is_wanted = renamed.iter().any(|other| other.id != repo.id && other.to == repo.from);
        let place = runs_dir(data, &repo.from);
        if is_wanted && is_folder(&place) {
            move_folder(&place, &aside(data, repo)).map_err(|source| failed(&place, source))?;
        }
    }
    for repo in renamed {
        let (from, to) = (runs_dir(data, &repo.from), runs_dir(data, &repo.to));
        let aside = aside(data, repo);
        if is_folder(&aside) {
            make_room(data, repo)?;
            move_folder(&aside, &to).map_err(|source| failed(&to, source))?;
        } else if is_folder(&from) {
            make_room(data, repo)?;
            if repo.has_unfinished {
                leave_link(&from, &to)?;
            } else {
                move_folder(&from, &to).map_err(|source| failed(&to, source))?;
            }
        }
    }
    Ok(())
}

/// Takes back the moves whose new names were not recorded: something failed, or quire was killed, in between.
///
/// # Errors
/// A folder could not be moved.
pub(crate) fn undo_unrecorded(data: &Path, recorded: &RecordedNames) -> Result<(), RepoError> {
    for (id, from, to) in noted(data)? {
        let (old, new) = (runs_dir(data, &from), runs_dir(data, &to));
        if recorded.get(&id) == Some(&from) && is_folder(&new) {
            if fs::read_link(&old).is_ok_and(|target| target == new) {
                leave_link_at(&new, &old)?;
                fs::remove_file(&new).map_err(|source| failed(&new, source))?;
            } else if fs::symlink_metadata(&old).is_err() {
                move_folder(&new, &old).map_err(|source| failed(&old, source))?;
            }
        }
        forget_move(data, &id)?;
    }
    Ok(())
}

/// Forgets the moves of repositories whose new names are recorded.
///
/// # Errors
/// A note could not be removed.
pub(crate) fn forget_moves(data: &Path) -> Result<(), RepoError> {
    noted(data)?.iter().try_for_each(|(id, ..)| forget_move(data, id))
}

fn note(data: &Path, repo: &Renamed) -> Result<(), RepoError> {
    if !is_folder(&runs_dir(data, &repo.from)) {
        return Ok(());
    }
    let place = note_of(data, &repo.id);
    symlink(format!("{}:{}", repo.from, repo.to), &place).map_err(|source| failed(&place, source))?;
    place.parent().map_or(Ok(()), sync)
}

/// The moves that are noted: id, old name and new name.
fn noted(data: &Path) -> Result<Vec<(String, RepoName, RepoName)>, RepoError> {
    let parse = |name: String| {
        let id = name.strip_prefix(MOVED)?.to_owned();
        let text = fs::read_link(note_of(data, &id)).ok()?;
        let (from, to) = text.to_str()?.split_once(':')?;
        Some((id, RepoName::parse(from).ok()?, RepoName::parse(to).ok()?))
    };
    Ok(names_in(&data.join("runs"))?.into_iter().filter_map(parse).collect())
}

fn note_of(data: &Path, id: &str) -> PathBuf {
    data.join("runs").join(format!("{MOVED}{id}"))
}

fn forget_move(data: &Path, id: &str) -> Result<(), RepoError> {
    let place = note_of(data, id);
    fs::remove_file(&place).map_err(|source| failed(&place, source))
}

/// Removes the links that no run needs any more; `unfinished` are the repositories with runs that have not ended.
///
/// # Errors
/// Something could not be read or removed.
pub(crate) fn remove_links(data: &Path, unfinished: &HashSet<RepoName>) -> Result<(), RepoError> {
    let needed: HashSet<PathBuf> = unfinished.iter().map(|name| runs_dir(data, name)).collect();
    let runs = data.join("runs");
    for name in names_in(&runs)? {
        let place = runs.join(&name);
        let inside =
            if name.ends_with(".git") || !is_folder(&place) { Vec::new() } else { names_in(&place)? };
        for path in inside.iter().map(|name| place.join(name)).chain([place.clone()]) {
            if fs::read_link(&path).is_ok_and(|target| !needed.contains(&target)) {
                fs::remove_file(&path).map_err(|source| failed(&path, source))?;
            }
        }
    }
    Ok(())
}

/// Whether the runs of this name belong to a repository that has been renamed since: no other repository can have the name.
pub(crate) fn is_link_to_runs(data: &Path, name: &RepoName) -> bool {
    runs_dir(data, name).is_symlink()
}

/// Whether a renamed repository has to wait for its new name: runs of another repository, which had it, have not ended.
fn must_wait(data: &Path, repo: &Renamed) -> bool {
    let leads_to = fs::read_link(runs_dir(data, &repo.to)).ok();
    leads_to.is_some_and(|target| target != runs_dir(data, &repo.from))
}

/// Where the runs of a repository are while names are swapped.
fn aside(data: &Path, repo: &Renamed) -> PathBuf {
    data.join("runs").join(format!(".renamed-{}", repo.id))
}

/// Clears the place that runs are moved to: links are removed, and the runs of an earlier repository go to the trash.
fn make_room(data: &Path, repo: &Renamed) -> Result<(), RepoError> {
    let to = runs_dir(data, &repo.to);
    make_folder(to.parent().unwrap_or(data))?;
    if to.is_symlink() {
        return fs::remove_file(&to).map_err(|source| failed(&to, source));
    }
    if to.exists() { put_folder_away(data, &repo.to, &to) } else { Ok(()) }
}

/// Moves a folder and leaves a link to its new place; at every moment one of the two exists.
fn leave_link(from: &Path, to: &Path) -> Result<(), RepoError> {
    symlink(to, to).map_err(|source| failed(to, source))?;
    leave_link_at(from, to)
}

/// Exchanges a folder and the link to its new place.
fn leave_link_at(from: &Path, to: &Path) -> Result<(), RepoError> {
    renameat_with(CWD, from, CWD, to, RenameFlags::EXCHANGE).map_err(|errno| failed(to, errno.into()))?;
    [from, to].into_iter().filter_map(Path::parent).try_for_each(sync)
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

fn failed(path: &Path, source: std::io::Error) -> RepoError {
    RepoError::Write { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::trash::list_trash;

    fn name(name: &str) -> RepoName {
        RepoName::parse(name).unwrap()
    }

    fn renamed(from: &str, to: &str, has_unfinished: bool) -> Renamed {
        Renamed { id: format!("id-{from}"), from: name(from), to: name(to), has_unfinished }
    }

    /// The runs of a repository, with its name in a file.
    fn make(data: &Path, repo: &str) {
        let run = runs_dir(data, &name(repo)).join("1");
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join("of"), repo).unwrap();
    }

    fn of(data: &Path, repo: &str) -> Option<String> {
        fs::read_to_string(runs_dir(data, &name(repo)).join("1/of")).ok()
    }

    #[test]
    fn runs_go_with_their_repository() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        make(data, "a");
        let recorded = RecordedNames::from([("id-a".to_owned(), name("a"))]);
        for _again in 0..2 {
            move_runs(data, &[renamed("a", "g/z", false)]).unwrap();
            assert_eq!((of(data, "a"), of(data, "g/z").as_deref()), (None, Some("a")));
            // The new name was not recorded.
            undo_unrecorded(data, &recorded).unwrap();
            assert_eq!((of(data, "a").as_deref(), of(data, "g/z")), (Some("a"), None));
        }
    }

    #[test]
    fn swapped_names_lose_nothing() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        ["a", "b", "c"].iter().for_each(|repo| make(data, repo));
        let round = ["ab", "bc", "ca"].map(|pair| renamed(&pair[..1], &pair[1..], false));
        move_runs(data, &round).unwrap();
        let now = ["a", "b", "c"].map(|repo| of(data, repo).unwrap());
        assert_eq!(now, ["c", "a", "b"]);
        forget_moves(data).unwrap();
        assert_eq!(names_in(&data.join("runs")).unwrap(), ["a.git", "b.git", "c.git"]);
    }

    #[test]
    fn the_old_name_leads_to_the_new_one_until_all_runs_have_ended() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        make(data, "a");
        let recorded = RecordedNames::from([("id-a".to_owned(), name("a"))]);
        move_runs(data, &[renamed("a", "z", true)]).unwrap();
        undo_unrecorded(data, &recorded).unwrap();
        assert!(of(data, "a").is_some() && of(data, "z").is_none() && !is_link_to_runs(data, &name("a")));
        move_runs(data, &[renamed("a", "z", true)]).unwrap();
        forget_moves(data).unwrap();
        undo_unrecorded(data, &recorded).unwrap();
        assert!(is_link_to_runs(data, &name("a")) && !is_link_to_runs(data, &name("z")));
        assert_eq!((of(data, "a"), of(data, "z")), (Some("a".into()), Some("a".into())));
        remove_links(data, &HashSet::from([name("z")])).unwrap();
        assert!(is_link_to_runs(data, &name("a")), "a run needs it");
        // And back again.
        forget_moves(data).unwrap();
        move_runs(data, &[Renamed { id: "id-a".into(), ..renamed("z", "a", true) }]).unwrap();
        assert!(is_link_to_runs(data, &name("z")) && !is_link_to_runs(data, &name("a")));
        remove_links(data, &HashSet::new()).unwrap();
        assert_eq!((of(data, "a").as_deref(), of(data, "z")), (Some("a"), None));
    }

    #[test]
    fn what_an_earlier_repository_left_goes_to_the_trash() {
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        ["a", "z"].iter().for_each(|repo| make(data, repo));
        move_runs(data, &[renamed("a", "z", false)]).unwrap();
        assert_eq!(of(data, "z").as_deref(), Some("a"));
        let entry = &list_trash(data).unwrap()[0];
        assert_eq!(fs::read_to_string(entry.path.join("runs/1/of")).unwrap(), "z");
    }
}
