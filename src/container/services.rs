//! What runs next to a job: containers that share one network with the job's, and end with it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use super::called_step::image_of;
use super::command_line::Network;
use super::containers::{Containers, refused, run_blocking};
use super::engine::{Called, Engine};
use super::executor::{ContainerExecutor, Role};
use super::request::request;
use crate::executor::{Host, Program, STOP_GRACE, Step, StepContext, asked_to_stop};
use crate::journal::Recorder;
use crate::log::{LogText, Record, Stream, read_end};
use crate::policy::ContainerRequest;
use crate::script::{Command, HostError, Service, StepResult};
use crate::sys::folder::Folder;

/// How long a service may take until it is ready; its image is pulled within it, too.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// How long to wait before a service is asked again whether it is ready.
const READY_PAUSE: Duration = Duration::from_millis(100);

/// How long the command may take that says whether a service is ready; one that hangs is asked again.
const HEALTH_LIMIT: Duration = Duration::from_secs(10);
/// How long a service whose container has ended may take until that is written down.
const GONE_LIMIT: Duration = Duration::from_secs(1);

/// How much of a service's output is kept, in bytes; its log has all of it.
const CAPTURE_LIMIT: usize = 64 << 10;

/// How many lines of a service, or of its health command, a reason has.
const SHOWN_LINES: usize = 3;

/// The longest of these lines, in characters.
const MAX_SHOWN_LINE: usize = 200;

/// How much of the end of a log is read for them, in bytes.
const SHOWN_END: u64 = 16 << 10;

/// What starting services needs.
pub(super) struct Starting {
    pub(super) job: String,
    pub(super) containers: Arc<Containers>,
    pub(super) executor: Arc<Host>,
    pub(super) recorder: Recorder,
    /// Numbers the steps of the job.
    pub(super) steps: Arc<AtomicU32>,
    /// Whether the job has to end.
    pub(super) stop: watch::Receiver<bool>,
    /// How long the step may take that needs them.
    pub(super) timeout: Duration,
    /// The network that they all share.
    pub(super) network: String,
    /// The files of their secrets, by name.
    pub(super) secrets: Vec<Vec<(String, Vec<u8>)>>,
}

/// The services of a running job.
pub(crate) struct Services {
    /// The container whose network the others share.
    owner: String,
    /// Their names, which are hosts for each other and for the job's containers.
    pub(super) hosts: Vec<String>,
    /// The network that it is in.
    pub(super) network: String,
    stop: watch::Sender<bool>,
    tasks: std::sync::Mutex<Vec<Started>>,
    job: String,
    engine: Engine,
    recorder: Recorder,
}

/// A service on its way to being ready.
struct Started {
    name: String,
    /// The number of its step.
    number: u32,
    container: String,
    health: Option<Command>,
    task: JoinHandle<Result<StepResult, HostError>>,
    /// Whether its end was reported.
    is_told: bool,
}

impl Services {
    /// Starts services and waits until all of them are ready.
    ///
    /// # Errors
    /// One is denied, does not start, ends, or does not get ready in time.
    pub(super) async fn start(starting: Starting, services: &[Service]) -> Result<Self, HostError> {
        let mut requests = Vec::with_capacity(services.len());
        for service in services {
            requests.push(decided(&starting, service)?);
        }
        let engine = starting.containers.engine().await?.clone();
        let stop = watch::Sender::new(false);
        let hosts: Vec<String> = services.iter().map(|service| service.name.clone()).collect();
        let mut owner: Option<String> = None;
        let mut started: Vec<Started> = Vec::new();
        let mut failed = None;
        for ((service, request), place) in services.iter().zip(requests).zip(0..) {
            let network = match &owner {
                Some(owner) => Network::Of(owner.clone()),
                None => Network::Named(starting.network.clone()),
            };
            let mut one = launch(&starting, (service, place), (request, network, hosts.clone()), &stop);
            let runs = until_ready(&engine, &mut one, None, &starting).await;
            owner = owner.or(Some(one.container.clone()));
            started.push(one);
            if let Err(problem) = runs {
                failed = Some(problem);
                break;
            }
        }
        for one in &mut started {
            if failed.is_none()
                && let Some(health) = one.health.clone()
            {
                failed = until_ready(&engine, one, Some(&health), &starting).await.err();
            }
        }
        let tasks = std::sync::Mutex::new(started);
        let Starting { network, job, recorder, .. } = starting;
        let owner = owner.unwrap_or_default();
        let services = Self { owner, hosts, network, stop, tasks, job, engine, recorder };
        match failed {
            None => Ok(services),
            Some(problem) => {
                services.end().await;
                Err(problem)
            }
        }
    }

