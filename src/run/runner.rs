//! Leading one run: evaluates the pipeline, waits for its slot, runs the jobs, and ends with nothing left behind.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::artifacts::RunArtifacts;
use super::assignment::Assignment;
use super::confine::Confiner;
use super::control::{Inbox, RunnerInbox};
use super::drive::{Drive, Ended, Outside, drive};
use super::early_vm::ReadyPipeline;
use super::evaluate::{Loaded, job_facts};
use super::filling::{Fill, Filled, Filling};
use super::fired::Fired;
use super::job_slot::JobSlots;
use super::kept_jobs::KeptJobs;
use super::lease::Lost;
use super::order::{Grant, Order, RunLimits};
use super::pipeline_watch::PipelineWatch;
use super::repeat::EarlierRun;
use super::run_host::RunHost;
use super::speculation::Prepared;
use super::state::{Event, RunState};
use super::subject::Subject;
use super::up_front::{decide_up_front, no_job};
use super::vm_thread::VmThread;
use super::watchdog::{Unheard, Watchdog, end_runner};
use crate::container::{Containers, ImageSource, forget};
use crate::event::{RerunScope, Start};
use crate::executor::{Containment, Environment, Host, Orphans, Workspace};
use crate::journal::{DiagnosticFact, Fact, LOG_FOLDER, OpenedRun, Recorder, StopReason};
use crate::model::{
    Diagnostic, InstanceId, Outcome, Reason, RunId, RunMark, SecretName, Severity, chain, codes,
};
use crate::pipeline::{JobGraph, PipelineFiles};
use crate::policy::Policy;
use crate::script::VmPulse;
use crate::secret::{Redactor, SecretValues, Secrets as _};
use crate::sys::late_stderr;
use crate::sys::remove_tree::remove_tree;

/// Events that may wait for the driver.
const MAX_EVENTS: usize = 1024;

/// The exit status of a process whose pipeline cannot be used, as of `quire ci`.
const EXIT_UNUSABLE: i32 = 2;

/// Why a runner could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// It was not given what it needs.
    #[error("the runner was not given a run")]
    Spec(#[source] io::Error),
    /// What it was given makes no sense.
    #[error("the runner was given an invalid run: {0}")]
    NoSpec(String),
    /// This process does not lead the run any more: the end is not its business.
    #[error("the run cannot continue here: {0}")]
    Fenced(String),
    /// Something could not be written down: the run ends as interrupted.
    #[error("the run cannot continue: {0}")]
    Broken(String),
}

