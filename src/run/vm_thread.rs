//! The thread of the script VM: it evaluates the pipeline, then runs jobs as they are asked for, all on one thread.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, LocalSet};

use super::drive::Outside;
use super::early_vm::ReadyPipeline;
use super::evaluate::Loaded;
use super::watchdog::{Busy, Watchdog};
use crate::journal::{DiagnosticFact, JobOutput};
use crate::model::{Diagnostic, Outcome, Reason, codes};
use crate::pipeline::JobGraph;
use crate::script::{JobEnd, JobFailure, JobHost, JobInputs, Vm};

/// Commands that may wait for the VM.
const MAX_COMMANDS: usize = 1024;

/// A message to the thread of the VM.
enum Command {
    Run { job: usize, id: String, inputs: JobInputs },
    Stop { job: usize },
}

/// What a pipeline turned out to be.
pub(crate) type Evaluated = Result<(JobGraph, Vec<DiagnosticFact<String>>), Vec<Diagnostic>>;

/// A handle to the VM's thread, which ends when this is dropped and its jobs have ended.
pub(crate) struct VmThread {
    commands: mpsc::Sender<Command>,
    /// Never joined: a thread that is stuck must not keep the runner from ending.
    _thread: JoinHandle<()>,
}

impl VmThread {
    /// Starts the thread, with the VM that has evaluated the pipeline, if there is one. What the pipeline turned out to be comes
    /// back once; ends of jobs go to `events`.
    ///
    /// # Errors
    /// The account may not have another thread.
    pub(crate) fn start(
        (loaded, early): ReadyPipeline,
        memory: usize,
        host: Arc<dyn JobHost>,
        events: mpsc::Sender<Outside>,
        watchdog: Watchdog,
    ) -> io::Result<(Self, oneshot::Receiver<Evaluated>)> {
        let (commands, receiver) = mpsc::channel(MAX_COMMANDS);
        let (answer, evaluated) = oneshot::channel();
        let thread = thread::Builder::new().spawn(move || {
            let made = match early {
                Some(early) => {
                    let (vm, evaluated) = early.with_host(host);
                    Ok((vm, Some(evaluated)))
                }
                None => loaded.vm(memory, host).map(|vm| (vm, None)),
            };
            let (vm, evaluated) = match made {
                Ok(made) => made,
                Err(problem) => {
                    let _nobody_waits = answer.send(Err(vec![Diagnostic::error("quire", problem)])).is_err();
                    return;
                }
            };
            let busy = match watchdog.watch(vm.pulse()) {
                Ok(busy) => busy,
                // Nothing answers then, and the run has not begun.
                Err(error) => return tracing::error!(%error, "the watchdog could not be started"),
            };
            serve((Rc::new(vm), evaluated), loaded, (receiver, answer), events, &busy);
        })?;
        Ok((Self { commands, _thread: thread }, evaluated))
    }

    /// Begins a job; its end comes as an event.
    pub(crate) async fn run(&self, job: usize, id: &str, inputs: JobInputs) {
        // A thread that is gone has ended the run already.
        let _gone = self.commands.send(Command::Run { job, id: id.to_owned(), inputs }).await.is_err();
    }

    /// Stops a job where it is; its end comes as an event.
    pub(crate) async fn stop(&self, job: usize) {
        let _gone = self.commands.send(Command::Stop { job }).await.is_err();
    }
}

/// Evaluates what is not evaluated, then handles messages until the channel is closed.
fn serve(
    (vm, evaluated): (Rc<Vm>, Option<Evaluated>),
    loaded: Loaded,
    (mut commands, answer): (mpsc::Receiver<Command>, oneshot::Sender<Evaluated>),
    events: mpsc::Sender<Outside>,
    busy: &Busy,
) {
    let (wakes, sleeps) = (busy.clone(), busy.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .on_thread_unpark(move || wakes.begin())
        .on_thread_park(move || sleeps.end())
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _nobody_waits =
                answer.send(Err(vec![Diagnostic::error("quire", error.to_string())])).is_err();
            return;
        }
    };
    busy.begin();
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let evaluated = match evaluated {
            Some(evaluated) => evaluated,
            None => loaded.evaluate(&vm).await,
        };
        let loaded = Arc::new(loaded);
        if answer.send(evaluated).is_err() {
            return;
        }
        let mut running: HashMap<usize, AbortHandle> = HashMap::new();
        while let Some(command) = commands.recv().await {
            match command {
                Command::Run { job, id, inputs } => {
                    let (call, events, loaded) =
                        (vm.run_job(&id, inputs), events.clone(), Arc::clone(&loaded));
                    let vm = Rc::clone(&vm);
                    let task = tokio::task::spawn_local(async move {
                        let end = call.await;
                        let output = output(&vm, &id, &end);
                        let _gone = events.send(ended(job, &end, &loaded, output)).await.is_err();
                    });
                    running.insert(job, task.abort_handle());
                }
                Command::Stop { job } => {
                    if let Some(task) = running.remove(&job).filter(|task| !task.is_finished()) {
                        task.abort();
                        let (outcome, reason) = (Outcome::Cancelled, None);
                        let stopped = Outside::VmEnded { job, outcome, reason, output: None };
                        let _gone = events.send(stopped).await.is_err();
                    }
                }
            }
        }
    });
    busy.end();
}

/// How a job's function ended, as an event.
fn ended(job: usize, end: &JobEnd, loaded: &Loaded, output: Option<JobOutput<String>>) -> Outside {
    let why = |code: &str, text: String| Some(Reason::new(code, text));
    let (outcome, reason) = match end {
        JobEnd::Passed => (Outcome::Passed, None),
        JobEnd::Skipped => (Outcome::Skipped, why(codes::NOTHING_TO_DO, "it had nothing to do".to_owned())),
        JobEnd::Denied(reason) => (Outcome::Denied, Some(Reason::clone(reason))),
        JobEnd::OutOfMemory => return Outside::OutOfMemory { job },
        JobEnd::Failed(JobFailure::Script(error)) => {
            let mut diagnostic = loaded.diagnostic(error);
            let hints = diagnostic.help.take().into_iter().collect();
            let text = diagnostic.render();
            let text = text.trim_start_matches("error: ").trim_end();
            (Outcome::Failed, Some(Reason { hints, ..Reason::new(codes::SCRIPT_ERROR, text) }))
        }
        JobEnd::Failed(JobFailure::Step(step)) if step.timed_out => {
            (Outcome::TimedOut, why(codes::STEP_TIMED_OUT, step.to_string()))
        }
        JobEnd::Failed(JobFailure::Step(step)) => {
            (Outcome::Failed, why(codes::STEP_FAILED, step.to_string()))
        }
        JobEnd::Failed(failure @ (JobFailure::Returned { .. } | JobFailure::Host(_))) => {
            (Outcome::Failed, why(codes::JOB_FAILED, failure.to_string()))
        }
    };
    Outside::VmEnded { job, outcome, reason, output }
}

/// What a job that passed gives to those that need it; nothing when it gives nothing.
fn output(vm: &Vm, id: &str, end: &JobEnd) -> Option<JobOutput<String>> {
    if *end != JobEnd::Passed {
        return None;
    }
    let output = vm.outputs_json(id)?.map_err(|error| error.to_string());
    (output != Ok(serde_json::Value::Null)).then(|| JobOutput::new(output))
}
