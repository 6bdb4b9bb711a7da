//! One step on its way: written down before it runs and after it has ended.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::step::ContainerStep;
use crate::executor::{Host, OutOfMemory, StepEnd, StepError, StepSpec};
use crate::journal::{Fact, Recorder, StepLog};
use crate::model::{Outcome, chain};
use crate::script::{Command, HostError, StepResult};
use crate::secret::RedactedText;

/// The longest title of a step that its script did not name, in characters.
const MAX_TITLE: usize = 100;

/// One step on its way.
pub(crate) struct Step {
    pub(crate) job: String,
    pub(crate) number: u32,
    pub(crate) title: RedactedText,
    pub(crate) line: Option<u32>,
    pub(crate) work: Work,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Where a step runs.
pub(crate) enum Work {
    /// On this machine.
    Host(Box<StepSpec>),
    /// In a container.
    Container(Box<ContainerStep>),
}

impl Step {
    /// Writes the step down, runs it, and writes down how it ended.
    ///
    /// # Errors
    /// It could not be run as it should, or not be written down.
    pub(crate) async fn run(self, executor: Arc<Host>, recorder: Recorder) -> Result<StepResult, HostError> {
        let failed = |error: &dyn std::error::Error| HostError::Broken(chain(error));
        let Step { job, number, title, line, work, stop } = self;
        let started = Fact::StepStarted { job: job.clone(), step: number, title: title.to_string(), line };
        recorder.write(started).map_err(|error| failed(&error))?;
        let (mut log, found) = recorder.step_log(&job, number).map_err(|error| failed(&error))?;
        let (mut problem, began) = (None, Instant::now());
        let is_service = matches!(&work, Work::Container(container) if container.is_service());
        let end = match work {
            Work::Host(spec) => match executor.run_step(&spec, &mut log, stop).await {
                Ok(end) => end,
                Err(error) => {
                    let reason = chain(&error);
                    let end = refuse(recorder.redact(&reason), &mut log, began);
                    problem = is_quires(&error).then_some(HostError::Refused(reason));
                    end
                }
            },
            Work::Container(container) => match container.run(&executor, &mut log, stop).await {
                Ok(end) => end,
                Err(error) => {
                    let end = refuse(recorder.redact(&error.to_string()), &mut log, began);
                    problem = Some(error);
                    end
                }
            },
        };
        for note in notes(&end) {
            log.note(&recorder.redact(&note)).map_err(|error| failed(&error))?;
        }
        let written = log.finish().map_err(|error| failed(&error))?;
        let secrets = found.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let fact = Fact::StepEnded {
            job,
            step: number,
            outcome: outcome(&end, problem.as_ref(), is_service).as_str().to_owned(),
            exit: end.exit,
            signal: end.signal,
            duration_ms: u64::try_from(end.duration.as_millis()).unwrap_or(u64::MAX),
            left_out: written.left_out,
            secrets,
            leftovers: end.leftovers.clone(),
        };
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

/// Whether quire could not do its part, of which the log may say nothing: the disk can be full.
fn is_quires(error: &StepError) -> bool {
    match error {
        StepError::Folder { .. } | StepError::Sandbox { .. } => false,
        StepError::Spawn { .. }
        | StepError::Watch { .. }
        | StepError::Log { .. }
        | StepError::Subreaper { .. } => true,
    }
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
pub(super) fn refuse(reason: RedactedText, log: &mut StepLog, began: Instant) -> StepEnd {
    let duration = began.elapsed();
    if let Err(problem) = log.note(&reason) {
        tracing::warn!(%problem, %reason, "why a step could not run is not in its log");
    }
    StepEnd {
        exit: 126,
        stderr: reason.as_bytes().to_vec(),
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
        // It is told to end when nobody needs it any more.
        Outcome::Passed
    } else if end.stopped {
        Outcome::Cancelled
    } else if end.exit == 0 {
        Outcome::Passed
    } else {
        Outcome::Failed
    }
}

/// A command as program and arguments, the shell written out.
pub(super) fn argv(command: &Command) -> Vec<Vec<u8>> {
    match command {
        Command::Shell(text) => vec![b"sh".to_vec(), b"-c".to_vec(), text.clone()],
        Command::Argv(argv) => argv.clone(),
    }
}

/// What a step is called: what its script says; else the first line of a text, the words of a list.
pub(crate) fn title(name: Option<&str>, command: &Command, recorder: &Recorder) -> RedactedText {
    let text = match (name, command) {
        (Some(name), _) => return recorder.redact(name),
        (None, Command::Shell(text)) => String::from_utf8_lossy(text).into_owned(),
        (None, Command::Argv(argv)) => {
            argv.iter().map(|word| quoted(&String::from_utf8_lossy(word))).collect::<Vec<_>>().join(" ")
        }
    };
    recorder.redact(&text).first_line().shorten(MAX_TITLE)
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