/// What is to be executed, no matter where it comes from.
pub struct Execution {
    /// Whose its processes and containers are.
    pub mark: RunMark,
    /// Where everything is written down.
    pub recorder: Recorder,
    /// The secrets of the run.
    pub secrets: SecretValues,
    /// What every step begins with.
    pub environment: Environment,
    /// Where the files will be.
    pub workspace: Workspace,
    /// What must not be exceeded.
    pub limits: RunLimits,
    /// The pipeline's files.
    pub files: PipelineFiles,
    /// The pipeline, when it is compiled already.
    pub loaded: Option<ReadyPipeline>,
    /// The folder of compiled pipelines.
    pub cache: Option<PathBuf>,
    /// What of the pipeline is started.
    pub start: Start,
    /// The run that this one repeats in part, and which part.
    pub earlier: Option<(EarlierRun, RerunScope)>,
    /// Where messages to the run are received.
    pub inbox: Option<Box<dyn Inbox>>,
    /// What says that this process does not lead the run any more.
    pub lost: Lost,
    /// What came with the right to lead the run.
    pub grant: Grant,
    /// Whether a newer push stops jobs that do not say.
    pub interruptible: bool,
    /// How steps are isolated from the machine.
    pub confiner: Arc<Confiner>,
    /// Whose orphans this process adopts.
    pub orphans: Orphans,
    /// What follows when its script does not listen: the process has to end.
    pub unheard: Unheard,
    /// What its containers may.
    pub policy: Policy,
    /// What container engines read of the environment that quire was started with.
    pub engine_environment: BTreeMap<OsString, OsString>,
    /// Folders that each container of a step can read, and where it finds them.
    pub mounts: Vec<(PathBuf, &'static str)>,
}

/// Leads the run of an assignment.
pub(super) fn lead(
    given: &Assignment,
    inbox: RunnerInbox,
    (lost, prepared): (Lost, Option<Prepared>),
) -> Result<(), RunnerError> {
    let Assignment { order, place, grant, .. } = given;
    let wrong = |what: &str| RunnerError::NoSpec(what.to_owned());
    // What the runner has to say about itself: the server's terminal may be gone.
    late_stderr::send_to(place.run_dir.clone(), "runner.log");
    // What an attempt left that never began: its logs are of nothing.
    remove_tree(&place.run_dir.join(LOG_FOLDER)).map_err(|left| RunnerError::Spec(left.into()))?;
    let secrets = place.secrets.values(&order.secrets);
    let redactor = Redactor::new(secrets.known());
    let recorder = Recorder::open(&place.run_dir, redactor, order.limits.log_bytes)
        .map_err(|error| RunnerError::Broken(chain(&error)))?;
    let mark = RunMark {
        instance: InstanceId::parse(&place.instance).map_err(|_| wrong("instance"))?,
        run: RunId::parse(&order.id).map_err(|_| wrong("id"))?,
    };
    let event = order.event.clone().parse().map_err(|error| wrong(&chain(&error)))?;
    write(&recorder, opened(order))?;
    record_decisions(&recorder, order)?;
    if let Some(denied) = &order.denied {
        return end(&recorder, (Outcome::Denied, Some(denied.clone())));
    }
    let start = Start { only: order.only.clone(), ..event.start() };
    let event_of_folder = event.clone();
    let earlier = order.earlier.clone().zip(event.as_rerun().map(|rerun| rerun.what().clone()));
    let of_what = match &order.work {
        Some(work) => Subject::folder(order, place, (mark, work), (event_of_folder, &secrets)),
        None => Subject::commit(order, place, (event, &secrets), prepared)?,
    };
    let Subject { files, loaded, fill, workspace, environment, confiner, mounts } = match of_what {
        Ok(of_what) => of_what,
        Err((code, why)) => return end(&recorder, (Outcome::Failed, Some(Reason::new(code, why)))),
    };
    let execution = Execution {
        mark,
        mounts,
        recorder: recorder.clone(),
        secrets,
        environment,
        workspace,
        limits: order.limits.clone(),
        files,
        loaded,
        start,
        earlier,
        cache: Some(place.cache_dir.clone()),
        inbox: Some(Box::new(inbox)),
        lost,
        grant: *grant,
        interruptible: order.interruptible,
        confiner,
        orphans: Orphans::OfSteps,
        unheard: end_runner(recorder.clone(), EXIT_UNUSABLE),
        policy: order.policy.clone().at(place.policy.clone()),
        engine_environment: variables(&place.engine_environment),
    };
    let workspace = execution.workspace.clone();
    let ended = execute(execution, fill)?;
    remove(&workspace, order.work.is_some().then_some(mark));
    end(&recorder, ended)
}

/// Removes what a run that has ended does not need; `mark` is that of a run that has files in memory.
fn remove(workspace: &Workspace, mark: Option<RunMark>) {
    if let Err(error) = workspace.remove() {
        tracing::warn!(%error, "the workspace could not be removed");
    }
    if let Some(Err(error)) = mark.map(forget) {
        tracing::warn!(%error, "something of the run may be left in memory");
    }
}

/// Records what the policy has decided before the run; a run that is denied has no jobs.
fn record_decisions(recorder: &Recorder, order: &Order) -> Result<(), RunnerError> {
    let first = order.work.as_ref().filter(|_| order.denied.is_none()).and_then(|work| work.jobs.first());
    let job = first.map_or(&order.repo, |job| &job.id);
    let mut decisions = order.decisions.iter().cloned();
    decisions.try_for_each(|decision| write(recorder, Fact::PolicyDecision { job: job.clone(), decision }))
}

/// Pairs as an environment.
pub(super) fn variables(pairs: &[(String, String)]) -> BTreeMap<OsString, OsString> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn write(recorder: &Recorder, fact: Fact<String>) -> Result<(), RunnerError> {
    recorder.write(fact).map_err(|error| RunnerError::Broken(chain(&error)))
}

fn end(recorder: &Recorder, ended: Ended) -> Result<(), RunnerError> {
    recorder.write_end(ended).map_err(|error| RunnerError::Broken(chain(&error)))
}

fn opened(order: &Order) -> Fact<String> {
    let run = OpenedRun {
        repo: order.repo.clone(),
        number: order.number,
        id: order.id.clone(),
        event: Some(order.event.clone()),
        runner: std::process::id(),
    };
    Fact::RunOpened { run: Box::new(run) }
}

/// Executes a run up to its end, and leaves no process of it behind; `fill` puts its files into the workspace.
///
/// # Errors
/// When something could not be written down.
pub fn execute(execution: Execution, fill: Fill) -> Result<Ended, RunnerError> {
    let workspace = execution.workspace.clone();
    let ended = execute_filled(execution, fill);
    workspace.end_filling();
    ended
}

fn execute_filled(mut execution: Execution, fill: Fill) -> Result<Ended, RunnerError> {
    let runtime = runtime()?;
    // Beside the evaluation.
    let filling = Filling::start(fill, execution.workspace.clone(), runtime.handle());
    let loaded = match execution.loaded.take() {
        Some(ready) => Ok(ready),
        None => load(&execution)?.map(|loaded| (loaded, None)),
    };
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            runtime.shutdown_background();
            return broken(&execution.recorder, &diagnostics);
        }
    };
    let executor = Host::new(execution.mark, Containment::Cgroup, execution.orphans)
        .map_err(|error| RunnerError::Broken(chain(&error)))?;
    let (executor, recorder) = (Arc::new(executor), execution.recorder.clone());
    let conducted = conduct(execution, (loaded, filling), runtime.handle().clone(), Arc::clone(&executor));
    let ended = runtime.block_on(conducted);
    // The VM's thread may hold it for ever.
    executor.clear();
    // What is still running belongs to nobody: a thread that is stuck is not waited for.
    runtime.shutdown_background();
    match ended {
        Err(RunnerError::Broken(why)) if recorder.is_fenced() => Err(RunnerError::Fenced(why)),
        Ok(_) if recorder.is_fenced() => Err(RunnerError::Fenced("another process leads the run".to_owned())),
        ended => ended,
    }
}

