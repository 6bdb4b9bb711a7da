//! The newest runs of a branch with the times of their steps.

use super::problem::Problem;
use super::state::AppState;
use crate::forge;
use crate::model::RefName;
use crate::store::{self, RepoRow, RunFilter};

/// How long a step of a run took.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepTime {
    pub(crate) run: u64,
    pub(crate) job: String,
    pub(crate) number: u32,
    pub(crate) title: String,
    pub(crate) seconds: f64,
}

/// The default branch of a repository.
pub(crate) async fn default_branch(app: &AppState, row: &RepoRow) -> Option<RefName> {
    let folder = app.data.git_dir(&row.name, row.is_watched());
    app.read(move || forge::head_branch(&folder)).await.flatten()
}

/// The times of the steps of runs, of which the filter says which.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn step_times(app: &AppState, filter: RunFilter) -> Result<Vec<StepTime>, Problem> {
    let read = app.store.read(move |connection| {
        let mut times = Vec::new();
        for row in store::list_runs(connection, &filter)? {
            for (job, number, title, seconds) in store::step_times(connection, &row)? {
                times.push(StepTime { run: row.number, job, number, title, seconds });
            }
        }
        Ok::<_, rusqlite::Error>(times)
    });
    Ok(read.await??)
}
