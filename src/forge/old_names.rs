//! The names that repositories had before they were renamed: `repos/OLD.git` is a link to the repository, for git.
//!
//! Only a relative link that leads from one place of a repository to another counts; any other link below `repos/` is
//! never followed. A name with such a link is free: a new repository takes the place of the link.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::model::RepoName;

use super::durable::{move_folder, sync};
use super::layout::{names_in, repo_dir, repos_dir};
use super::repo_error::RepoError;

/// How many links are followed from one name.
const MAX_LINKS: usize = 32;

/// The name that a renamed repository has now; `None` when this is not an old name of an existing repository.
pub(crate) fn current_name(data: &Path, old: &RepoName) -> Option<RepoName> {
    let mut name = next_name(data, old)?;
    for _ in 0..MAX_LINKS {
        match next_name(data, &name) {
            Some(next) => name = next,
            None => break,
        }
    }
    let place = repo_dir(data, &name);
    let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    (place.parent().is_some_and(is_folder) && is_folder(&place)).then_some(name)
}

/// Whether a name is a link to the place of a repository, which may be gone.
pub(super) fn is_old_name(data: &Path, name: &RepoName) -> bool {
    next_name(data, name).is_some()
}

/// Moves a repository and leaves a link at its old name; at every moment one of the two exists.
pub(super) fn leave_old_name(data: &Path, from: &RepoName, to: &RepoName) -> Result<(), RepoError> {
    let (old, new) = (repo_dir(data, from), repo_dir(data, to));
    let failed = |source| RepoError::Write { path: new.clone(), source };
    let taken = |error: io::Error| match error.kind() == io::ErrorKind::AlreadyExists {
        true => RepoError::Exists(to.clone()),
        false => failed(error),
    };
    let link = link_text(from, to);
    symlink(&link, &new).map_err(taken)?;
    let exchange = || renameat_with(CWD, &old, CWD, &new, RenameFlags::EXCHANGE);
    if let Err(errno) = exchange() {
        fs::remove_file(&new).map_err(failed)?;
        // For file systems that cannot exchange.
        if !matches!(errno, rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) {
            return Err(failed(errno.into()));
        }
        move_folder(&old, &new).map_err(taken)?;
        symlink(&link, &old).map_err(failed)?;
    } else if fs::read_link(&old).ok().as_deref() != Some(&link) {
        // Another repository was made there in the meantime.
        exchange().map_err(|errno| failed(errno.into()))?;
        return Err(RepoError::Exists(to.clone()));
    }
    [&old, &new].into_iter().filter_map(|path| path.parent()).try_for_each(sync)?;
    // It is renamed by now. Older names lead to it over this one as well, and directly after the next rename.
    let _later = old_names_of(data, to).and_then(|names| lead_to(data, &names, to)).is_err();
    Ok(())
}

/// Removes the link at a name that another repository takes, if there is one. Older names of the renamed repository lead
/// there without it.
pub(super) fn free_place(data: &Path, name: &RepoName) -> Result<(), RepoError> {
    let current = current_name(data, name);
    let is_through = |old: &RepoName| next_name(data, old).as_ref() == Some(name);
    let through: Vec<_> = all(data)?.into_iter().filter(is_through).collect();
    match current.filter(|current| current != name) {
        Some(current) => lead_to(data, &through, &current)?,
        None => remove(data, &through)?,
    }
    if is_old_name(data, name) { remove_link(&repo_dir(data, name)) } else { Ok(()) }
}

/// Has the old names of a repository that was renamed by hand lead to it again.
///
/// # Errors
/// A link could not be replaced.
pub(crate) fn follow_rename(data: &Path, from: &RepoName, to: &RepoName) -> Result<(), RepoError> {
    if fs::symlink_metadata(repo_dir(data, from)).is_ok() {
        return Ok(());
    }
    let through = all(data)?.into_iter().filter(|old| next_name(data, old).as_ref() == Some(from));
    lead_to(data, &through.collect::<Vec<_>>(), to)
}

/// The old names of a repository.
pub(super) fn old_names_of(data: &Path, name: &RepoName) -> Result<Vec<RepoName>, RepoError> {
    Ok(all(data)?.into_iter().filter(|old| current_name(data, old).as_ref() == Some(name)).collect())
}

/// Removes old names.
pub(super) fn remove(data: &Path, names: &[RepoName]) -> Result<(), RepoError> {
    for name in names {
        let link = repo_dir(data, name);
        remove_link(&link)?;
        remove_empty_group(name, &link);
    }
    Ok(())
}