/// Compiles the pipeline. When that does not end, the run does, and with it the process.
fn load(execution: &Execution) -> Result<Result<Loaded, Vec<Diagnostic>>, RunnerError> {
    let pulse = Arc::new(VmPulse::new());
    let (recorder, workspace) = (execution.recorder.clone(), execution.workspace.clone());
    let unheard = Arc::clone(&execution.unheard);
    let late = move |mistake: Diagnostic| {
        if let Err(error) = workspace.remove() {
            tracing::warn!(%error, "the workspace could not be removed");
        }
        let ended = broken(&recorder, &[mistake]);
        unheard(
            ended.unwrap_or_else(|error| (Outcome::Failed, Some(Reason::new(codes::OTHER, chain(&error))))),
        );
    };
    let watch = PipelineWatch::of_compilation(&pulse, &execution.files, late);
    let _watch = watch.map_err(|error| RunnerError::Broken(format!("could not start a thread: {error}")))?;
    Ok(Loaded::new(&execution.files, execution.cache.as_deref(), &pulse))
}

/// The runtime of the driver and the steps, on this thread: most runs do one thing at a time.
fn runtime() -> Result<tokio::runtime::Runtime, RunnerError> {
    let build = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    // It panics when the account may not have another thread, which is not the fault of the run.
    let built = std::panic::catch_unwind(build);
    let built = built.unwrap_or_else(|_| Err(io::Error::other("no thread could be started")));
    built.map_err(|error| RunnerError::Broken(format!("could not start the runtime: {error}")))
}

