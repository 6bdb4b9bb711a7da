//! The end of a run whose runner is gone: nothing of it is left, its journal has an end, and the index says so.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::backoff::Backoff;
use super::index;
use super::runner_limits::Verdict;
use crate::app::{AppState, Wake};
use crate::artifact::ArtifactStore;
use crate::container::{Engine, forget};
use crate::executor::{Workspace, sweep_children, sweep_run};
use crate::journal::{Fact, JournalSink as _, JournalWriter, RunRecord};
use crate::model::{Reason, RunMark, chain};
use crate::secret::Redactor;
use crate::store::RunRow;
use crate::sys::process;

/// How often the end is tried to be written into a journal. After that it is in the index only.
const MAX_ATTEMPTS: u32 = 8;

/// Publishes and indexes the end of a run, and what its record says since its record number `indexed`.
pub(super) async fn conclude(app: &AppState, row: &RunRow, record: &RunRecord, indexed: u64) {
    app.live.publish(row.id, record);
    index::finished(app, row, record, indexed).await;
    app.live.close(row.id);
    app.job_secrets.forget(row.id);
    app.wake(Wake::Ended(row.id)).await;
}

/// Settles a run whose runner is gone: nothing of it is left, and it has an end, by `verdict` unless its journal says another. A
/// run that cannot be settled is tried again, and takes no other along.
pub(super) async fn settle(app: &AppState, row: &RunRow, run_dir: &Path, verdict: Verdict) -> RunRecord {
    let (mut backoff, mut trouble) = (Backoff::of_runs(), None);
    let mut attempt = 1;
    loop {
        let mark = RunMark { instance: app.instance, run: row.id };
        let (folder, ending) = (run_dir.to_owned(), verdict.clone());
        let environment = Arc::clone(&app.environment);
        let tried = tokio::task::spawn_blocking(move || end(mark, &folder, ending, &environment)).await;
        let problem = match tried {
            Ok(Ok(record)) => return record,
            Ok(Err(problem)) => problem,
            Err(error) => error.to_string(),
        };
        tracing::error!(problem, run = %row.id, "could not write the end of a run");
        if attempt == MAX_ATTEMPTS {
            let Verdict { outcome, mut reason, .. } = verdict;
            reason.add(&format!("the end could not be written to its journal: {problem}"));
            return RunRecord::without_journal(outcome, reason);
        }
        let what = || format!("the end of {}#{} cannot be written: {problem}", row.repo, row.number);
        trouble.get_or_insert_with(|| app.health.report(what()));
        attempt += 1;
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Ends what is left of a run and gives its journal an end, if it has none. Blocking.
pub(super) fn end(
    mark: RunMark,
    run_dir: &Path,
    mut verdict: Verdict,
    environment: &[(String, String)],
) -> Result<RunRecord, String> {
    let read = RunRecord::try_read(run_dir);
    // One that has been replaced will not be better: the end is in the index only.
    if let Err(error) = &read
        && !error.is_lasting()
    {
        return Err(chain(error));
    }
    let has_containers = read.as_ref().map_or(true, |record| !record.images.is_empty());
    let survivors = sweep(mark, has_containers, environment);
    if !survivors.is_empty() {
        tracing::error!(survivors, run = %mark.run, "processes of a run could not be killed");
        verdict.reason.add(&format!("these processes could not be killed: {survivors}"));
    }
    match read {
        Ok(record) if record.outcome.is_some() && !verdict.is_final => {
            // `show` and doctor name a workspace that stays.
            remove_workspace(run_dir, &mut verdict.reason);
            Ok(record)
        }
        Ok(_) => interrupt(run_dir, verdict),
        Err(error) => {
            verdict.reason.add(&chain(&error));
            remove_workspace(run_dir, &mut verdict.reason);
            Ok(RunRecord::without_journal(verdict.outcome, verdict.reason))
        }
    }
}

/// Ends what is left of a run, and says which processes could not be ended. Blocking.
fn sweep(mark: RunMark, has_containers: bool, environment: &[(String, String)]) -> String {
    let mut swept = sweep_run(&mark);
    swept.survivors.extend(sweep_children(&[]).survivors);
    if has_containers {
        sweep_containers(mark, environment);
    }
    if let Err(error) = forget(mark) {
        tracing::error!(%error, run = %mark.run, "something of an interrupted run may be left in memory");
    }
    process::reap_all();
    swept.survivors.join(", ")
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
    let Verdict { outcome, mut reason, .. } = verdict;
    // The workspace first: it is gone when the run has ended.
    remove_workspace(run_dir, &mut reason);
    if is_missing(run_dir) {
        return Ok(RunRecord::without_journal(outcome, reason));
    }
    // The server does not know the run's secrets; the reason is its own, with the names of programs.
    let fact = Fact::run_ended((outcome, Some(reason))).redacted(&Redactor::none());
    let mut journal = JournalWriter::open(run_dir).map_err(|error| chain(&error))?;
    journal.append(fact).map_err(|error| chain(&error))?;
    let record = RunRecord::try_read(run_dir).map_err(|error| chain(&error))?;
    remove_half_artifacts(run_dir, &record);
    Ok(record)
}

/// Removes files of artifacts that the journal does not have: the runner was killed before it wrote them down.
fn remove_half_artifacts(run_dir: &Path, record: &RunRecord) {
    let kept = record.artifacts.iter().map(|(_, artifact)| artifact.sha256.as_str()).collect();
    if let Err(error) = ArtifactStore::of(run_dir).sweep(&kept) {
        tracing::warn!(%error, run_dir = %run_dir.display(), "files of artifacts may be left");
    }
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
