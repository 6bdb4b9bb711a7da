//! Runs and plans a job: by the server when one answers, otherwise by this process.

use std::io;
use std::time::{Duration, Instant};

use crate::app::{
    self, JobPlan, JobRunRecord, JobStarted, Operation as _, PlanJob, Problem, RunRow, StartJob, find_run,
    follow_job, job_run_record, run_shape,
};
use crate::cli::ask::{ask, here};
use crate::cli::exit::print_error;
use crate::cli::place::environment;
use crate::config::DataDir;
use crate::journal::StopReason;
use crate::model::RepoName;
use crate::policy::StartProfiles;
use crate::run::{Message, send_message};
use crate::serve::{AloneOptions, LedRun, start_alone};
use crate::sys::interrupts::watch_interrupts;
use crate::view::{RunEvent, RunShape, plain};

/// How long a server that does not answer, and another command that is writing, are waited for.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// The pause between two tries.
const START_PAUSE: Duration = Duration::from_millis(20);

/// What gets the events of a run as they come.
pub(crate) type Printer = Box<dyn FnMut(&RunEvent) -> io::Result<()>>;

/// Runs a job to its end, and gives its events to a printer as they come. Returns the run as it ended.
///
/// # Errors
/// It could not be started, or not be followed.
pub(crate) fn run_job(
    data: &DataDir,
    request: StartJob,
    profiles: StartProfiles,
    printer: impl FnOnce(&RunRow, JobRunRecord) -> Printer,
) -> Result<RunShape, Problem> {
    let (started, led) = start(data, request, profiles)?;
    let led = led.map(|led| std::thread::spawn(move || led.settle()));
    let run_dir = data.run(&RepoName::of_jobs(), started.number);
    watch_interrupts(move |interrupt| {
        let reason = StopReason::Cancelled { by: Some(interrupt.name().to_owned()) };
        let run_dir = run_dir.clone();
        std::thread::spawn(move || send_message(&run_dir, &Message::Stop { reason }).is_ok());
    })
    .map_err(|error| Problem::failed(&error))?;
    let followed = here(data, async |app| {
        let row = find_run(app, &started.id).await?;
        let record = job_run_record(app, row.id).await?;
        let lost = || Problem::new(app::Code::RunUnreadable, "the database does not say what the run runs");
        let printer = printer(&row, record.ok_or_else(lost)?);
        follow_job(app, row, printer).await
    });
    if let Some(Err(problem)) = led.map(|led| led.join().unwrap_or(Ok(()))) {
        print_error(&format!("warning: the end of the run is not recorded: {}\n", plain(&problem.text)));
    }
    let row = followed?;
    // The end may have been written after the last look.
    here(data, async |app| {
        let settled = find_run(app, &started.id).await?;
        run_shape(app, if settled.outcome.is_some() { settled } else { row }).await
    })
}

/// Has the server start a run, or starts it here: whoever can first.
fn start(
    data: &DataDir,
    request: StartJob,
    profiles: StartProfiles,
) -> Result<(JobStarted, Option<LedRun>), Problem> {
    let binary = std::env::current_exe().map_err(|error| Problem::failed(&error))?;
    let options = AloneOptions { data: data.clone(), binary, environment: environment(), profiles };
    // What was asked for is chosen by whoever leads the run.
    let own = StartJob { profile: None, ..request.clone() };
    let until = Instant::now() + START_PATIENCE;
    loop {
        if let Some(started) = ask(data, &request) {
            return Ok((started?, None));
        }
        match start_alone(options.clone(), own.clone()) {
            Ok((started, led)) => return Ok((started, Some(led))),
            // Another command is writing, or a server has just begun to start.
            Err(problem) if problem.code == app::Code::ServerSilent && Instant::now() < until => {
                std::thread::sleep(START_PAUSE);
            }
            Err(problem) => return Err(problem),
        }
    }
}

/// Plans a job.
///
/// # Errors
/// There is no such job, or it cannot be run so.
pub(crate) fn plan_job(
    data: &DataDir,
    request: PlanJob,
    profiles: StartProfiles,
) -> Result<JobPlan, Problem> {
    match ask(data, &request) {
        Some(plan) => plan,
        None => here(data, async move |app| {
            let app = app::AppState { profiles, ..app.clone() };
            request.perform(&app).await
        }),
    }
}
