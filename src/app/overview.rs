//! The repositories of a caller with the newest runs of their default branches: what the front page shows.

use super::caller::Caller;
use super::problem::Problem;
use super::run_shapes::run_shape;
use super::state::AppState;
use crate::forge;
use crate::model::{Progress, RefName, Scope};
use crate::store::{self, RepoRow, RepoSettings, RunFilter, RunRow};
use crate::view::RunShape;

/// How many repositories one look shows.
pub(crate) const MAX_OVERVIEW: usize = 200;

/// How many runs of a branch tell whether it is well.
pub(crate) const MAX_BARS: usize = 30;

/// How many unfinished runs one look shows.
const MAX_UNFINISHED: usize = 100;

/// A repository and how it is.
#[derive(Debug, Clone)]
pub(crate) struct RepoOverview {
    pub(crate) row: RepoRow,
    pub(crate) settings: RepoSettings,
    /// The short name of the default branch.
    pub(crate) branch: Option<String>,
    /// The newest runs of the default branch, newest first.
    pub(crate) runs: Vec<RunRow>,
    /// The newest run of any ref.
    pub(crate) newest: Option<RunRow>,
}

/// What the front page shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overview {
    pub(crate) repos: Vec<RepoOverview>,
    /// Whether there are more.
    pub(crate) has_more: bool,
    /// Runs that have not ended, of repositories that the caller may see in lists, newest first.
    pub(crate) unfinished: Vec<RunRow>,
}

/// The newest repositories that lists show to a caller and whose names contain a text.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn read_overview(app: &AppState, caller: &Caller, text: &str) -> Result<Overview, Problem> {
    let visible = caller.listed_repos(app, Scope::ReposRead).await?;
    let of_runs = caller.listed_repos(app, Scope::RunsRead).await?;
    let (data, text) = (app.data.clone(), text.to_ascii_lowercase());
    let read = app.store.read(move |connection| {
        let rows = store::list_repos(connection, visible.as_deref(), (None, usize::MAX))?;
        let is_meant = |row: &RepoRow| row.name.as_str().to_ascii_lowercase().contains(&text);
        let mut rows: Vec<RepoRow> = rows.into_iter().map(|(_, row)| row).filter(is_meant).collect();
        let has_more = rows.len() > MAX_OVERVIEW;
        rows.truncate(MAX_OVERVIEW);
        let mut repos = Vec::new();
        for row in rows {
            let shows_runs = of_runs.as_ref().is_none_or(|listed| listed.contains(&row.id));
            let branch = forge::head_branch(&data.git_dir(&row.name, row.is_watched()));
            let list = |ref_names: Vec<RefName>, limit: usize| {
                if !shows_runs {
                    return Ok(Vec::new());
                }
                let visible = Some(vec![row.id.clone()]);
                store::list_runs(connection, &RunFilter { visible, ref_names, limit, ..RunFilter::default() })
            };
            let runs =
                branch.clone().map(|branch| list(vec![branch], MAX_BARS)).transpose()?.unwrap_or_default();
            let newest = list(Vec::new(), 1)?.pop();
            let settings = store::repo_settings(connection, &row.id)?.unwrap_or_default();
            let branch = branch.map(|branch| branch.short());
            repos.push(RepoOverview { row, settings, branch, runs, newest });
        }
        Ok::<_, rusqlite::Error>(Overview { repos, has_more, unfinished: unfinished(connection, of_runs)? })
    });
    Ok(read.await??)
}

/// Runs that have not ended, of repositories that lists show to the caller, with their jobs.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn unfinished_run_shapes(
    app: &AppState,
    caller: &Caller,
) -> Result<Vec<(RunRow, RunShape)>, Problem> {
    let visible = caller.listed_repos(app, Scope::RunsRead).await?;
    let rows = app.store.read(move |connection| unfinished(connection, visible)).await??;
    let mut runs = Vec::new();
    for row in rows {
        let shape = run_shape(app, row.clone()).await?.without_steps();
        runs.push((row, shape));
    }
    Ok(runs)
}

/// Runs that have not ended, newest first.
fn unfinished(
    connection: &rusqlite::Connection,
    visible: Option<Vec<String>>,
) -> rusqlite::Result<Vec<RunRow>> {
    let mut runs = Vec::new();
    for state in [Progress::Running, Progress::Queued] {
        let filter = RunFilter {
            visible: visible.clone(),
            state: Some(state),
            limit: MAX_UNFINISHED,
            ..RunFilter::default()
        };
        runs.extend(store::list_runs(connection, &filter)?);
    }
    Ok(runs)
}
