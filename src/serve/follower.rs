//! Follows one run: its journal into the index, the death of its runner into an end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::executor::container::{Engine, forget};
use crate::executor::{sweep_children, sweep_run};
use crate::http::{App, Wake};
use crate::journal::{Fact, JOURNAL, JournalReader, JournalWriter, RunRecord};
use crate::model::{Outcome, RunMark, Timestamp, chain};
use crate::secret::Redactor;
use crate::store::{self, RunRow};
use crate::sys::children;
use crate::sys::clock;
use crate::sys::inotify::Inotify;
use crate::sys::pidfd::PidFd;
use crate::sys::process;

/// A run that has a runner.
pub(super) struct Followed {
    pub(super) row: RunRow,
    pub(super) run_dir: PathBuf,
    pub(super) process: PidFd,
    /// Whether the runner was there when the server started. Such a one may have been dying already.
    pub(super) is_found: bool,
}

/// Follows a run until its runner is gone and the run is settled.
pub(super) async fn follow(app: App, followed: Followed) {
    let mut reader = JournalReader::new(&followed.run_dir.join(JOURNAL));
    let mut record = RunRecord::default();
    // Watched first, then read: nothing that is written in between is missed.
    let inotify = watch(&followed.run_dir);
    let pid = followed.process.pid();
    let mut gone = std::pin::pin!(followed.process.dead());
    loop {
        read_on(&app, &followed.row, &mut reader, &mut record).await;
        let changed = async {
            match &inotify {
                Some(inotify) => inotify.changes().await.map(|_| ()),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            dead = &mut gone => {
                if let Err(error) = dead {
                    tracing::error!(%error, "the runner cannot be watched");
                }
                break;
            }
            changed = changed => {
                if let Err(error) = changed {
                    tracing::error!(%error, "the journal cannot be watched; its end will be read");
                    let _dead = gone.as_mut().await.is_ok();
                    break;
                }
            }
        }
    }
    read_on(&app, &followed.row, &mut reader, &mut record).await;
    children::reap_own(pid);
    let has_begun = record.started_at.is_some() || record.outcome.is_some();
    if followed.is_found
        && !has_begun
        && sweep(RunMark { instance: app.instance, run: followed.row.id }).await
    {
        // As if the server had come a moment later. A runner of its own that dies so is not given a second try.
        return app.tell(Wake::Again(followed.row.id)).await;
    }
    settle(&app, &followed.row, &followed.run_dir, &mut record).await;
    app.live.close(followed.row.id);
    app.tell(Wake::Ended(followed.row.id)).await;
}

/// Ends what is left of a run; whether nothing is.
async fn sweep(mark: RunMark) -> bool {
    let swept = tokio::task::spawn_blocking(move || sweep_run(&mark)).await;
    swept.is_ok_and(|swept| swept.survivors.is_empty())
}

fn watch(run_dir: &Path) -> Option<Inotify> {
    let made = Inotify::new().and_then(|inotify| inotify.watch(run_dir).map(|_| inotify));
    made.inspect_err(|error| tracing::error!(%error, "a run cannot be watched; its end will be read")).ok()
}

/// Reads what is new in the journal, indexes it, and publishes it.
async fn read_on(app: &App, row: &RunRow, reader: &mut JournalReader, record: &mut RunRecord) {
    let (was_started, had_ended) = (record.started_at.is_some(), record.outcome.is_some());
    let records = match reader.read() {
        Ok(records) if records.is_empty() => return,
        Ok(records) => records,
        Err(error) => return tracing::error!(%error, run = %row.id, "the journal cannot be read"),
    };
    for fact in records {
        record.apply(fact);
    }
    if !was_started && let Some(at) = time(record.started_at.as_deref()) {
        let id = row.id;
        index(app, move |connection| store::mark_started(connection, id, at)).await;
    }
    if !had_ended && record.outcome.is_some() {
        finish(app, row, record).await;
    }
    app.live.publish(row.id, record);
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(Timestamp::parse)
}

/// Indexes the end of a run.
pub(super) async fn finish(app: &App, row: &RunRow, record: &RunRecord) {
    let Some(outcome) = record.outcome else { return };
    let at = time(record.finished_at.as_deref()).unwrap_or_else(clock::now);
    let (id, reason) = (row.id, record.reason.clone());
    index(app, move |connection| {
        store::finish_run(connection, id, outcome, reason.as_deref(), at).map(|_| ())
    })
    .await;
    app.notices.notify_one();
}

/// Changes the index. When that fails, the journal still says it, and the next start reads it again.
async fn index(
    app: &App,
    change: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<()> + Send + 'static,
) {
    match app.store.call(change).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the index of runs could not be changed"),
        Err(error) => tracing::error!(%error, "the index of runs could not be changed"),
    }
}

/// Settles a run whose runner is gone: without an end in its journal it is interrupted, and nothing of it is left.
pub(super) async fn settle(app: &App, row: &RunRow, run_dir: &Path, record: &mut RunRecord) {
    if record.outcome.is_none() {
        let (mark, folder) = (RunMark { instance: app.instance, run: row.id }, run_dir.to_owned());
        let used = !record.images.is_empty();
        let environment = Arc::clone(&app.environment);
        let ended = tokio::task::spawn_blocking(move || {
            let mut swept = sweep_run(&mark);
            swept.survivors.extend(sweep_children(&[]).survivors);
            if used {
                sweep_containers(mark, &environment);
            }
            process::reap_all();
            let mut reason = "its runner was gone before it had ended".to_owned();
            if !swept.survivors.is_empty() {
                let survivors = swept.survivors.join(", ");
                reason.push_str(&format!("; these processes could not be killed: {survivors}"));
            }
            interrupt(&folder, reason)
        });
        match ended.await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => {
                tracing::error!(problem, run = %row.id, "the end of a run could not be written down")
            }
            Err(error) => tracing::error!(%error, "a run could not be settled"),
        }
        *record = RunRecord::read(run_dir);
        finish(app, row, record).await;
        app.live.publish(row.id, record);
    }
}

/// Removes the containers of a run, and what they had in memory.
fn sweep_containers(mark: RunMark, environment: &[(String, String)]) {
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    if let Err(error) = Engine::find(&environment).and_then(|engine| engine.sweep(mark)) {
        tracing::error!(problem = chain(&error), run = %mark.run, "containers of an interrupted run may be left");
    }
    if let Err(error) = forget(mark) {
        tracing::error!(%error, run = %mark.run, "something of an interrupted run may be left in memory");
    }
}

/// Writes the end of an interrupted run and removes its workspace.
pub(super) fn interrupt(run_dir: &Path, reason: String) -> Result<(), String> {
    // The workspace first: it is gone when the run has ended.
    if let Err(error) = crate::run::Workspace::new(run_dir.join("work")).remove() {
        tracing::warn!(%error, run_dir = %run_dir.display(), "a workspace could not be removed");
    }
    // The server does not know the run's secrets; the reason is its own, with the names of programs.
    let fact = Fact::RunEnded { outcome: Outcome::Interrupted.as_str().to_owned(), reason: Some(reason) };
    let fact = fact.redacted(&Redactor::none());
    let mut journal = JournalWriter::open(&run_dir.join(JOURNAL)).map_err(|error| chain(&error))?;
    journal.append(fact).map_err(|error| chain(&error))
}
