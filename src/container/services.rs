//! What runs next to a job: containers that share one network with the job's, and end with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::called_step::image_of;
use super::command_line::Network;
use super::containers::{Containers, refused, run_blocking};
use super::engine::Engine;
use super::executor::{ContainerExecutor, Role};
use super::request::request;
use crate::executor::{Host, Program, STOP_GRACE, Step, StepContext, asked_to_stop};
use crate::journal::Recorder;
use crate::policy::ContainerRequest;
use crate::script::{Command, HostError, Service, StepResult};

/// How long a service may take until it is ready; its image is pulled within it, too.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// How long to wait before a service is asked again whether it is ready.
const READY_PAUSE: Duration = Duration::from_millis(100);

/// How long the command may take that says whether a service is ready; one that hangs is asked again.
const HEALTH_LIMIT: Duration = Duration::from_secs(10);
/// How long a service whose container has ended may take until that is written down.
const GONE_LIMIT: Duration = Duration::from_secs(1);

/// How much of a service's output is kept to say why it ended, in bytes.
const CAPTURE_LIMIT: usize = 64 << 10;

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
            let runs = until_ready(&engine, &mut one, None, starting.stop.clone()).await;
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
                failed = until_ready(&engine, one, Some(&health), starting.stop.clone()).await.err();
            }
        }
        let tasks = std::sync::Mutex::new(started);
        let services =
            Self { owner: owner.unwrap_or_default(), hosts, network: starting.network, stop, tasks };
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

    /// Ends them all, and waits until they are gone.
    pub(crate) async fn end(&self) {
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

    /// Says of each service that has ended by itself how; once.
    pub(super) async fn gone(&self, engine: &Engine) -> Vec<String> {
        let untold: Vec<String> =
            self.lock().iter().filter(|one| !one.is_told).map(|one| one.container.clone()).collect();
        let mut ended = Vec::new();
        for container in untold {
            let (engine, asked) = (engine.clone(), container.clone());
            let looked =
                run_blocking(move || Ok((engine.is_running(&asked)?, engine.exit_of(&asked)?))).await;
            let (is_running, exit) = looked.unwrap_or((true, None));
            if is_running {
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
            ended.extend(self.end_of(&container, exit).await);
        }
        ended
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
        Some(format!("the service `{name}` has ended{how}; its log is that of step {number}"))
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

/// Waits until a service runs, or until its command says that it is ready.
async fn until_ready(
    engine: &Engine,
    one: &mut Started,
    health: Option<&Command>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), HostError> {
    let container = one.container.clone();
    let asking = async {
        loop {
            let (engine, container, health) = (engine.clone(), container.clone(), health.cloned());
            let asked = run_blocking(move || match health {
                None => engine.is_running(&container),
                Some(health) => engine.exec(&container, &Program::from(health).to_argv(), HEALTH_LIMIT),
            });
            if asked.await.map_err(refused)? {
                return Ok(());
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
    };
    tokio::select! {
        () = asked_to_stop(&mut stop) => {
            Err(HostError::Refused(format!("the job was stopped before its service `{}` was ready", one.name)))
        }
        ready = tokio::time::timeout(READY_LIMIT, asking) => ready.unwrap_or_else(|_| {
            let secs = READY_LIMIT.as_secs();
            Err(HostError::Refused(format!("service.not.ready: `{}` was not ready within {secs} s", one.name)))
        }),
        ended = &mut one.task => Err(match ended {
            Ok(Err(problem)) => problem,
            Ok(Ok(end)) => HostError::Refused(format!(
                "service.not.ready: `{}` has ended with exit {} before it was ready", one.name, end.exit
            )),
            Err(error) => HostError::Broken(error.to_string()),
        }),
    }
}
