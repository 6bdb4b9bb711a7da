//! The events of a run as a command follows them: from the files of the run, with any server and without one.

use std::path::PathBuf;
use std::time::Duration;

use crate::app::run_changes::RunChanges;
use crate::app::{AppState, Code, Problem, find_run};
use crate::journal::{LOG_FOLDER, RunRecord};
use crate::model::Progress;
use crate::store::RunRow;
use crate::view::{RunEvent, RunEvents};

/// How long one wait for something new takes, before whoever leads the run is looked for again.
const LOOK: Duration = Duration::from_secs(5);

/// Gives the events of a run to `take` as they come, until the last one or until `take` fails. Returns the row of
/// the run at its end.
///
/// # Errors
/// The events cannot be read, or nobody leads the run any more.
pub async fn follow_job(
    app: &AppState,
    row: RunRow,
    mut take: impl FnMut(&RunEvent) -> std::io::Result<()>,
) -> Result<RunRow, Problem> {
    let run_dir = app.data.run(&row.repo, row.number);
    let changes = RunChanges::of(app, &row)?;
    let mut events = RunEvents::new(&row, &run_dir, 0);
    let (id, mut was_led) = (row.id.to_string(), true);
    let mut of_journal = None;
    loop {
        // Watched first, then read: what comes in between wakes again.
        let decider = changes.watch(app, &row, log_folders(&run_dir))?;
        let now = find_run(app, &id).await?;
        let now = of_journal.clone().filter(|_| now.state != Progress::Finished).unwrap_or(now);
        let ended = Some(&now).filter(|row| row.state == Progress::Finished);
        let batch = events.read(ended).map_err(|error| Problem::caused_by(Code::RunUnreadable, &error))?;
        for event in &batch.events {
            if take(event).is_err() || event.is_last {
                return Ok(now);
            }
        }
        if !batch.is_drained {
            continue;
        }
        if ended.is_some() {
            return Ok(now);
        }
        if !decider.is_there && !was_led {
            if of_journal.is_none() {
                of_journal = ended_row(now, &run_dir);
                if of_journal.is_some() {
                    continue;
                }
            }
            let text = format!("nobody leads {}#{} any more", row.repo, row.number);
            return Err(Problem::new(Code::RunSilent, text).hint("quire serve settles it"));
        }
        // Whoever leads it may just have ended, and its end is being written.
        was_led = decider.is_there;
        let changed = tokio::time::timeout(LOOK, changes.next(&decider));
        if let Ok(changed) = changed.await {
            was_led = true;
            changed?;
        }
    }
}

/// The row of a run whose journal has an end that nobody has written into the database yet.
fn ended_row(row: RunRow, run_dir: &std::path::Path) -> Option<RunRow> {
    let record = RunRecord::try_read(run_dir).ok()?;
    let outcome = Some(record.outcome?);
    let state = Progress::Finished;
    let (reason, finished_at) = (record.reason, record.finished_at);
    Some(RunRow { state, outcome, reason, started_at: record.started_at, finished_at, ..row })
}

/// The folders in which the logs of a run grow.
fn log_folders(run_dir: &std::path::Path) -> Vec<PathBuf> {
    let logs = run_dir.join(LOG_FOLDER);
    let below = std::fs::read_dir(&logs).into_iter().flatten().flatten().map(|entry| entry.path());
    let below: Vec<PathBuf> = below.collect();
    [logs].into_iter().chain(below).collect()
}
