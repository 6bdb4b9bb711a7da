//! Repositories: made, adopted, listed, removed, restored. These need no server: it sees what comes and goes.

use std::path::{Path, PathBuf};

use super::problem::{Code, Problem};
use super::state::AppState;
use crate::config::DataDir;
use crate::forge::{self, Adopted, Listed, RecordedNames, RepoError};
use crate::intake::sync_repositories;
use crate::model::{AuditAction, BranchName, RepoName};
use crate::store::{self, RepoRow};

/// A bare repository that is taken over as it is.
#[derive(Debug, Clone)]
pub(crate) enum AdoptRepo {
    /// The one of this name, below `repos/` already.
    InPlace(RepoName),
    /// The one at this path, which is moved there under this name.
    From(PathBuf, RepoName),
}

impl From<RepoError> for Problem {
    fn from(error: RepoError) -> Self {
        let code = match &error {
            RepoError::NotFound(_) | RepoError::Renamed { .. } | RepoError::NotInTrash { .. } => {
                Code::RepoNotFound
            }
            RepoError::NoBranch { .. } => Code::BranchNotFound,
            RepoError::Read { .. }
            | RepoError::Write { .. }
            | RepoError::Init { .. }
            | RepoError::Config { .. }
            | RepoError::Refs { .. }
            | RepoError::Damaged { .. }
            | RepoError::RelativeBinary { .. } => Code::RepoUnusable,
            RepoError::Exists(_) | RepoError::OfJobs(_) | RepoError::CaseCollision { .. } => Code::RepoExists,
            RepoError::Watched(_)
            | RepoError::Reserved { .. }
            | RepoError::Format { .. }
            | RepoError::OwnHooks { .. }
            | RepoError::OtherFileSystem { .. }
            | RepoError::NotBare { .. }
            | RepoError::Overridden { .. }
            | RepoError::PlaceBound { .. }
            | RepoError::Borrowed { .. }
            | RepoError::MissingObject { .. }
            | RepoError::SymbolicLink { .. }
            | RepoError::AlreadyAdopted(_) => Code::RepoRefused,
        };
        Self::caused_by(code, &error).with_hint(error.help())
    }
}

/// Makes an empty repository; its path. Blocking.
///
/// # Errors
/// When the name is taken or the data folder cannot be written.
pub(crate) fn new_repo(app: &AppState, name: &RepoName, binary: &Path) -> Result<PathBuf, Problem> {
    forge::install_hooks(app.data.path(), binary)?;
    forge::new_repo(app.data.path(), name)?;
    audit(app, AuditAction::RepoCreate, name);
    Ok(app.data.repo(name))
}

/// Makes an empty repository in a server, whose hooks are there.
///
/// # Errors
/// When the name is taken or the data folder cannot be written.
pub(crate) async fn create_repo(app: &AppState, name: &RepoName) -> Result<RepoRow, Problem> {
    let (data, new) = (app.data.clone(), name.clone());
    app.block(move || Ok(forge::new_repo(data.path(), &new)?)).await?;
    audit(app, AuditAction::RepoCreate, name);
    let made = app.repo(name.clone()).await?;
    made.ok_or_else(|| Problem::new(Code::RepoNotFound, format!("repository `{name}` was removed")))
}

/// Gives a repository another name in a server; what is recorded of it then. It is not in the audit yet.
///
/// # Errors
/// As [`rename_repo`].
pub(super) async fn rename_in_server(
    app: &AppState,
    repo: &RepoRow,
    to: RepoName,
) -> Result<RepoRow, Problem> {
    if repo.is_watched() {
        let text = format!("`{}` is the copy of a watched repository", repo.name);
        return Err(Problem::new(Code::RepoRefused, text).hint("add a watch with another name"));
    }
    expect_recordable(app).await?;
    let (data, from, name) = (app.data.clone(), repo.name.clone(), to.clone());
    app.block(move || Ok(forge::rename_repo(data.path(), &from, &name).map(drop)?)).await?;
    match app.repo(to.clone()).await {
        Ok(Some(row)) => Ok(row),
        Ok(None) => Err(Problem::new(Code::RepoNotFound, format!("repository `{to}` was removed"))),
        Err(problem) => Err(undo_rename(app, (&to, &repo.name), problem).await),
    }
}

/// Gives a repository its name back, because what belongs to the rename could not be recorded; the problem to be answered.
pub(super) async fn undo_rename(
    app: &AppState,
    (from, back): (&RepoName, &RepoName),
    problem: Problem,
) -> Problem {
    let (data, name, old) = (app.data.clone(), from.clone(), back.clone());
    let undone = app.block(move || Ok(forge::rename_repo(data.path(), &name, &old).map(drop)?)).await;
    match undone {
        Ok(()) => {
            // What cannot be recorded now is recorded with the next look at the repositories.
            let data = app.data.clone();
            let sync = app.store.call(move |connection| sync_repositories(connection, &data)).await;
            let _later = sync.map(|synced| synced.is_err());
            problem
        }
        Err(_) => problem.hint(format!("the repository is called `{from}` now")),
    }
}

