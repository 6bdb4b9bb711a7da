//! The end of a run whose runner is gone: nothing of it is left, its journal has an end, and the index says so.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::backoff::Backoff;
use super::index;
use super::runner_limits::Verdict;
use crate::app::AppState;
use crate::container::{Engine, forget};
use crate::executor::{Workspace, sweep_children, sweep_run};
use crate::journal::{Fact, JournalReadError, JournalSink as _, JournalWriter, RunRecord};
use crate::model::{Reason, RunMark, chain, codes};
use crate::secret::Redactor;
use crate::store::RunRow;
use crate::sys::process;

/// How often the end is tried to be written into a journal. After that it is in the index only.
const MAX_ATTEMPTS: u32 = 8;

/// Ends a run by `verdict` whose journal has a green end, and whose runner was killed: nothing of it is left, as of any
/// other that was interrupted. Does not index it.
pub(super) async fn overrule(app: &AppState, row: &RunRow, run_dir: &Path, verdict: Verdict) -> RunRecord {
    let mark = RunMark { instance: app.instance, run: row.id };
    let (folder, ending, environment) = (run_dir.to_owned(), verdict.clone(), Arc::clone(&app.environment));
    let overruled = tokio::task::spawn_blocking(move || {
        let read = RunRecord::try_read(&folder);
        clear_away(mark, &folder, ending, read, &environment)
    });
    overruled.await.map_err(|error| error.to_string()).flatten().unwrap_or_else(|problem| {
        tracing::error!(problem, run = %row.id, "could not write the end of a run");
        RunRecord::without_journal(verdict.outcome, verdict.reason)
    })
}

/// Removes what is left of a run that has an end, and whose runner was killed at it.
pub(super) async fn clear(app: &AppState, row: &RunRow, run_dir: &Path) {
    let mark = RunMark { instance: app.instance, run: row.id };
    let (folder, environment) = (run_dir.to_owned(), Arc::clone(&app.environment));
    let cleared = tokio::task::spawn_blocking(move || remove_rest(mark, &folder, &environment));
    if let Err(error) = cleared.await {
        tracing::error!(%error, run = %row.id, "something of a run may be left");
    }
}

/// Settles a run whose runner is gone: without an end in its journal it ends by `verdict`, or as interrupted. A run that
/// cannot be settled is tried again, and takes no other along.
pub(super) async fn settle(
    app: &AppState,
    row: &RunRow,
    run_dir: &Path,
    verdict: Option<Verdict>,
) -> RunRecord {
    let (mut backoff, mut trouble) = (Backoff::of_runs(), None);
    let verdict = verdict.unwrap_or_else(Verdict::runner_gone);
    let mut attempt = 1;
    let record = loop {
        let mark = RunMark { instance: app.instance, run: row.id };
        let (folder, ending) = (run_dir.to_owned(), verdict.clone());
        let environment = Arc::clone(&app.environment);
        let tried = tokio::task::spawn_blocking(move || end(mark, &folder, ending, &environment)).await;
        let problem = match tried {
            Ok(Ok(record)) => break record,
            Ok(Err(problem)) => problem,
            Err(error) => error.to_string(),
        };
        tracing::error!(problem, run = %row.id, "could not write the end of a run");
        if attempt == MAX_ATTEMPTS {
            let Verdict { outcome, mut reason } = verdict;
            reason.add(&format!("the end could not be written to its journal: {problem}"));
            break RunRecord::without_journal(outcome, reason);
        }
        let what = || format!("the end of {}#{} cannot be written: {problem}", row.repo, row.number);
        trouble.get_or_insert_with(|| app.health.report(what()));
        attempt += 1;
        tokio::time::sleep(backoff.next()).await;
    };
    index::finished(app, row, &record).await;
    record
}