/// The end of a run whose pipeline cannot be used.
fn broken(recorder: &Recorder, diagnostics: &[Diagnostic]) -> Result<Ended, RunnerError> {
    write(recorder, Fact::Broken { diagnostics: diagnostics.iter().map(DiagnosticFact::from).collect() })?;
    let count = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    let mistakes = if count == 1 { "a mistake".to_owned() } else { format!("{count} mistakes") };
    let text = format!("the pipeline cannot be used: it has {mistakes}");
    Ok((Outcome::Failed, Some(Reason::new(codes::PIPELINE, text))))
}

async fn conduct(
    execution: Execution,
    (loaded, filling): (ReadyPipeline, Filling),
    io: tokio::runtime::Handle,
    executor: Arc<Host>,
) -> Result<Ended, RunnerError> {
    let (recorder, workspace) = (execution.recorder.clone(), execution.workspace.clone());
    let failed = |problem: String| RunnerError::Broken(recorder.redact(&problem).into_string());
    let (sender, receiver) = mpsc::channel(MAX_EVENTS);
    let (policy, variables) = (execution.policy, execution.engine_environment);
    let source = ImageSource::new(execution.files.others);
    let containers = Containers::new(execution.mark, policy, variables, recorder.clone(), source);
    let containers = Arc::new(containers.inheriting(&execution.environment).with_folders(execution.mounts));
    let artifacts = Arc::new(RunArtifacts::new(&recorder, &workspace, execution.limits.artifact_bytes));
    let host = Arc::new(RunHost {
        io,
        executor,
        recorder: recorder.clone(),
        secrets: Arc::new(execution.secrets),
        workspace: execution.workspace,
        environment: execution.environment,
        confiner: Arc::clone(&execution.confiner),
        step_timeout: Duration::from_millis(execution.limits.step_timeout_ms),
        jobs: JobSlots::default(),
        containers: Arc::clone(&containers),
        artifacts: Arc::clone(&artifacts),
        broken: forward_broken(sender.clone()),
    });
    let watchdog = Watchdog::new(workspace, Arc::clone(&containers), execution.unheard);
    let started = VmThread::start(loaded, execution.limits.vm_memory, host.clone(), sender.clone(), watchdog);
    let (vm, evaluated) = started.map_err(|error| failed(format!("could not start a thread: {error}")))?;
    let evaluated = evaluated.await.map_err(|_| failed("the VM's thread is gone".to_owned()))?;
    let (graph, diagnostics) = match evaluated {
        Ok(evaluated) => started_part(evaluated, &execution.start, unmasked(&recorder, &host.secrets)),
        Err(diagnostics) => return broken(&recorder, &diagnostics),
    };
    let kept = KeptJobs::new(&graph, execution.earlier.as_ref());
    // Before the jobs are known: who waits for them hears at once that none of them begins.
    let asked = (&execution.start, &*execution.confiner);
    let ended = before_jobs(&kept, &graph, asked, &containers).await.map_err(failed)?;
    write(&recorder, Fact::Evaluated { jobs: job_facts(&graph), diagnostics })?;
    let kept = kept.unwrap_or_default();
    kept.record(&recorder).map_err(|error| failed(chain(&error)))?;
    if let Some(ended) = ended {
        return Ok(ended);
    }
    if let Some(inbox) = execution.inbox {
        inbox.open(sender.clone()).map_err(|error| failed(error.to_string()))?;
    }
    end_when_lost(execution.lost, recorder.clone(), sender.clone());
    let (grant, graph) = (execution.grant, graph.interruptible_by_default(execution.interruptible));
    let led = Drive {
        state: RunState::new(graph, execution.limits.jobs).keeping(kept.ends()),
        kept_outputs: kept.outputs(),
        host,
        vm,
        recorder: recorder.clone(),
        events: (sender, receiver),
        fired: Fired::new(),
        run_timeout: Duration::from_millis(execution.limits.run_timeout_ms),
    };
    let ended = follow_through(led, grant, filling).await;
    sweep(containers, artifacts).await.map_err(failed)?;
    ended.map_err(failed)
}

