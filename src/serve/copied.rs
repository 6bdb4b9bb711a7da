//! The first start in a copy of a data folder. What the original has still to do is the original's: were it done here as
//! well, a restore test would deploy a second time, and notify people of it.

use super::index;
use super::runner_limits::Verdict;
use super::settle::interrupt;
use crate::app::{AppState, Look, take_spool};
use crate::config::{Instance, Origin};
use crate::intake;
use crate::journal::RunRecord;
use crate::model::{Reason, chain, codes};
use crate::store::{self, RepoRow, RunRow};
use crate::sys::{FolderIdentity, clock};

/// Sets aside what a copy had still to do: updates of refs are recorded, runs that have not ended are interrupted without a
/// message, and messages that were not sent are given up. Pushes that were made here, before this first start, are the
/// copy's own: their runs stay queued. It does nothing in a folder that is not a copy.
///
/// # Errors
/// It could not be recorded; the next start tries again.
pub(super) async fn set_aside(app: &AppState, instance: &Instance) -> Result<(), String> {
    let Origin::Copied(original) = &instance.origin else { return Ok(()) };
    // Nobody listens to this queue: nothing is started.
    let (wake, _) = tokio::sync::mpsc::channel(1);
    let quiet = AppState { wake, ..app.clone() };
    let pushes = own_pushes(app).await?;
    take_spool(&quiet).await;
    for row in call(app, store::all_repos).await?.into_iter().filter(|row: &RepoRow| !row.is_watched()) {
        quiet.settle(row, Look::All).await.map_err(|error| error.to_string())?;
    }
    let reason = format!("it belongs to {}, of which this data folder is a copy", original.display());
    let reason = Reason::new(codes::INTERRUPTED, reason);
    let own_runs = app.store.call(move |connection| store::runs_of_pushes(connection, &pushes)).await;
    let own_runs = own_runs.map_err(|error| error.to_string())?.map_err(|error| chain(&error))?;
    let mut unfinished = call(app, store::unfinished_runs).await?;
    unfinished.retain(|row| !own_runs.contains(&row.id.to_string()));
    for row in &unfinished {
        end(app, row, &reason).await?;
    }
    let messages =
        app.store.call(move |connection| store::set_aside(connection, &reason, &own_runs, clock::now()));
    let messages = messages.await.map_err(|error| error.to_string())?.map_err(|error| chain(&error))?;
    let (own, folder) = (instance.clone(), app.data.path().to_owned());
    let recorded = tokio::task::spawn_blocking(move || own.set_own(&folder)).await;
    recorded.map_err(|error| error.to_string())?.map_err(|error| chain(&error))?;
    tracing::warn!(
        runs = unfinished.len(),
        messages,
        "this data folder is a copy of {}: runs that had not ended were interrupted here (quire rerun RUN runs one), messages \
         that had not been sent were given up (quire notify retry ID sends one); its watches and notifications are live",
        original.display()
    );
    Ok(())
}

/// The pushes that wait in the spool and were made in this folder.
async fn own_pushes(app: &AppState) -> Result<Vec<String>, String> {
    let data = app.data.clone();
    let read = tokio::task::spawn_blocking(move || {
        intake::own_pushes(&data.spool(), &FolderIdentity::read(data.path())?)
    });
    read.await
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("could not read the spool: {error}"))
}

async fn call<T: Send + 'static>(
    app: &AppState,
    read: fn(&rusqlite::Connection) -> rusqlite::Result<Vec<T>>,
) -> Result<Vec<T>, String> {
    let rows = app.store.call(move |connection| read(connection)).await;
    rows.map_err(|error| error.to_string())?.map_err(|error| chain(&error))
}

/// Writes the end of a run that has begun into the copy of its journal, and removes the copy of its workspace.
async fn end(app: &AppState, row: &RunRow, reason: &Reason) -> Result<(), String> {
    let (run_dir, reason) = (app.data.run(&row.repo, row.number), reason.clone());
    let ended = tokio::task::spawn_blocking(move || {
        let record = RunRecord::try_read(&run_dir).unwrap_or_else(|error| RunRecord::unreadable(&error));
        if record.started_at.is_some() && record.outcome.is_none() {
            interrupt(&run_dir, Verdict::interrupted(reason))?;
        }
        Ok::<RunRecord, String>(
            RunRecord::try_read(&run_dir).unwrap_or_else(|error| RunRecord::unreadable(&error)),
        )
    });
    let record = ended.await.map_err(|error| error.to_string())??;
    // One whose end was written and not indexed has that end.
    index::finished(app, row, &record, 0).await;
    app.live.close(row.id);
    Ok(())
}
