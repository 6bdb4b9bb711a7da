//! One step on its way: written down before it runs and after it has ended.

use std::sync::PoisonError;
use std::time::Instant;

use tokio::sync::watch;

use super::executor::{Executor, NotRun, StepContext};
use super::host::asked_to_stop;
use super::step::{OutOfMemory, StepEnd};
use crate::journal::{self, Fact, Recorder, StepLog, StepStart};
use crate::model::{Outcome, chain, shell_word};
use crate::script::{Command, HostError, StepResult};
use crate::secret::RedactedText;

/// The longest title of a step that its script did not name, in characters.
const MAX_TITLE: usize = 100;

/// The exit of a step whose time was over before it could begin, as timeout(1) has it.
const EXIT_TIMED_OUT: i32 = 124;

/// One step on its way.
pub struct Step {
    pub(crate) title: RedactedText,
    pub(crate) line: Option<u32>,
    pub(crate) context: StepContext,
    /// Whether it is a service: it runs next to the steps, and ends well when it is asked to.
    pub(crate) is_service: bool,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Step {
    /// Writes the step down, runs it, and writes down how it ended.
    ///
    /// # Errors
    /// It could not be run as it should, or not be written down.
    pub(crate) async fn run(
        self,
        executor: impl Executor,
        recorder: Recorder,
    ) -> Result<StepResult, HostError> {
        let failed = |error: &dyn std::error::Error| HostError::Broken(chain(error));
        let Self { title, line, context, is_service, stop } = self;
        let (job, number) = (context.job.clone(), context.number);
        let step = StepStart { number, title: title.to_string(), line };
        let started = Fact::StepStarted { job: job.clone(), step };
        recorder.write(started).map_err(|error| failed(&error))?;
        let (mut log, found) = recorder.step_log(&job, number).map_err(|error| failed(&error))?;
        let (mut problem, began) = (None, Instant::now());
        let end = match run_until_over(&executor, context, &mut log, stop).await {
            Ok(end) => end,
            Err(not_run) => {
                let reason = recorder.redact(&not_run.to_string());
                let end = refuse(reason, matches!(not_run, NotRun::TimedOut(_)), (&mut log, began));
                if let NotRun::Job(error) = not_run {
                    problem = Some(error);
                }
                end
            }
        };
        let noted = notes(&end).iter().try_for_each(|note| log.note(&recorder.redact(note)));
        let written = match noted.and_then(|()| log.finish()) {
            Ok(written) => Some(written),
            Err(error) => {
                // The disk can be full: that is the step's failure, and no reason to break off the run.
                let lost = || {
                    HostError::Refused(format!("the output of the step could not be kept: {}", chain(&error)))
                };
                problem.get_or_insert_with(lost);
                None
            }
        };
        let secrets = found.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let recorded = journal::StepEnd {
            outcome: outcome(&end, problem.as_ref(), is_service),
            exit: end.exit,
            signal: end.signal,
            duration_ms: u64::try_from(end.duration.as_millis()).unwrap_or(u64::MAX),
            left_out: written.map_or(0, |log| log.left_out),
            log_bytes: written.map(|log| log.length),
            secrets,
            leftovers: end.leftovers.clone(),
        };
        let fact = Fact::StepEnded { job, number, end: recorded };
        recorder.write(fact).map_err(|error| failed(&error))?;
        if let Some(problem) = problem {
            return Err(problem);
        }
        Ok(StepResult {
            exit: end.exit,
            signal: end.signal,
            stdout: end.stdout,
            stderr: end.stderr,
            duration: end.duration,
            truncated: end.truncated,
            timed_out: end.timed_out,
            step: number,
            title: title.into_string(),
        })
    }
}

/// Runs a step to its end, which may be asked for.
async fn run_until_over(
    executor: &impl Executor,
    context: StepContext,
    log: &mut StepLog,
    mut stop: watch::Receiver<bool>,
) -> Result<StepEnd, NotRun> {
    let mut running = executor.start(context, log);
    tokio::select! {
        biased;
        end = executor.outcome(&mut running) => return end,
        () = asked_to_stop(&mut stop) => {}
    }
    executor.stop(&running);
    executor.outcome(&mut running).await
}

/// What a step's log says after its output.
fn notes(end: &StepEnd) -> Vec<String> {
    let memory = match end.out_of_memory {
        OutOfMemory::No => None,
        OutOfMemory::Likely => {
            Some("killed, most likely out of memory: the container has used up its `:memory`".to_owned())
        }
        OutOfMemory::Sure => Some("out of memory: the container has used up its `:memory`".to_owned()),
    };
    let survivors = (!end.survivors.is_empty())
        .then(|| format!("these processes could not be killed: {}", end.survivors.join(", ")));
    memory.into_iter().chain(survivors).collect()
}

/// The end of a step that could not be run, with the reason in its log: a failed step, so that the job fails.
fn refuse(reason: RedactedText, timed_out: bool, (log, began): (&mut StepLog, Instant)) -> StepEnd {
    let duration = began.elapsed();
    if let Err(problem) = log.note(&reason) {
        tracing::warn!(%problem, %reason, "why a step could not run is not in its log");
    }
    StepEnd {
        exit: if timed_out { EXIT_TIMED_OUT } else { 126 },
        timed_out,
        stderr: reason.as_bytes().to_vec().into(),
        duration,
        missing: Some(reason.into_string()),
        ..StepEnd::default()
    }
}

/// The outcome of a step by itself.
fn outcome(end: &StepEnd, problem: Option<&HostError>, is_service: bool) -> Outcome {
    if matches!(problem, Some(HostError::Denied(_))) {
        Outcome::Denied
    } else if end.timed_out {
        Outcome::TimedOut
    } else if end.stopped && is_service {
        // It is asked to end when nobody needs it any more.
        Outcome::Passed
    } else if end.stopped {
        Outcome::Cancelled
    } else if end.exit == 0 && problem.is_none() {
        Outcome::Passed
    } else {
        Outcome::Failed
    }
}

/// What a step is called: what its script says; otherwise the first line of a text, the words of a list.
pub fn title(name: Option<&str>, command: &Command, recorder: &Recorder) -> RedactedText {
    let text = match (name, command) {
        (Some(name), _) => return recorder.redact(name),
        (None, Command::Shell(text)) => String::from_utf8_lossy(text).into_owned(),
        (None, Command::Argv(argv)) => {
            argv.iter().map(|word| shell_word(&String::from_utf8_lossy(word))).collect::<Vec<_>>().join(" ")
        }
    };
    recorder.redact(&text).first_line().shorten(MAX_TITLE)
}
