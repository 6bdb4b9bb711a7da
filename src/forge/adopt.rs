//! Adopts a bare repository that quire did not create.
//!
//! Everything is checked before anything is changed. The refs of the repository are recorded, so that
//! nothing that was pushed before starts a run.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::model::{CommitId, RepoName, chain};

use super::baseline;
use super::copies::RecordedNames;
use super::default_branch::follow_first_push;
use super::durable::{self, make_folder, move_folder};
use super::identity::{Identity, read_identity};
use super::layout::{check_new, check_not_reserved, find, hooks_dir, repo_dir, repos_dir};
use super::list::{Problem, list_repos};
use super::old_names::free_place;
use super::place_bound::{Borrowed, alternates, borrows_from, place_bound};
use super::refs::Refs;
use super::repo_error::RepoError;
use super::settings::{self, HOOKS_PATH, apply_settings};

/// The result of an adoption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Adopted {
    /// The new identity of the repository.
    pub(crate) identity: Identity,
    /// How many refs it has that do not start a run.
    pub(crate) refs: usize,
    /// Warnings for the operator, one line each.
    pub(crate) warnings: Vec<String>,
}

/// Adopts a repository that is already in its place below `repos/`. A copy of another becomes a repository of its own.
///
/// # Errors
/// Why it cannot be adopted; [`RepoError::AlreadyAdopted`] when nothing needs to be done.
pub(crate) fn adopt_in_place(
    data: &Path,
    name: &RepoName,
    recorded: &RecordedNames,
) -> Result<Adopted, RepoError> {
    let repo = find(data, name)?;
    if read_identity(&repo)?.is_some() {
        let listed = list_repos(data, recorded)?;
        let is_copy = |problem: &Problem| matches!(problem, Problem::Copy(_));
        if !listed.iter().any(|repo| repo.name == *name && repo.problems.iter().any(is_copy)) {
            return Err(RepoError::AlreadyAdopted(name.clone()));
        }
    }
    check_not_reserved(name)?;
    let warnings = check(data, &repo)?;
    take_in(data, &repo, warnings)
}

/// Moves a repository from elsewhere on the same file system to its place below `repos/` and adopts it.
///
/// # Errors
/// Why it cannot be adopted; then the repository is in its old place.
pub(crate) fn adopt_from(data: &Path, path: &Path, name: &RepoName) -> Result<Adopted, RepoError> {
    let read = |source| RepoError::Read { path: path.to_owned(), source };
    let path = &fs::canonicalize(path).map_err(read)?;
    check_new(data, name)?;
    if read_identity(path)?.is_some() {
        return Err(RepoError::AlreadyAdopted(name.clone()));
    }
    let warnings = check(data, path)?;
    if let Some(bound) = place_bound(path)? {
        return Err(RepoError::PlaceBound { path: path.to_owned(), bound });
    }
    check_not_borrowed(data, name, path)?;
    let repos = repos_dir(data);
    make_folder(&repos)?;
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).map_err(read);
    if device(path)? != device(&repos)? {
        return Err(RepoError::OtherFileSystem { path: path.to_owned(), repos });
    }
    let place = repo_dir(data, name);
    make_folder(place.parent().unwrap_or(data))?;
    free_place(data, name)?;
    move_folder(path, &place).map_err(|source| {
        if source.kind() == std::io::ErrorKind::CrossesDevices {
            RepoError::OtherFileSystem { path: path.to_owned(), repos }
        } else {
            RepoError::Write { path: place.clone(), source }
        }
    })?;
    // A repository that does not open in its new place is moved back before anything in it was changed.
    check_objects(&place).and_then(|()| take_in(data, &place, warnings)).inspect_err(|_| {
        // The first error is the one to report; the repository is complete in either place.
        drop(fs::remove_file(place.join(baseline::FILE)));
        drop(move_folder(&place, path));
    })
}

/// Applies the settings and records the existing refs; the identity is written last, because it completes the adoption.
/// When that fails, the configuration is what it was.
fn take_in(data: &Path, repo: &Path, mut warnings: Vec<String>) -> Result<Adopted, RepoError> {
    let config = repo.join("config");
    let before = fs::read(&config).map_err(|source| RepoError::Read { path: config.clone(), source })?;
    let record = || {
        apply_settings(data, repo)?;
        let refs = baseline::write_baseline(repo)?;
        let identity = Identity { baseline: Some(baseline::FILE.to_owned()), ..Identity::fresh() };
        identity.write(repo)?;
        Ok((identity, refs))
    };
    // The first error is the one to report.
    let (identity, refs) = record().inspect_err(|_| drop(durable::write(&config, &before)))?;
    match follow_first_push(repo, &[]) {
        Ok(Some(branch)) => {
            warnings.push(format!(
                "`HEAD` named a missing branch; the default branch is now `{}`",
                branch.short()
            ));
        }
        Ok(None) => {}
        // The repository is adopted, and listing it names the problem.
        Err(error) => warnings.push(chain(&error)),
    }
    Ok(Adopted { identity, refs, warnings })
}

