//! What running jobs ask for, done: steps, secrets, files, lines in the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::recorder::Recorder;
use super::workspace::Workspace;
use crate::executor::{Environment, Host, Program, StepEnd, StepSpec};
use crate::journal::Fact;
use crate::model::{Outcome, chain, suggest};
use crate::script::{Command, HostError, HostFuture, JobHost, ShCall, StepResult};
use crate::secret::{SecretError, SecretValues};

/// How long a step may take to end when it was told to.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// How much of each output of a step a script gets, in bytes.
const CAPTURE_LIMIT: usize = 16 << 20;

/// The longest title of a step, in characters.
const MAX_TITLE: usize = 100;

/// The world of the jobs of one run.
pub struct RunHost {
    /// The runtime of steps: never the VM's thread.
    pub io: Handle,
    /// Where steps run.
    pub executor: Arc<Host>,
    /// Where everything is written down.
    pub recorder: Recorder,
    /// The secrets of the run.
    pub secrets: Arc<SecretValues>,
    /// The files of the run.
    pub workspace: Workspace,
    /// What every step begins with.
    pub environment: Environment,
    /// How long a step may take that says nothing else.
    pub step_timeout: Duration,
    /// The jobs that go on.
    pub jobs: Mutex<HashMap<String, JobSlot>>,
    /// Told when quire itself could not do its work.
    pub broken: tokio::sync::mpsc::Sender<String>,
}

/// A job that goes on.
pub struct JobSlot {
    steps: u32,
    stop: watch::Sender<bool>,
    active: watch::Sender<usize>,
}

impl RunHost {
    /// Makes room for a job that begins.
    pub fn open_job(&self, job: &str) {
        let slot = JobSlot { steps: 0, stop: watch::Sender::new(false), active: watch::Sender::new(0) };
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).insert(job.to_owned(), slot);
    }

    /// Tells the steps of a job to end; it gets no new ones.
    pub fn stop_job(&self, job: &str) {
        if let Some(slot) = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).get(job) {
            slot.stop.send_replace(true);
        }
    }

    /// Waits until no step of a job goes on, and forgets the job.
    pub async fn close_job(&self, job: &str) {
        let active = self
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(job)
            .map(|slot| slot.active.subscribe());
        if let Some(mut active) = active {
            // The sender is in the slot, which is removed only below.
            let _always_there = active.wait_for(|count| *count == 0).await.is_ok();
        }
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(job);
        self.recorder.close_script(job);
    }

    /// The number of the next step of a job, and what tells it to stop. Nothing for a job that was stopped.
    fn next_step(&self, job: &str) -> Option<(u32, watch::Receiver<bool>, ActiveStep)> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = jobs.get_mut(job).filter(|slot| !*slot.stop.borrow())?;
        slot.steps += 1;
        slot.active.send_modify(|count| *count += 1);
        Some((slot.steps, slot.stop.subscribe(), ActiveStep(slot.active.clone())))
    }
}

/// A step that counts as going on until this is dropped.
struct ActiveStep(watch::Sender<usize>);

impl Drop for ActiveStep {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// One step on its way.
struct Step {
    job: String,
    number: u32,
    title: String,
    line: Option<u32>,
    spec: StepSpec,
    stop: watch::Receiver<bool>,
}

impl Step {
    /// Writes the step down, runs it, and writes down how it ended.
    async fn run(self, executor: Arc<Host>, recorder: Recorder) -> Result<StepResult, String> {
        let failed = |error: &dyn std::error::Error| chain(error);
        let Step { job, number, title, line, spec, stop } = self;
        let started = Fact::StepStarted { job: job.clone(), step: number, title: title.clone(), line };
        recorder.write(started).map_err(|error| failed(&error))?;
        let (mut log, found) = recorder.step_log(&job, number).map_err(|error| failed(&error))?;
        let ended = executor.run_step(&spec, &mut log, stop).await;
        let end = match ended {
            Ok(end) => end,
            Err(error) => refuse(recorder.redact(&chain(&error)), &mut log),
        };
        if !end.survivors.is_empty() {
            let survivors = recorder.redact(&end.survivors.join(", "));
            log.note(&format!("these processes could not be killed: {survivors}"))
                .map_err(|error| failed(&error))?;
        }
        let written = log.finish().map_err(|error| failed(&error))?;
        let secrets = found.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let fact = Fact::StepEnded {
            job,
            step: number,
            outcome: outcome(&end).as_str().to_owned(),
            exit: end.exit,
            signal: end.signal,
            duration_ms: u64::try_from(end.duration.as_millis()).unwrap_or(u64::MAX),
            left_out: written.left_out,
            secrets,
            leftovers: end.leftovers.clone(),
        };
        recorder.write(fact).map_err(|error| failed(&error))?;
        Ok(StepResult {
            exit: end.exit,
            signal: end.signal,
            stdout: end.stdout,
            stderr: end.stderr,
            duration: end.duration,
            truncated: end.truncated,
            timed_out: end.timed_out,
            step: number,
            title,
        })
    }
}

/// The end of a step that could not be run, with the reason, which is redacted, in its log: a failed
/// step, so that the job fails.
fn refuse(reason: String, log: &mut super::recorder::StepLog) -> StepEnd {
    if let Err(problem) = log.note(&reason) {
        tracing::warn!(%problem, reason, "why a step could not run is not in its log");
    }
    StepEnd { exit: 126, stderr: reason.clone().into_bytes(), missing: Some(reason), ..StepEnd::default() }
}

/// The outcome of a step by itself.
fn outcome(end: &StepEnd) -> Outcome {
    if end.timed_out {
        Outcome::TimedOut
    } else if end.stopped {
        Outcome::Cancelled
    } else if end.exit == 0 {
        Outcome::Passed
    } else {
        Outcome::Failed
    }
}

impl JobHost for RunHost {
    fn sh(&self, job: &str, call: ShCall) -> HostFuture<StepResult> {
        let stopped = || -> HostFuture<StepResult> {
            Box::pin(async { Err(HostError::Broken("the job was stopped".to_owned())) })
        };
        let Some((number, stop, active)) = self.next_step(job) else { return stopped() };
        let mut env = self.environment.clone();
        for (name, value) in &call.env {
            let value = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(value);
            if let Err(problem) = env.set(name.clone(), value) {
                return Box::pin(async move { Err(HostError::Refused(problem.to_string())) });
            }
        }
        let title = call.name.clone().unwrap_or_else(|| title(&call.command));
        let spec = StepSpec {
            name: format!("{job}/{number}"),
            env,
            cwd: call
                .cwd
                .as_deref()
                .map_or_else(|| self.workspace.path().to_owned(), |cwd| self.workspace.path().join(cwd)),
            input: call.input,
            timeout: Some(call.timeout.unwrap_or(self.step_timeout)),
            grace: STOP_GRACE,
            capture_limit: CAPTURE_LIMIT,
            program: match call.command {
                Command::Shell(text) => Program::Shell(text),
                Command::Argv(argv) => Program::Argv(argv),
            },
        };
        let step = Step { job: job.to_owned(), number, title, line: call.line, spec, stop };
        let (executor, recorder, broken) =
            (Arc::clone(&self.executor), self.recorder.clone(), self.broken.clone());
        let running = self.io.spawn(async move {
            let result = step.run(executor, recorder).await;
            if let Err(problem) = &result {
                // A record that cannot be written ends the run: what is not written down must not go on.
                let _gone = broken.send(problem.clone()).await.is_err();
            }
            drop(active);
            result
        });
        Box::pin(async move {
            match running.await {
                Ok(result) => result.map_err(HostError::Broken),
                Err(error) => Err(HostError::Broken(format!("a step was lost: {error}"))),
            }
        })
    }