/// Gives a repository another name; its new folder. A server moves its runs, now or when it starts. Blocking.
///
/// # Errors
/// When the repository does not exist, the name is taken, or the folder cannot be moved.
pub(crate) fn rename_repo(app: &AppState, from: &RepoName, to: &RepoName) -> Result<PathBuf, Problem> {
    let path = forge::rename_repo(app.data.path(), from, to)?;
    audit_rename(app, from, to);
    Ok(path)
}

/// Moves a repository and its runs to the trash, and its row out of all lists.
///
/// # Errors
/// When the repository does not exist, or cannot be moved.
pub(crate) async fn trash_repo(app: &AppState, repo: RepoRow) -> Result<(), Problem> {
    if repo.is_watched() {
        let text = format!("`{}` is the copy of a watched repository", repo.name);
        return Err(Problem::new(Code::RepoRefused, text).hint("quire watch rm removes the watch"));
    }
    expect_recordable(app).await?;
    let (data, name, id) = (app.data.clone(), repo.name.clone(), repo.id);
    let removed = name.clone();
    app.block(move || Ok(forge::remove_repo(data.path(), &removed).map(drop)?)).await?;
    audit(app, AuditAction::RepoDelete, &name);
    let forget = move |connection: &mut _| store::mark_absent(connection, &id);
    Ok(app.writer()?.call(forget).await??)
}

/// Checks that the database takes changes, before a folder is moved: what could not be recorded is not begun.
async fn expect_recordable(app: &AppState) -> Result<(), Problem> {
    Ok(app.writer()?.call(|connection| store::expect_writable(connection)).await??)
}

/// Takes a bare repository over; nothing that is in it already is run. Blocking.
///
/// # Errors
/// When quire cannot serve the repository, or the name is taken.
pub(crate) fn adopt_repo(
    app: &AppState,
    which: &AdoptRepo,
    binary: &Path,
) -> Result<(PathBuf, Adopted), Problem> {
    let data = app.data.path();
    forge::install_hooks(data, binary)?;
    let (name, adopted) = match which {
        AdoptRepo::From(path, name) => (name, forge::adopt_from(data, path, name)?),
        AdoptRepo::InPlace(name) => (name, forge::adopt_in_place(data, name, &recorded_names(&app.data))?),
    };
    audit(app, AuditAction::RepoAdopt, name);
    Ok((app.data.repo(name), adopted))
}

/// Lists repositories, by name. Blocking.
///
/// # Errors
/// When their folder cannot be read.
pub(crate) fn list_repos(app: &AppState) -> Result<Vec<Listed>, Problem> {
    Ok(forge::list_repos(app.data.path(), &recorded_names(&app.data))?)
}

/// Sets the default branch of a repository. Blocking.
///
/// # Errors
/// When the repository or the branch does not exist, or `HEAD` cannot be written.
pub(crate) fn set_default_branch(
    app: &AppState,
    name: &RepoName,
    branch: &BranchName,
) -> Result<(), Problem> {
    forge::set_default_branch(app.data.path(), name, branch)?;
    let entry = app.entry(AuditAction::RepoUpdate).on(name);
    app.audit(entry.with("default_branch", branch.as_str()));
    Ok(())
}

/// Moves a repository and its runs to the trash; where it is there. Blocking.
///
/// # Errors
/// When the repository does not exist, or cannot be moved.
pub(crate) fn remove_repo(app: &AppState, name: &RepoName) -> Result<PathBuf, Problem> {
    let removed = forge::remove_repo(app.data.path(), name)?;
    audit(app, AuditAction::RepoDelete, name);
    Ok(removed.path)
}

/// Brings a removed repository back; its path. Blocking.
///
/// # Errors
/// When none of this name was removed, or the name is taken.
pub(crate) fn restore_repo(app: &AppState, name: &RepoName) -> Result<PathBuf, Problem> {
    let restored = forge::restore_repo(app.data.path(), name)?;
    audit(app, AuditAction::RepoRestore, &restored.name);
    Ok(app.data.repo(&restored.name))
}

pub(super) fn audit_rename(app: &AppState, from: &RepoName, to: &RepoName) {
    app.audit(app.entry(AuditAction::RepoRename).on(from).with("name", to.as_str()));
}

fn audit(app: &AppState, action: AuditAction, name: &RepoName) {
    app.audit(app.entry(action).on(name));
}

/// The names that repositories were recorded under; none without a database.
pub(crate) fn recorded_names(data: &DataDir) -> RecordedNames {
    let database = store::open_read_only(&data.database()).ok();
    // A database that cannot be read is a problem of its own; the repositories are listed all the same.
    database.and_then(|database| store::recorded_names(&database).ok()).unwrap_or_default()
}