/// Checks that a folder is a bare repository that quire can host; returns warnings for the operator.
fn check(data: &Path, repo: &Path) -> Result<Vec<String>, RepoError> {
    check_bare(repo)?;
    check_format(repo)?;
    check_hooks(data, repo)?;
    check_objects(repo)?;
    let borrowed = |from: &Borrowed| format!("the repository borrows objects from {}", from.path.display());
    let mut warnings: Vec<String> = alternates(repo)?.iter().map(borrowed).collect();
    if fs::read_dir(repo.join("worktrees")).is_ok_and(|mut entries| entries.next().is_some()) {
        warnings.push("the repository has linked worktrees: git refuses pushes to their branches".to_owned());
    }
    Ok(warnings)
}

/// Checks that a folder is a bare repository, not a main or linked working tree.
fn check_bare(repo: &Path) -> Result<(), RepoError> {
    let not_bare = |reason| Err(RepoError::NotBare { path: repo.to_owned(), reason });
    if fs::symlink_metadata(repo.join(".git")).is_ok() {
        return not_bare("it has a working tree");
    }
    if fs::symlink_metadata(repo.join("commondir")).is_ok() {
        return not_bare("it belongs to a linked worktree");
    }
    if !(repo.join("HEAD").is_file() && repo.join("objects").is_dir() && repo.join("config").is_file()) {
        return not_bare("no HEAD, no objects or no config");
    }
    let config = settings::open(repo)?;
    match config.get_bool("core.bare") {
        Ok(true) => Ok(()),
        Ok(false) => not_bare("core.bare is false"),
        // Without a value git guesses; only a folder called `.git` is not taken for a bare repository.
        Err(_) if repo.file_name().is_some_and(|name| name != ".git") => Ok(()),
        Err(_) => not_bare("it is the folder of a working tree"),
    }
}

/// Checks that objects and refs are stored in a format that libgit2 can read.
pub(super) fn check_format(repo: &Path) -> Result<(), RepoError> {
    let config = settings::open(repo)?;
    for (key, what, known) in
        [("extensions.objectformat", "objects", "sha1"), ("extensions.refstorage", "refs", "files")]
    {
        let found = config.get_string(key).unwrap_or_else(|_| known.to_owned());
        if !found.eq_ignore_ascii_case(known) {
            return Err(RepoError::Format { path: repo.to_owned(), what, found });
        }
    }
    match git2::Repository::open_bare(repo) {
        Ok(_) => Ok(()),
        Err(source) => Err(RepoError::Config { path: repo.to_owned(), source }),
    }
}

/// Checks that the objects of all refs exist, as libgit2 finds them.
fn check_objects(repo: &Path) -> Result<(), RepoError> {
    let config = |source| RepoError::Config { path: repo.to_owned(), source };
    let git = git2::Repository::open_bare(repo).map_err(config)?;
    let odb = git.odb().map_err(config)?;
    let refs = Refs::of(repo).all().map_err(|source| RepoError::Refs { path: repo.to_owned(), source })?;
    let is_missing = |id: CommitId| !git2::Oid::from_bytes(id.as_bytes()).is_ok_and(|oid| odb.exists(oid));
    match refs.direct.into_iter().find(|(_, id)| is_missing(*id)) {
        Some((name, _)) => Err(RepoError::MissingObject { path: repo.to_owned(), name }),
        None => Ok(()),
    }
}

/// Checks that no hosted repository borrows objects from the folder of this one.
pub(super) fn check_not_borrowed(data: &Path, name: &RepoName, folder: &Path) -> Result<(), RepoError> {
    let mut borrowers = Vec::new();
    for other in list_repos(data, &RecordedNames::new())? {
        if other.name != *name && borrows_from(&other.path, folder)? {
            borrowers.push(other.name);
        }
    }
    if borrowers.is_empty() { Ok(()) } else { Err(RepoError::Borrowed { name: name.clone(), borrowers }) }
}

/// Checks that no existing hook would silently stop working.
fn check_hooks(data: &Path, repo: &Path) -> Result<(), RepoError> {
    let mut hooks = Vec::new();
    let ours = std::path::absolute(hooks_dir(data)).unwrap_or_default();
    let elsewhere = settings::open(repo)?.get_string(HOOKS_PATH).ok();
    if let Some(path) = elsewhere.filter(|path| Path::new(path) != ours) {
        hooks.push(format!("{HOOKS_PATH} = {path}"));
    }
    for entry in fs::read_dir(repo.join("hooks")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // Links count as well: git follows them.
        let runs = fs::metadata(entry.path())
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
        if runs && !name.ends_with(".sample") {
            hooks.push(format!("hooks/{name}"));
        }
    }
    hooks.sort();
    if hooks.is_empty() { Ok(()) } else { Err(RepoError::OwnHooks { path: repo.to_owned(), hooks }) }
}