/// Ends what is left of a run and gives its journal an end, if it has none. Blocking.
pub(super) fn end(
    mark: RunMark,
    run_dir: &Path,
    verdict: Verdict,
    environment: &[(String, String)],
) -> Result<RunRecord, String> {
    match RunRecord::try_read(run_dir) {
        Ok(record) if record.outcome.is_some() => {
            remove_rest(mark, run_dir, environment);
            Ok(record)
        }
        // One that has been replaced will not be better: the end is in the index only.
        Err(error) if !error.is_lasting() => Err(chain(&error)),
        read => clear_away(mark, run_dir, verdict, read, environment),
    }
}

/// Ends what is left of a run and writes its end. Blocking.
fn clear_away(
    mark: RunMark,
    run_dir: &Path,
    mut verdict: Verdict,
    read: Result<RunRecord, JournalReadError>,
    environment: &[(String, String)],
) -> Result<RunRecord, String> {
    let mut swept = sweep_run(&mark);
    swept.survivors.extend(sweep_children(&[]).survivors);
    if read.as_ref().map_or(true, |record| !record.images.is_empty()) {
        sweep_containers(mark, environment);
    }
    forget_memory(mark);
    process::reap_all();
    if !swept.survivors.is_empty() {
        let survivors = swept.survivors.join(", ");
        verdict.reason.add(&format!("these processes could not be killed: {survivors}"));
    }
    match read {
        Ok(_) => interrupt(run_dir, verdict),
        Err(error) => {
            verdict.reason.add(&chain(&error));
            remove_workspace(run_dir, &mut verdict.reason);
            Ok(RunRecord::without_journal(verdict.outcome, verdict.reason))
        }
    }
}

/// Ends the processes and containers of a run that has an end, and removes its workspace. Blocking.
fn remove_rest(mark: RunMark, run_dir: &Path, environment: &[(String, String)]) {
    let survivors = sweep_run(&mark).survivors.join(", ");
    if !survivors.is_empty() {
        tracing::error!(survivors, run = %mark.run, "processes of a run could not be killed");
    }
    if RunRecord::try_read(run_dir).map_or(true, |record| !record.images.is_empty()) {
        sweep_containers(mark, environment);
    }
    forget_memory(mark);
    // `show` and doctor name a workspace that stays.
    remove_workspace(run_dir, &mut Reason::new(codes::OTHER, ""));
}

/// Removes the workspace of a run; the reason says when it could not be.
fn remove_workspace(run_dir: &Path, reason: &mut Reason) {
    if let Err(error) = Workspace::new(run_dir.join("work")).remove() {
        tracing::warn!(%error, run_dir = %run_dir.display(), "could not remove a workspace");
        reason.add(&format!("its workspace could not be removed: {error}"));
    }
}

/// Removes the workspace of a run that has no end, and writes the end into its journal. Blocking.
pub(super) fn interrupt(run_dir: &Path, verdict: Verdict) -> Result<RunRecord, String> {
    let Verdict { outcome, mut reason } = verdict;
    // The workspace first: it is gone when the run has ended.
    remove_workspace(run_dir, &mut reason);
    if is_missing(run_dir) {
        return Ok(RunRecord::without_journal(outcome, reason));
    }
    // The server does not know the run's secrets; the reason is its own, with the names of programs.
    let fact = Fact::run_ended((outcome, Some(reason))).redacted(&Redactor::none());
    let mut journal = JournalWriter::open(run_dir).map_err(|error| chain(&error))?;
    journal.append(fact).map_err(|error| chain(&error))?;
    RunRecord::try_read(run_dir).map_err(|error| chain(&error))
}

/// Whether the folder of the run was removed, with its repository.
fn is_missing(run_dir: &Path) -> bool {
    run_dir.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Removes the containers of a run.
fn sweep_containers(mark: RunMark, environment: &[(String, String)]) {
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    if let Err(error) = Engine::find(&environment).and_then(|engine| engine.sweep(mark)) {
        tracing::error!(problem = chain(&error), run = %mark.run, "containers of an interrupted run may be left");
    }
}

/// Removes what a run had in memory: secrets of its containers, and secret arguments.
fn forget_memory(mark: RunMark) {
    if let Err(error) = forget(mark) {
        tracing::error!(%error, run = %mark.run, "something of an interrupted run may be left in memory");
    }
}