/// Removes the folder of the group of a repository that is gone, if it is empty; the system refuses to remove any other.
pub(super) fn remove_empty_group(name: &RepoName, place: &Path) {
    if name.as_str().contains('/') {
        drop(place.parent().map(fs::remove_dir));
    }
}

/// Has old names lead to a repository directly.
fn lead_to(data: &Path, names: &[RepoName], to: &RepoName) -> Result<(), RepoError> {
    for name in names.iter().filter(|name| next_name(data, name).as_ref() != Some(to)) {
        let fresh = data.join(format!(".link-{}", name.as_str().replace('/', "+")));
        let link = repo_dir(data, name);
        let failed = |source| RepoError::Write { path: link.clone(), source };
        // What an interrupted change has left.
        drop(fs::remove_file(&fresh));
        symlink(link_text(name, to), &fresh).and_then(|()| fs::rename(&fresh, &link)).map_err(failed)?;
    }
    Ok(())
}

fn remove_link(link: &Path) -> Result<(), RepoError> {
    match fs::remove_file(link) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| RepoError::Write { path: link.to_owned(), source }),
    }
}

/// All names that are links to a place of a repository.
fn all(data: &Path) -> Result<Vec<RepoName>, RepoError> {
    let root = repos_dir(data);
    let mut names = Vec::new();
    for entry in names_in(&root)? {
        let is_group = !entry.ends_with(".git")
            && fs::symlink_metadata(root.join(&entry)).is_ok_and(|found| found.is_dir());
        if is_group {
            let inside = names_in(&root.join(&entry))?;
            names.extend(
                inside.iter().filter_map(|inside| RepoName::parse(&format!("{entry}/{inside}")).ok()),
            );
        } else {
            names.extend(RepoName::parse(&entry));
        }
    }
    names.retain(|name| is_old_name(data, name));
    Ok(names)
}

/// The text of a link from the place of one repository to that of another.
fn link_text(from: &RepoName, to: &RepoName) -> PathBuf {
    let up = if from.as_str().contains('/') { ".." } else { "" };
    Path::new(up).join(to.folder())
}

