//! The shell around [`step`]: waits for what happens, makes an event of it, performs the actions. Decides nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::control::Message;
use super::fired::Fired;
use super::run_host::RunHost;
use super::state::{Action, Event, RunState};
use super::step::step;
use super::vm_thread::VmThread;
use crate::event::Source;
use crate::journal::{Fact, JobOutput, Recorder, StopReason};
use crate::model::{Outcome, Reason, chain, codes, format_duration};
use crate::pipeline::argument::{ArgSpec, completed};
use crate::pipeline::{Job, Need};
use crate::script::{JobArguments, JobInput, JobInputs};

/// What comes from outside of the decisions.
#[derive(Debug)]
pub enum Outside {
    /// The function of a job has ended; its steps may still be running.
    VmEnded {
        /// The job.
        job: usize,
        /// How.
        outcome: Outcome,
        /// Why, unless it passed.
        reason: Option<Reason>,
        /// What it gives to those that need it.
        output: Option<JobOutput<String>>,
    },
    /// A job noticed that the VM's memory is used up.
    OutOfMemory {
        /// The job.
        job: usize,
    },
    /// A job has ended, and no step of it is still running.
    JobClosed {
        /// The job.
        job: usize,
        /// How.
        outcome: Outcome,
        /// Why, unless it passed.
        reason: Option<Reason>,
    },
    /// The server said something.
    Message(Message),
    /// The time of a job is over.
    JobDeadline {
        /// The job.
        job: usize,
        /// The time that it had.
        limit: Duration,
    },
    /// The time of the run is over.
    RunDeadline,
    /// quire itself could not do its work.
    Broken(String),
}

/// What a run is driven with.
pub struct Drive {
    /// The decisions' state.
    pub(crate) state: RunState,
    /// What jobs ask for.
    pub(crate) host: Arc<RunHost>,
    pub(crate) vm: VmThread,
    /// Where everything is written down.
    pub(crate) recorder: Recorder,
    /// What comes from outside, and the way for more of it.
    pub(crate) events: (mpsc::Sender<Outside>, mpsc::Receiver<Outside>),
    /// What the event sources give that fired.
    pub(crate) fired: Fired,
    /// What kept jobs gave in the run that this one repeats in part, by their places.
    pub(crate) kept_outputs: HashMap<usize, serde_json::Value>,
    /// How long the run may take, from its start.
    pub(crate) run_timeout: Duration,
}

/// How a run ended.
pub type Ended = (Outcome, Option<Reason>);

impl Drive {
    /// Waits until the run has its slot; a run that is asked to stop before may end here.
    ///
    /// # Errors
    /// When something could not be written down.
    pub(crate) async fn wait_for_slot(&mut self) -> Result<Option<Ended>, String> {
        loop {
            let outside = self.events.1.recv().await;
            if matches!(outside, Some(Outside::Message(Message::Go {}))) {
                return Ok(None);
            }
            if let Some(ended) = self.before_start(outside).await? {
                return Ok(Some(ended));
            }
        }
    }

    /// Takes up what comes before the first job begins.
    ///
    /// # Errors
    /// When something could not be written down, or nothing comes any more.
    pub(crate) async fn before_start(&mut self, outside: Option<Outside>) -> Result<Option<Ended>, String> {
        match outside {
            Some(Outside::Message(Message::Stop { reason })) => self.stop(reason).await,
            Some(Outside::Broken(problem)) => Err(problem),
            Some(_) => Ok(None),
            None => Err("the runner has lost its events".to_owned()),
        }
    }

    /// Asks the run to stop.
    ///
    /// # Errors
    /// When something could not be written down.
    pub(crate) async fn stop(&mut self, reason: StopReason) -> Result<Option<Ended>, String> {
        self.happen(Event::StopAsked(reason)).await
    }

    /// Decides about one event and performs what follows.
    ///
    /// # Errors
    /// When something could not be written down.
    pub(crate) async fn happen(&mut self, event: Event) -> Result<Option<Ended>, String> {
        for action in step(&mut self.state, event) {
            if let Some(ended) = self.perform(action).await? {
                return Ok(Some(ended));
            }
        }
        Ok(None)
    }

    async fn perform(&mut self, action: Action) -> Result<Option<Ended>, String> {
        match action {
            Action::StartJob { job } => self.start_job(job).await?,
            Action::StopJob { job } => {
                self.host.stop_job(&self.name(job));
                self.vm.stop(job).await;
            }
            Action::RecordJobEnd { job, outcome, reason } => {
                self.record(Fact::job_ended(self.name(job), (outcome, reason))).await?;
            }
            Action::RecordStop(reason) => self.record(Fact::StopAsked { reason }).await?,
            Action::EndRun { outcome, reason } => return Ok(Some((outcome, reason))),
        }
        Ok(None)
    }

    async fn start_job(&mut self, job: usize) -> Result<(), String> {
        let name = self.name(job);
        self.record(Fact::JobStarted { job: name.clone() }).await?;
        if let Some(declared) = self.state.graph().jobs().get(job) {
            self.host.open_job(&name, &declared.options);
        }
        self.vm.run(job, &name, self.inputs(job)).await;
        Ok(())
    }

    /// What a source gives to a job. In a container the repository is not there.
    fn given_by(&self, source: &Source, job: Option<&Job>) -> Option<serde_json::Value> {
        let is_boxed = job.is_some_and(|job| job.options.image.is_some());
        let mut given = self.fired.get(source)?.clone();
        if let Some(fields) = given.as_object_mut().filter(|_| is_boxed) {
            fields.remove("git-dir");
        }
        Some(given)
    }

