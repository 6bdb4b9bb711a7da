//! Runs as the HTTP interface answers them and `--json` prints them.

use super::problem::Problem;
use super::runs::read_runs;
use super::state::AppState;
use crate::model::Progress;
use crate::store::{self, RunFilter, RunRow};
use crate::view::{LogSizes, RunShape, RunView};

/// Runs of a list, and where the next page begins.
#[derive(Debug)]
pub(crate) struct RunPage {
    /// The runs, newest first, without their steps.
    pub(crate) runs: Vec<RunShape>,
    /// The row before which the next page begins; nothing on the last page.
    pub(crate) next: Option<i64>,
}

/// A run with its jobs and steps.
///
/// # Errors
/// When the database cannot be read. A journal that cannot be read is a problem in the shape.
pub(crate) async fn run_shape(app: &AppState, row: RunRow) -> Result<RunShape, Problem> {
    let of = row.clone();
    let reruns = app.store.read(move |connection| store::reruns_of(connection, &of)).await??;
    let (data, base) = (app.data.clone(), app.url.clone());
    let bare = RunView::without_record(row.clone(), base.as_deref());
    let read = app.read(move || {
        let sizes = LogSizes::read(&data.run(&row.repo, row.number));
        (RunView::load(&data, row, base.as_deref()), sizes)
    });
    let (view, sizes) = read.await.unwrap_or((bare, LogSizes::default()));
    Ok(RunShape::of(&view, &sizes, reruns))
}

/// Lists runs, newest first.
///
/// # Errors
/// When the repository does not exist, or the database cannot be read.
pub(crate) async fn list_run_shapes(app: &AppState, filter: RunFilter) -> Result<RunPage, Problem> {
    let limit = filter.limit;
    let one_more = RunFilter { limit: limit.saturating_add(1), ..filter };
    let base = app.url.clone();
    let (indexed, next) = read_runs(app, one_more, move |connection, mut rows| {
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map(|row| row.seq).filter(|_| has_more);
        let shape = |row: RunRow| {
            if row.state != Progress::Finished {
                return Ok(Err(row));
            }
            let (jobs, reruns) = (store::jobs_of(connection, &row)?, store::reruns_of(connection, &row)?);
            Ok(Ok(RunShape::in_list(&row, jobs, reruns, base.as_deref())))
        };
        let shapes = rows.into_iter().map(shape).collect::<Result<Vec<_>, rusqlite::Error>>();
        Ok((shapes?, next))
    })
    .await?;
    let mut runs = Vec::new();
    for shape in indexed {
        runs.push(match shape {
            Ok(shape) => shape,
            // The index may not know yet what the journal of an unfinished run says; there are few of them.
            Err(row) => run_shape(app, row).await?.without_steps(),
        });
    }
    Ok(RunPage { runs, next })
}