/// The jobs of a pipeline that are started, and all that is said about it.
fn started_part(
    (whole, warnings): (JobGraph, Vec<DiagnosticFact<String>>),
    start: &Start,
    unmasked: Vec<DiagnosticFact<String>>,
) -> (JobGraph, Vec<DiagnosticFact<String>>) {
    let unstarted = whole.unstarted_names(start);
    let unstarted = unstarted.iter().map(DiagnosticFact::from);
    (whole.started_by(start), unstarted.chain(warnings).chain(unmasked).collect())
}

/// Ends the containers of clients that were killed, and removes copies of artifacts that were not kept.
async fn sweep(containers: Arc<Containers>, artifacts: Arc<RunArtifacts>) -> Result<(), String> {
    let swept = tokio::task::spawn_blocking(move || {
        artifacts.finish();
        containers.sweep();
    });
    swept.await.map_err(|error| error.to_string())
}

/// The end of a run none of whose jobs can begin: there are none, or what they ask for is not there, or is denied.
async fn before_jobs(
    kept: &Result<KeptJobs, Reason>,
    graph: &JobGraph,
    (start, confiner): (&Start, &Confiner),
    containers: &Arc<Containers>,
) -> Result<Option<Ended>, String> {
    let kept = match kept {
        Err(reason) => return Ok(Some((Outcome::Failed, Some(reason.clone())))),
        Ok(_) if graph.jobs().is_empty() => return Ok(Some((Outcome::Skipped, Some(no_job(start))))),
        Ok(kept) => kept,
    };
    let repeated = kept.repeated(graph);
    match confiner.settle(&repeated) {
        Err(reason) => Ok(Some((Outcome::Failed, Some(Reason::new(codes::NOT_STARTED, reason))))),
        Ok(()) => decide_up_front(containers, &repeated).await,
    }
}

/// Waits for the run's slot and its files, and drives it to its end.
async fn follow_through(mut led: Drive, grant: Grant, filling: Filling) -> Result<Ended, String> {
    let over = match admit(&mut led, grant).await {
        Ok(None) => {
            return match filling.wait(&mut led).await? {
                Filled::Files(fired) => drive(Drive { fired, ..led }).await,
                Filled::Nothing(ended) => Ok(ended),
            };
        }
        Ok(Some(ended)) => Ok(ended),
        Err(problem) => Err(problem),
    };
    filling.abandon().await;
    over
}

/// Waits until the jobs may begin; a run that was superseded may end here.
async fn admit(led: &mut Drive, grant: Grant) -> Result<Option<Ended>, String> {
    if let Some(by) = grant.superseded_by {
        let superseded = Event::StopAsked(StopReason::Superseded { by });
        if let Some(ended) = led.happen(superseded).await? {
            return Ok(Some(ended));
        }
    }
    if grant.has_slot { Ok(None) } else { led.wait_for_slot().await }
}

/// Warnings about secrets that are too short to be masked.
fn unmasked(recorder: &Recorder, secrets: &SecretValues) -> Vec<DiagnosticFact<String>> {
    let warning = |name: &SecretName| {
        let is_argument = secrets.argument(name.as_str()).is_some();
        let file = if is_argument { format!("--{name}") } else { "config.fnl".to_owned() };
        let message = format!("the secret `{name}` has fewer than 4 bytes and is not masked in output");
        let diagnostic = Diagnostic::error(file, message).help("choose a longer value");
        DiagnosticFact::from(&Diagnostic { severity: Severity::Warning, ..diagnostic })
    };
    recorder.unmasked().iter().map(warning).collect()
}

/// The way for quire's own failures to the driver.
fn forward_broken(events: mpsc::Sender<Outside>) -> mpsc::Sender<String> {
    let (sender, mut receiver) = mpsc::channel::<String>(1);
    tokio::spawn(async move {
        while let Some(problem) = receiver.recv().await {
            let _gone = events.send(Outside::Broken(problem)).await.is_err();
        }
    });
    sender
}

/// Ends the run, without an end of its own, when another process may lead it.
fn end_when_lost(lost: Lost, recorder: Recorder, events: mpsc::Sender<Outside>) {
    tokio::spawn(async move {
        let why = lost.await;
        recorder.fence();
        let _ended = events.send(Outside::Broken(why)).await.is_err();
    });
}