    /// Writes a fact; one that waits for the disk does so off the runtime.
    async fn record(&self, fact: Fact<String>) -> Result<(), String> {
        let recorder = self.recorder.clone();
        let written = if fact.is_an_end() {
            match tokio::task::spawn_blocking(move || recorder.write(fact)).await {
                Ok(written) => written,
                Err(error) => return Err(error.to_string()),
            }
        } else {
            recorder.write(fact)
        };
        written.map_err(|error| chain(&error))
    }

    fn name(&self, job: usize) -> String {
        self.state.graph().jobs().get(job).map(|job| job.id.to_string()).unwrap_or_default()
    }

    /// What a job gets from what it needs.
    fn inputs(&self, job: usize) -> JobInputs {
        let jobs = self.state.graph().jobs();
        let asking = jobs.get(job);
        let needs = asking.map(|job| job.needs.as_slice()).unwrap_or_default();
        let input = |need: &Need| match need {
            Need::Source(source) => {
                self.given_by(source, asking).map(|given| (source.name().to_owned(), JobInput::Json(given)))
            }
            Need::Job(index) => {
                let kept = self.kept_outputs.get(index).cloned();
                jobs.get(*index).map(|job| (job.id.to_string(), kept.map_or(JobInput::Job, JobInput::Json)))
            }
        };
        let arguments = asking.and_then(|job| job.options.arguments.as_deref());
        let arguments = arguments.map(|specs| (String::new(), JobInput::Arguments(self.arguments(specs))));
        needs.iter().filter_map(input).chain(arguments).collect()
    }

    /// The arguments of a job that declares these.
    fn arguments(&self, specs: &[ArgSpec]) -> JobArguments {
        let given = self.fired.get(&Source::Manual).and_then(|given| given.get("args")?.as_object());
        let given = given.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect();
        let is_given = |spec: &ArgSpec| spec.is_secret && self.host.secrets.argument(&spec.name).is_some();
        let declared = specs.iter().map(|spec| (spec.name.clone(), is_given(spec))).collect();
        JobArguments { values: completed(specs, &given), declared }
    }
}

/// Drives a run that has its slot to its end.
///
/// # Errors
/// When something could not be written down: nothing may continue then.
pub async fn drive(mut drive: Drive) -> Result<Ended, String> {
    let mut timers = Timers { events: drive.events.0.clone(), jobs: HashMap::new() };
    drive.record(Fact::RunStarted {}).await?;
    let run_timer = timers.after(drive.run_timeout, Outside::RunDeadline);
    let mut ended = drive.happen(Event::Started).await?;
    timers.arm(&drive.state);
    while ended.is_none() {
        let Some(outside) = drive.events.1.recv().await else {
            return Err("the runner has lost its events".to_owned());
        };
        let event = match outside {
            Outside::VmEnded { job, outcome, reason, output } => {
                if let Some(output) = output {
                    drive.record(Fact::JobOutput { job: drive.name(job), output }).await?;
                }
                close(&drive, job, outcome, reason);
                continue;
            }
            Outside::OutOfMemory { job } => {
                close(&drive, job, Outcome::Failed, Some(Reason::new(codes::OUT_OF_MEMORY, "out of memory")));
                Event::StopAsked(StopReason::OutOfMemory {})
            }
            Outside::JobClosed { job, outcome, reason } => {
                timers.disarm(job);
                Event::JobEnded { job, outcome, reason }
            }
            Outside::Message(Message::Go {}) => continue,
            Outside::Message(Message::Stop { reason }) => Event::StopAsked(reason),
            Outside::JobDeadline { job, limit } => {
                Event::JobDeadlinePassed { job, limit: format_duration(limit) }
            }
            Outside::RunDeadline => Event::StopAsked(StopReason::TimedOut {}),
            Outside::Broken(problem) => return Err(problem),
        };
        ended = drive.happen(event).await?;
        timers.arm(&drive.state);
    }
    run_timer.abort();
    ended.ok_or_else(|| "the run has no end".to_owned())
}

/// Waits in a task of its own until no step of a job is still running, then says so.
fn close(drive: &Drive, job: usize, outcome: Outcome, reason: Option<Reason>) {
    let (host, name, events) = (Arc::clone(&drive.host), drive.name(job), drive.events.0.clone());
    tokio::spawn(async move {
        let (outcome, reason) = host.close_job(&name, (outcome, reason)).await;
        let _gone = events.send(Outside::JobClosed { job, outcome, reason }).await.is_err();
    });
}

/// The deadlines of the running jobs.
struct Timers {
    events: mpsc::Sender<Outside>,
    jobs: HashMap<usize, AbortHandle>,
}

impl Timers {
    fn after(&self, time: Duration, outside: Outside) -> AbortHandle {
        let events = self.events.clone();
        let timer = tokio::spawn(async move {
            tokio::time::sleep(time).await;
            let _gone = events.send(outside).await.is_err();
        });
        timer.abort_handle()
    }

    /// Starts the timer of every running job that has a limit.
    fn arm(&mut self, state: &RunState) {
        for (job, (declared, at)) in state.graph().jobs().iter().zip(state.jobs()).enumerate() {
            let goes_on = matches!(at, super::state::JobState::Running { .. });
            if let Some(limit) = declared.options.timeout.filter(|_| goes_on)
                && !self.jobs.contains_key(&job)
            {
                let timer = self.after(limit, Outside::JobDeadline { job, limit });
                self.jobs.insert(job, timer);
            }
        }
    }

    fn disarm(&mut self, job: usize) {
        if let Some(timer) = self.jobs.remove(&job) {
            timer.abort();
        }
    }
}