/// The name that a link at this name leads to.
fn next_name(data: &Path, name: &RepoName) -> Option<RepoName> {
    let group = repo_dir(data, name).parent()?.to_owned();
    // The folder of a group must not be a link itself.
    if fs::symlink_metadata(&group).ok()?.is_symlink() {
        return None;
    }
    let text = fs::read_link(repo_dir(data, name)).ok()?;
    let below = if name.as_str().contains('/') { text.strip_prefix("..").ok()? } else { &text };
    let next = RepoName::parse(below.to_str()?).ok()?;
    (link_text(name, &next) == text).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::{
        RecordedNames, RepoError, adopt_from, find, list_repos, new_repo, read_identity, remove_repo,
        rename_repo, restore_repo,
    };

    fn name(name: &str) -> RepoName {
        RepoName::parse(name).unwrap()
    }

    /// A data folder with a repository `a`, and its id.
    fn data() -> (tempfile::TempDir, String) {
        let data = tempfile::tempdir().unwrap();
        new_repo(data.path(), &name("a")).unwrap();
        let id = id(data.path(), "a").unwrap();
        (data, id)
    }

    /// The id of the repository that git finds by a name.
    fn id(data: &Path, repo: &str) -> Option<String> {
        Some(read_identity(&repo_dir(data, &name(repo))).ok()??.id.to_string())
    }

    fn rename(data: &Path, from: &str, to: &str) {
        rename_repo(data, &name(from), &name(to)).unwrap();
    }

    fn listed(data: &Path) -> Vec<(String, usize)> {
        let listed = list_repos(data, &RecordedNames::new()).unwrap();
        listed.into_iter().map(|repo| (repo.name.to_string(), repo.problems.len())).collect()
    }

    #[test]
    fn all_old_names_lead_to_the_repository_and_are_no_repositories() {
        let (data, first) = data();
        let data = data.path();
        for (from, to) in [("a", "b"), ("b", "g/c"), ("g/c", "g/d"), ("g/d", "h/e"), ("h/e", "f")] {
            rename(data, from, to);
        }
        for old in ["a", "b", "g/c", "g/d", "h/e"] {
            assert_eq!(id(data, old).as_ref(), Some(&first), "{old}");
            assert_eq!(current_name(data, &name(old)), Some(name("f")), "{old}");
            assert_eq!(next_name(data, &name(old)), Some(name("f")), "{old}");
            assert!(matches!(find(data, &name(old)), Err(RepoError::Renamed { to, .. }) if to == name("f")));
            assert!(
                remove_repo(data, &name(old)).is_err() && rename_repo(data, &name(old), &name("x")).is_err()
            );
        }
        assert_eq!(listed(data), [("f".to_owned(), 0)]);
        rename(data, "f", "a");
        assert_eq!(
            (id(data, "a").as_ref(), current_name(data, &name("g/d"))),
            (Some(&first), Some(name("a")))
        );
        assert!(current_name(data, &name("a")).is_none() && id(data, "f").as_ref() == Some(&first));
        remove_repo(data, &name("a")).unwrap();
        assert_eq!(names_in(&repos_dir(data)).unwrap(), [""; 0], "neither links nor groups");
    }

    #[test]
    fn a_repository_takes_the_place_of_a_link_and_older_names_keep_theirs() {
        let (data, first) = data();
        let data = data.path();
        rename(data, "a", "b");
        rename(data, "b", "c");
        new_repo(data, &name("b")).unwrap();
        assert_ne!(id(data, "b").as_ref(), Some(&first));
        assert_eq!(id(data, "a").as_ref(), Some(&first), "it leads past the new repository");
        remove_repo(data, &name("b")).unwrap();
        rename(data, "c", "b");
        rename(data, "b", "d");
        restore_repo(data, &name("b")).unwrap();
        assert_ne!(id(data, "b").as_ref(), Some(&first));
        new_repo(data, &name("g/moved")).unwrap();
        rename(data, "g/moved", "a");
        assert!(id(data, "a").as_ref() != Some(&first) && id(data, "g/moved") == id(data, "a"));
        let elsewhere = data.join("elsewhere.git");
        fs::rename(repo_dir(data, &name("b")), &elsewhere).unwrap();
        fs::remove_file(elsewhere.join("quire.json")).unwrap();
        adopt_from(data, &elsewhere, &name("c")).unwrap();
        assert!(id(data, "c").is_some() && id(data, "c").as_ref() != Some(&first));
        assert_eq!(listed(data).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "c", "d"]);
    }

    #[test]
    fn a_rename_by_hand_takes_the_old_names_along() {
        let (data, first) = data();
        let data = data.path();
        rename(data, "a", "b");
        fs::rename(repo_dir(data, &name("b")), repo_dir(data, &name("z"))).unwrap();
        assert_eq!((id(data, "a"), current_name(data, &name("a"))), (None, None));
        assert!(matches!(find(data, &name("a")), Err(RepoError::NotFound(_))));
        follow_rename(data, &name("b"), &name("z")).unwrap();
        assert_eq!(id(data, "a").as_ref(), Some(&first));
        // Names that lead nowhere are free, and do not lead to who comes later.
        fs::remove_dir_all(repo_dir(data, &name("z"))).unwrap();
        new_repo(data, &name("z")).unwrap();
        assert_eq!((id(data, "a"), listed(data).len()), (None, 1));
    }

    #[test]
    fn no_other_link_is_an_old_name() {
        let (data, _) = data();
        let data = data.path();
        new_repo(data, &name("g/b")).unwrap();
        fs::create_dir_all(data.join("out/x.git")).unwrap();
        symlink("../out", repos_dir(data).join("group")).unwrap();
        let absolute = repo_dir(data, &name("a"));
        for (at, text) in [
            ("l", absolute.to_str().unwrap()),
            ("l", "../out/x.git"),
            ("l", "./a.git"),
            ("l", "g/../a.git"),
            ("l", "a"),
            ("l", "group/x.git/."),
            ("g/l", "a.git"),
            ("g/l", "../../out/x.git"),
            ("g/l", "/etc"),
        ] {
            let link = repo_dir(data, &name(at));
            symlink(text, &link).unwrap();
            assert!(!is_old_name(data, &name(at)) && current_name(data, &name(at)).is_none(), "{text}");
            assert!(matches!(new_repo(data, &name(at)), Err(RepoError::SymbolicLink { .. })), "{text}");
            fs::remove_file(link).unwrap();
        }
        // The folder of a group that is a link is not followed either.
        symlink("group/x.git", repo_dir(data, &name("l"))).unwrap();
        assert_eq!(current_name(data, &name("l")), None);
        assert!(!is_old_name(data, &name("group/x")));
        // Links in a circle end.
        symlink("n.git", repo_dir(data, &name("m"))).unwrap();
        symlink("m.git", repo_dir(data, &name("n"))).unwrap();
        assert_eq!(current_name(data, &name("m")), None);
        new_repo(data, &name("m")).unwrap();
    }
}