    /// The network that reaches them.
    pub(super) fn shared(&self) -> Network {
        Network::Of(self.owner.clone())
    }

    /// Ends them all, and waits until they are gone. The job's log says which of them had failed before.
    pub(crate) async fn end(&self) {
        self.report(|exit| exit != Some(0)).await;
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.lock());
        for Started { task, .. } in tasks {
            // How it ended is in its log and in the journal; one that was waited for before cannot be again.
            if !task.is_finished() {
                let _ended = task.await;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Started>> {
        self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Says in the job's log of each service that has ended by itself how, once, if its exit is to be reported.
    pub(super) async fn report(&self, is_reported: impl Fn(Option<i32>) -> bool) {
        let untold: Vec<String> =
            self.lock().iter().filter(|one| !one.is_told).map(|one| one.container.clone()).collect();
        for container in untold {
            let (engine, asked) = (self.engine.clone(), container.clone());
            let looked = run_blocking(move || {
                let exit = engine.exit_of(&asked)?;
                Ok((exit.is_none() && engine.is_running(&asked)?, exit))
            });
            let (is_running, exit) = looked.await.unwrap_or((true, None));
            if is_running || !is_reported(exit) {
                continue;
            }
            let is_over = || {
                let services = self.lock();
                services.iter().any(|one| one.container == container && one.task.is_finished())
            };
            // The engine's client knows of the end later than the engine, and now and then not at all.
            let until = Instant::now() + GONE_LIMIT;
            while exit.is_none() && !is_over() && Instant::now() < until {
                tokio::time::sleep(READY_PAUSE).await;
            }
            if let Some(warning) = self.end_of(&container, exit).await {
                self.recorder.print(Some(&self.job), format!("warning: {warning}").as_bytes());
            }
        }
    }

    /// How a service has ended whose container does not run any more.
    async fn end_of(&self, container: &str, exit: Option<i32>) -> Option<String> {
        let (name, number, task) = {
            let mut services = self.lock();
            let place = services.iter().position(|one| one.container == container)?;
            let one = services.get_mut(place)?;
            one.is_told = true;
            let (name, number) = (one.name.clone(), one.number);
            let task = one.task.is_finished().then(|| services.remove(place).task);
            (name, number, task)
        };
        let how = match task {
            None => exit.map(|exit| format!(" with exit {exit}")).unwrap_or_default(),
            Some(task) => match task.await {
                Ok(Ok(end)) => format!(" with exit {}", end.exit),
                Ok(Err(problem)) => format!(": {problem}"),
                Err(error) => format!(": {error}"),
            },
        };
        let lines = last_lines(&self.recorder, &self.job, number);
        Some(format!("the service `{name}` has ended{how}; its log is that of step {number}{lines}"))
    }
}

/// The request of a service, decided about.
fn decided(starting: &Starting, service: &Service) -> Result<ContainerRequest, HostError> {
    let subject = format!("{}/{}", starting.job, service.name);
    let image = image_of(&starting.containers, &starting.job, &subject, &service.image)?;
    let mut asked = request(&subject, image, &service.options).map_err(HostError::Refused)?;
    // They share one; which one was decided for the job.
    asked.network.clone_from(&starting.network);
    starting.containers.decide(&starting.job, &asked)?;
    Ok(asked)
}

fn launch(
    starting: &Starting,
    (service, place): (&Service, usize),
    (request, network, hosts): (ContainerRequest, Network, Vec<String>),
    stop: &watch::Sender<bool>,
) -> Started {
    let number = starting.steps.fetch_add(1, Ordering::Relaxed) + 1;
    let context = StepContext {
        job: starting.job.clone(),
        number,
        program: service.command.clone().map_or_else(|| Program::Argv(Vec::new()), Program::from),
        env: service.env.clone(),
        cwd: None,
        input: None,
        timeout: None,
        grace: STOP_GRACE,
        capture_limit: CAPTURE_LIMIT,
    };
    let executor = ContainerExecutor {
        containers: Arc::clone(&starting.containers),
        host: Arc::clone(&starting.executor),
        request,
        pull: service.options.pull,
        role: Role::Service,
        secrets: starting.secrets.get(place).cloned().unwrap_or_default(),
        network,
        hosts,
    };
    let name = executor.name(&context);
    let title = starting.recorder.redact(&format!("service {}", service.name));
    let step = Step { title, line: None, context, is_service: true, stop: stop.subscribe() };
    let task = tokio::spawn(step.run(executor, starting.recorder.clone()));
    Started {
        name: service.name.clone(),
        number,
        container: name,
        health: service.health.clone(),
        task,
        is_told: false,
    }
}

/// Why the wait for a service is over.
enum Waited {
    Ready(Result<(), HostError>),
    TooLong,
    Stopped,
    Ended(Result<Result<StepResult, HostError>, JoinError>),
}

/// Waits until a service runs, or until its command says that it is ready.
async fn until_ready(
    engine: &Engine,
    one: &mut Started,
    health: Option<&Command>,
    starting: &Starting,
) -> Result<(), HostError> {
    let (container, mut stop) = (one.container.clone(), starting.stop.clone());
    let limit = READY_LIMIT.min(starting.timeout);
    let mut answer = String::new();
    let asking = async {
        loop {
            let (engine, container, health) = (engine.clone(), container.clone(), health.cloned());
            let asked = run_blocking(move || match health {
                None => Ok((engine.is_running(&container)?, None)),
                Some(health) => {
                    let called = engine.exec(&container, &Program::from(health).to_argv(), HEALTH_LIMIT)?;
                    Ok((called.as_ref().is_some_and(|called| called.exit.code() == 0), Some(called)))
                }
            });
            let (is_ready, called) = asked.await.map_err(refused)?;
            if is_ready {
                return Ok(());
            }
            answer = called.map(|called| answered(called, &starting.recorder)).unwrap_or_default();
            tokio::time::sleep(READY_PAUSE).await;
        }
    };
    let waited = tokio::select! {
        () = asked_to_stop(&mut stop) => Waited::Stopped,
        ready = tokio::time::timeout(limit, asking) => ready.map_or(Waited::TooLong, Waited::Ready),
        ended = &mut one.task => Waited::Ended(ended),
    };
    // What was waited for cannot be again.
    one.is_told = matches!(waited, Waited::Ended(_));
    let name = &one.name;
    let lines = || format!("{answer}{}", last_lines(&starting.recorder, &starting.job, one.number));
    Err(match waited {
        Waited::Ready(ready) => return ready,
        Waited::Stopped => {
            HostError::Refused(format!("the job was stopped before its service `{name}` was ready"))
        }
        Waited::TooLong => HostError::Refused(format!(
            "service.not.ready: `{name}` was not ready within {} s{}",
            limit.as_secs_f64(),
            lines()
        )),
        Waited::Ended(Ok(Ok(end))) => HostError::Refused(format!(
            "service.not.ready: `{name}` has ended with exit {} before it was ready{}",
            end.exit,
            lines()
        )),
        Waited::Ended(Ok(Err(problem))) => problem,
        Waited::Ended(Err(error)) => HostError::Broken(error.to_string()),
    })
}

/// What the command of `:health` answered, as the end of a reason.
fn answered(called: Option<Called>, recorder: &Recorder) -> String {
    let Some(called) = called else {
        return format!("; `:health` did not answer within {} s and was ended", HEALTH_LIMIT.as_secs());
    };
    let output = if called.stderr.trim_ascii().is_empty() { &called.stdout } else { &called.stderr };
    let output = shown(&recorder.redact(&String::from_utf8_lossy(output)).into_string());
    let output = if output.is_empty() { output } else { format!(": {output}") };
    format!("; `:health` exited with {}{output}", called.exit.code())
}

/// The last lines of a step, as the end of a reason.
fn last_lines(recorder: &Recorder, job: &str, number: u32) -> String {
    let path = Path::new("log").join(job).join(format!("{number}.log"));
    let log = Folder::open_no_link(recorder.run_dir()).and_then(|run| run.open_file(path));
    let end = log.and_then(|log| read_end(log, SHOWN_END));
    // A reason without them is better than none.
    let records = end.map(|end| end.records).unwrap_or_default();
    let mut text = LogText::default();
    for record in records.iter().map(|record| Record { stream: Stream::Stdout, ..record.clone() }) {
        text.push(&record);
    }
    let lines = shown(&String::from_utf8_lossy(&text.stdout));
    if lines.is_empty() { lines } else { format!("; its last lines: {lines}") }
}

/// The last lines of a text, on one line.
fn shown(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(SHOWN_LINES);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let short = |line: &&str| line.chars().take(MAX_SHOWN_LINE).map(plain).collect::<String>();
    lines.iter().skip(from).map(short).collect::<Vec<_>>().join(" | ")
}
