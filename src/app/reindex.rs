//! The index of runs, filled anew from their journals: by `quire doctor --reindex`, and for what an older version ran.

use rusqlite::Connection;

use super::problem::{Code, Problem};
use super::state::AppState;
use crate::config::DataDir;
use crate::journal::{Fact, JOURNAL, JournalReader, RunRecord};
use crate::model::{Progress, chain};
use crate::run::{Lease as _, RunLock};
use crate::store::{self, IndexedRun, RunChange};
use crate::sys::clock;
use crate::sys::lock::LockFile;

/// How many runs are indexed in one transaction.
const PAGE: u32 = 100;

/// What was indexed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reindexed {
    /// How many runs.
    pub(crate) runs: usize,
    /// How many jobs.
    pub(crate) jobs: usize,
    /// How many steps.
    pub(crate) steps: usize,
    /// The runs whose journals cannot be used, with the reason: their rows stay as they are.
    pub(crate) problems: Vec<String>,
}

/// Fills the rows of runs, jobs and steps of a data folder anew, while no server has it. Blocking.
///
/// # Errors
/// When a server has the data folder, or the database cannot be used.
pub(crate) fn reindex(data: &DataDir) -> Result<Reindexed, Problem> {
    let lock = LockFile::try_acquire(&data.server_lock()).map_err(|error| Problem::failed(&error))?;
    let Some(_lock) = lock else {
        let text = format!("a server has the data folder {}", data.path().display());
        return Err(Problem::new(Code::DataServed, text)
            .hint("stop `quire serve`, run this again, and start it again; runs continue"));
    };
    let mut connection = store::open(&data.database()).map_err(|error| Problem::failed(&error))?;
    let (mut done, mut last) = (Reindexed::default(), 0);
    loop {
        let runs = store::runs_after(&connection, last, PAGE)?;
        let Some(run) = runs.last() else { return Ok(done) };
        last = run.seq;
        let read = done.read(data, &runs);
        write(&mut connection, &read)?;
    }
}

/// Indexes the ended runs of older versions, newest first.
pub(crate) async fn index_older_runs(app: AppState) {
    let (mut before, mut done) = (i64::MAX, Reindexed::default());
    loop {
        let runs = app.store.call(move |connection| store::unindexed_runs(connection, before, PAGE)).await;
        let runs = match runs {
            Ok(Ok(runs)) => runs,
            Ok(Err(error)) => return tracing::error!(%error, "the runs of older versions were not indexed"),
            // The next start continues.
            Err(_) => return,
        };
        let Some(oldest) = runs.last() else { break };
        before = oldest.seq;
        let data = app.data.clone();
        let read = tokio::task::spawn_blocking(move || {
            let read = done.read(&data, &runs);
            (done, read)
        });
        let Ok((read_by_now, read)) = read.await else { return };
        done = read_by_now;
        if let Ok(Err(error)) = app.store.call(move |connection| write(connection, &read)).await {
            return tracing::error!(%error, "the runs of older versions were not indexed");
        }
    }
    for problem in &done.problems {
        tracing::warn!("{problem}");
    }
    if done.runs > 0 {
        tracing::info!(runs = done.runs, jobs = done.jobs, steps = done.steps, "older runs are indexed");
    }
}

/// A run, and what its journal says once its jobs have begun.
type Read = (i64, Option<RunChange>);

impl Reindexed {
    /// Reads the journals of runs, and counts them.
    fn read(&mut self, data: &DataDir, runs: &[IndexedRun]) -> Vec<Read> {
        let mut read = Vec::new();
        for run in runs {
            match change(data, run) {
                Ok(change) => {
                    let (jobs, steps) = change.as_ref().map_or((0, 0), RunChange::counts);
                    self.runs += 1;
                    self.jobs += jobs;
                    self.steps += steps;
                    read.push((run.seq, change));
                }
                Err(problem) => {
                    let text = format!("{}#{}: {problem}; its rows are unchanged", run.repo, run.number);
                    self.problems.push(text);
                }
            }
        }
        read
    }
}

/// Indexes runs anew, in one transaction.
fn write(connection: &mut Connection, read: &[Read]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for (run, change) in read {
        match change {
            Some(change) => store::reindex_run(&transaction, *run, change)?,
            None => store::clear_index(&transaction, *run)?,
        }
    }
    transaction.commit()
}

/// What the journal of a run says; an error when it is not what the run has written.
fn change(data: &DataDir, run: &IndexedRun) -> Result<Option<RunChange>, String> {
    let run_dir = data.run(&run.repo, run.number);
    let path = run_dir.join(JOURNAL);
    let mut reader = JournalReader::new(&run_dir);
    let mut record = RunRecord::default();
    for fact in reader.read().map_err(|error| chain(&error))? {
        if let Fact::RunOpened { run: opened } = &fact.fact
            && opened.id != run.id.to_string()
        {
            return Err(format!("{} is the journal of another run, {}", path.display(), opened.id));
        }
        record.apply(fact);
    }
    let is_cut = record.seq < run.applied_seq || (record.seq == 0 && run.has_begun);
    let is_endless = record.outcome.is_none() && run.state == Progress::Finished;
    if is_cut || (is_endless && reader.is_damaged()) {
        let (found, known) = (record.seq, run.applied_seq.max(record.seq + 1));
        return Err(format!(
            "the journal {} is damaged: it has {found} records of at least {known}",
            path.display()
        ));
    }
    // A living runner writes the end itself, and its server indexes it.
    if RunLock::of(&run_dir).is_held().map_err(|error| chain(&error))? {
        record = record.without_end();
    }
    Ok(RunChange::since(0, run.id, &record, clock::now()))
}