    fn secret(&self, job: &str, name: &str) -> Result<Vec<u8>, HostError> {
        match self.secrets.get(name) {
            Some(Ok(value)) => {
                if self.recorder.is_unmasked(name) {
                    let warning = format!("warning: the secret `{name}` is too short to be masked");
                    self.recorder.print(Some(job), warning.as_bytes());
                }
                Ok(value)
            }
            Some(Err(problem @ SecretError::NotGranted(_))) => Err(HostError::Refused(format!(
                "{problem}; the operator's config.fnl grants it to others (:repos, :refs)"
            ))),
            Some(Err(SecretError::NotGrantedToWatch { name, watch })) => Err(HostError::Refused(format!(
                "the secret `{name}` is not granted to the watched repository {watch}; in the operator's config.fnl, \
                 :{name} {{:file \"…\" :repos [\"{watch}\"]}} grants it"
            ))),
            Some(Err(problem)) => Err(HostError::Refused(problem.to_string())),
            None => Err(HostError::Refused(self.undeclared(name))),
        }
    }

    fn log(&self, job: Option<&str>, line: &[u8]) {
        self.recorder.print(job, line);
    }

    fn read_file(&self, _job: &str, path: &str) -> HostFuture<Vec<u8>> {
        let (workspace, path) = (self.workspace.clone(), path.to_owned());
        let reading = self.io.spawn_blocking(move || {
            workspace
                .read(&path)
                .map_err(|error| HostError::Refused(format!("could not read `{path}`: {error}")))
        });
        Box::pin(
            async move { reading.await.unwrap_or_else(|error| Err(HostError::Broken(error.to_string()))) },
        )
    }

    fn write_file(&self, _job: &str, path: &str, bytes: Vec<u8>) -> HostFuture<()> {
        let (workspace, path) = (self.workspace.clone(), path.to_owned());
        let writing = self.io.spawn_blocking(move || {
            let written = workspace.write(&path, &bytes);
            written.map_err(|error| HostError::Refused(format!("could not write `{path}`: {error}")))
        });
        Box::pin(
            async move { writing.await.unwrap_or_else(|error| Err(HostError::Broken(error.to_string()))) },
        )
    }
}

impl RunHost {
    /// The error about a secret that nobody declared.
    fn undeclared(&self, name: &str) -> String {
        let names: Vec<&str> = self.secrets.names().map(|name| name.as_str()).collect();
        let near = suggest(name, names.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
        let declared = if names.is_empty() {
            "config.fnl declares no secrets".to_owned()
        } else {
            format!("config.fnl declares {}", names.join(", "))
        };
        format!("no secret is called `{name}`: {declared}{}", near.unwrap_or_default())
    }
}

/// What a step is called when its script does not say: the first line of a text, the words of a list.
fn title(command: &Command) -> String {
    let text = match command {
        Command::Shell(text) => {
            String::from_utf8_lossy(text).trim().lines().next().unwrap_or_default().to_owned()
        }
        Command::Argv(argv) => {
            argv.iter().map(|word| quoted(&String::from_utf8_lossy(word))).collect::<Vec<_>>().join(" ")
        }
    };
    if text.chars().count() <= MAX_TITLE {
        text
    } else {
        text.chars().take(MAX_TITLE - 1).chain(['…']).collect()
    }
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
