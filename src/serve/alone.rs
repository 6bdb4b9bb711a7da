//! A run of a job folder that a command leads, because no server has the data folder: the same queue row, runner and journal. A
//! server that is started meanwhile finds the runner by the lock of its run.

use std::path::PathBuf;
use std::time::Duration;

use super::assignment::assignment;
use super::local_launch::LocalLaunch;
use super::runner_limits::Verdict;
use super::settle::end;
use super::start::make_folders;
use crate::app::{AppState, Code, JobStarted, Local, Problem, StartJob, find_run, start_job};
use crate::config::{DataDir, Instance};
use crate::model::{RunMark, chain};
use crate::policy::StartProfiles;
use crate::store::{self, RunChange, RunRow};
use crate::sys::clock;
use crate::sys::lock::LockFile;
use crate::sys::pidfd::{PidFd, wait_any};
use crate::sys::process;

/// How long one look at the process of a runner takes.
const LOOK: Duration = Duration::from_secs(3600);

/// What the command has.
#[derive(Debug, Clone)]
pub(crate) struct AloneOptions {
    pub(crate) data: DataDir,
    /// The quire binary, which is the runner.
    pub(crate) binary: PathBuf,
    /// The environment of the command.
    pub(crate) environment: Vec<(String, String)>,
    /// The profiles that were chosen.
    pub(crate) profiles: StartProfiles,
}

/// A run that this process has to settle when its runner is gone.
#[derive(Debug)]
pub(crate) struct LedRun {
    options: AloneOptions,
    mark: RunMark,
    row: RunRow,
    run_dir: PathBuf,
    process: PidFd,
}

/// Starts a run and its runner.
///
/// # Errors
/// There is no such job, or it cannot be run so; or another process has the data folder at the moment.
pub(crate) fn start_alone(options: AloneOptions, request: StartJob) -> Result<(JobStarted, LedRun), Problem> {
    make_folders(&options.data).map_err(|error| Problem::failed(&error))?;
    let instance = Instance::establish(options.data.path()).map_err(|error| Problem::failed(&error))?;
    process::become_subreaper().map_err(|error| Problem::failed(&error))?;
    bring_up_to_date(&options.data)?;
    let local = Local::open(&options.data, options.environment.clone())?;
    let given = (options.clone(), request.clone());
    local.perform(async |app| begin(app, given, &instance).await, |text| tracing::warn!("{text}"))
}

/// Makes the database, or brings it to the version of this binary, unless it has that.
fn bring_up_to_date(data: &DataDir) -> Result<(), Problem> {
    if store::open_read_only(&data.database()).is_ok() {
        return Ok(());
    }
    let lock = LockFile::try_acquire(&data.server_lock()).map_err(|error| Problem::failed(&error))?;
    let Some(_lock) = lock else {
        return Err(Problem::new(Code::ServerSilent, "the database is being made by another process"));
    };
    store::open(&data.database()).map(drop).map_err(|error| Problem::failed(&error))
}

async fn begin(
    app: &AppState,
    (options, request): (AloneOptions, StartJob),
    instance: &Instance,
) -> Result<(JobStarted, LedRun), Problem> {
    let store = app.writer()?;
    let app = AppState { store, instance: instance.id, profiles: options.profiles, ..app.clone() };
    let settings = app.settings.read()?;
    let started = start_job(&app, request).await?;
    let row = find_run(&app, &started.id).await?;
    let given = assignment(&app, &row, true, &settings).await;
    let run_dir = app.data.run(&row.repo, row.number);
    let launch = LocalLaunch::new(app.data.clone(), options.binary.clone());
    let launched = tokio::task::spawn_blocking(move || launch.launch(&given)).await;
    let launched = launched.map_err(|error| Problem::failed(&error))?;
    let Some((process, _socket)) = launched.map_err(|error| Problem::failed(&error))? else {
        return Err(Problem::new(Code::ServerFailed, "a new run has begun before"));
    };
    let mark = RunMark { instance: instance.id, run: row.id };
    Ok((started, LedRun { options, mark, row, run_dir, process }))
}

impl LedRun {
    /// Waits until the runner is gone, and writes the end of the run into the database. Blocking.
    ///
    /// # Errors
    /// The end cannot be written; the next server does it.
    pub(crate) fn settle(self) -> Result<(), Problem> {
        while !wait_any(&[&self.process], LOOK) {}
        let record = end(self.mark, &self.run_dir, Verdict::runner_gone(), &self.options.environment);
        let record = record.map_err(|problem| Problem::new(Code::RunUnreadable, problem))?;
        let Some(change) = RunChange::since(0, self.row.id, &record, clock::now()) else { return Ok(()) };
        let connection = store::open_existing(&self.options.data.database());
        let mut connection = connection.map_err(|error| Problem::new(Code::DataUnreadable, chain(&error)))?;
        Ok(store::index_run(&mut connection, &change)?)
    }
}
