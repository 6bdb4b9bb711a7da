//! Repositories as the HTTP interface answers them, and what is said about them.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;
use super::repositories::{audit_rename, rename_in_server, set_default_branch, undo_rename};
use super::run_shapes::list_run_shapes;
use super::state::AppState;
use crate::forge;
use crate::model::{AuditAction, BranchName, RepoName, Visibility};
use crate::store::{self, RepoRow, RepoSettings, RunFilter};
use crate::view::RunShape;

/// How many files of a repository are counted, at most.
const MAX_FILES: usize = 20_000;

/// A repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Repo)]
pub(crate) struct RepoShape {
    /// `name` or `group/name`.
    pub(crate) name: String,
    /// What it is, in a line.
    pub(crate) description: Option<String>,
    /// `public`, `unlisted` or `private`.
    pub(crate) visibility: String,
    /// The same for the logs of its runs.
    pub(crate) log_visibility: String,
    /// The branch that clones check out.
    pub(crate) default_branch: Option<String>,
    /// Where it is cloned from.
    pub(crate) clone: CloneShape,
    /// Its newest run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_run: Option<RunShape>,
    /// The size of its files.
    pub(crate) size_bytes: u64,
}

/// Where a repository is cloned from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Clone)]
pub(crate) struct CloneShape {
    /// Its folder, for who uses the machine that it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
}

/// What is to be said about a repository: what is absent stays as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct RepoUpdate {
    /// Its new name.
    pub(crate) name: Option<RepoName>,
    /// What it is; nothing when that is nothing.
    pub(crate) description: Option<Option<String>>,
    /// Who may see it.
    pub(crate) visibility: Option<Visibility>,
    /// Who may see the logs of its runs.
    pub(crate) log_visibility: Option<Visibility>,
    /// The branch that clones check out.
    pub(crate) default_branch: Option<BranchName>,
}

/// A repository as it is answered; `is_local` says whether to name its folder.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn repo_shape(
    app: &AppState,
    (row, settings): (RepoRow, RepoSettings),
    is_local: bool,
) -> Result<RepoShape, Problem> {
    let newest = RunFilter { visible: Some(vec![row.id.clone()]), ..RunFilter::newest(None, 1) };
    let last_run = list_run_shapes(app, newest).await?.runs.into_iter().next();
    let folder = app.data.git_dir(&row.name, row.is_watched());
    let path = folder.clone();
    let read = app.read(move || (forge::head_branch(&path).map(|branch| branch.short()), size_of(&path)));
    let (default_branch, size_bytes) = read.await.unwrap_or_default();
    Ok(RepoShape {
        name: row.name.to_string(),
        description: settings.description,
        visibility: settings.visibility.unwrap_or(app.visibility).as_str().to_owned(),
        log_visibility: settings.log_visibility.unwrap_or(app.visibility).as_str().to_owned(),
        default_branch,
        clone: CloneShape { path: is_local.then(|| folder.display().to_string()) },
        last_run,
        size_bytes,
    })
}

/// The size of the files below a folder, as far as they are counted. Links are not followed. Blocks.
pub(super) fn size_of(folder: &Path) -> u64 {
    let (mut waiting, mut files, mut size) = (vec![folder.to_owned()], 0, 0);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            files += 1;
            if files > MAX_FILES {
                return size;
            }
            if found.is_dir() {
                waiting.push(entry.path());
            } else if found.is_file() {
                size += found.len();
            }
        }
    }
    size
}

/// Lists repositories, newest first, and the row before which the next page begins.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn list_repo_shapes(
    app: &AppState,
    visible: Option<Vec<String>>,
    (before, limit): (Option<i64>, usize),
    is_local: bool,
) -> Result<(Vec<RepoShape>, Option<i64>), Problem> {
    let listed = app.store.read(move |connection| {
        let rows = store::list_repos(connection, visible.as_deref(), (before, limit.saturating_add(1)))?;
        let with_settings = |(place, row): (i64, RepoRow)| {
            store::repo_settings(connection, &row.id)
                .map(|settings| (place, row, settings.unwrap_or_default()))
        };
        rows.into_iter().map(with_settings).collect::<Result<Vec<_>, rusqlite::Error>>()
    });
    let mut listed = listed.await??;
    let has_more = listed.len() > limit;
    listed.truncate(limit);
    let next = listed.last().map(|(place, ..)| *place).filter(|_| has_more);
    let mut shapes = Vec::new();
    for (_, row, settings) in listed {
        shapes.push(repo_shape(app, (row, settings), is_local).await?);
    }
    Ok((shapes, next))
}

/// Changes a repository: all of what is asked for, or nothing.
///
/// # Errors
/// When the name is taken, the branch does not exist, or something cannot be written.
pub(crate) async fn update_repo(
    app: &AppState,
    (row, settings): (RepoRow, RepoSettings),
    update: RepoUpdate,
) -> Result<(RepoRow, RepoSettings), Problem> {
    let Some(name) = update.name.clone().filter(|name| *name != row.name) else {
        let settings = save_update(app, (&row, settings), update).await?;
        return Ok((row, settings));
    };
    if let Some(branch) = update.default_branch.clone() {
        let (data, of) = (app.data.clone(), row.name.clone());
        app.block(move || Ok(forge::find_branch(data.path(), &of, &branch).map(drop)?)).await?;
    }
    let renamed = rename_in_server(app, &row, name).await?;
    match save_update(app, (&renamed, settings), update).await {
        Ok(settings) => {
            audit_rename(app, &row.name, &renamed.name);
            Ok((renamed, settings))
        }
        Err(problem) => Err(undo_rename(app, (&renamed.name, &row.name), problem).await),
    }
}

/// Changes what is said about a repository.
async fn save_update(
    app: &AppState,
    (row, mut settings): (&RepoRow, RepoSettings),
    update: RepoUpdate,
) -> Result<RepoSettings, Problem> {
    if let Some(branch) = update.default_branch {
        let (app, name) = (app.clone(), row.name.clone());
        app.clone().block(move || set_default_branch(&app, &name, &branch)).await?;
    }
    let mut changes = Vec::new();
    changes.extend(update.description.as_ref().map(|text| ("description", text.clone())));
    let word = |name, visibility: Option<Visibility>| {
        visibility.map(|visibility| (name, Some(visibility.as_str().to_owned())))
    };
    changes.extend(word("visibility", update.visibility));
    changes.extend(word("log_visibility", update.log_visibility));
    if changes.is_empty() {
        return Ok(settings);
    }
    settings.description = update.description.unwrap_or(settings.description);
    settings.visibility = update.visibility.or(settings.visibility);
    settings.log_visibility = update.log_visibility.or(settings.log_visibility);
    let (id, saved) = (row.id.clone(), settings.clone());
    let entry =
        changes.into_iter().fold(app.entry(AuditAction::RepoUpdate).on(&row.name), |entry, (name, value)| {
            entry.with(name, value)
        });
    let save = move |connection: &mut rusqlite::Connection| {
        let transaction = connection.transaction()?;
        store::save_repo_settings(&transaction, &id, &saved)?;
        entry.insert(&transaction)?;
        transaction.commit()
    };
    app.writer()?.call(save).await??;
    Ok(settings)
}
