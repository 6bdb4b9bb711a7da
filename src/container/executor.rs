//! A step in a container: its image, its secrets, its command line, and nothing left of it afterwards.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::client_call::{Getting, client_spec};
use super::client_output::{ClientOutput, not_started};
use super::command_line::{ContainerPlan, HOSTS, Mount, Network, SECRETS, ServicePlan, WORKSPACE};
use super::containers::{Containers, refused, run_blocking};
use super::engine::{Engine, EngineKind, error_output};
use super::image::LocalImage;
use super::image_user::numbers;
use super::memory_folder::MemoryFolder;
use super::sweep::labels;
use super::user::ContainerUser;
use super::variables::Variables;
use super::workspace_turn::Turn;
use crate::executor::{
    Executor, Host, INSTANCE, NotRun, OutOfMemory, RUN, Running, StepContext, StepEnd, StepError, StepSpec,
    Workspace, asked_to_stop,
};
use crate::log::Sink;
use crate::model::chain;
use crate::policy::{ContainerRequest, Limits};
use crate::script::{HostError, Pull};

/// How long to wait before a service that is to end is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Runs a step in a container that is asked for and allowed.
#[derive(Clone)]
pub struct ContainerExecutor {
    /// What all containers of the run share.
    pub containers: Arc<Containers>,
    /// Leads the engine's client.
    pub host: Arc<Host>,
    /// What policy has decided about.
    pub request: ContainerRequest,
    /// When its image is pulled.
    pub pull: Pull,
    /// What it does: a step, or a service next to the steps.
    pub role: Role,
    /// Its secrets, for files.
    pub secrets: Vec<(String, Vec<u8>)>,
    /// Its network.
    pub network: Network,
    /// Names that lead to the network itself: those of services.
    pub hosts: Vec<String>,
}

/// What a container is for.
#[derive(Debug, Clone)]
pub enum Role {
    /// A step of a job, which works on the workspace.
    Step(Workspace),
    /// A service, which runs what its image says, and has no workspace.
    Service,
}

/// Reports that something may have been left of a container, unless it is dispelled.
struct Doubt<'a>(Option<&'a Containers>);

impl Doubt<'_> {
    fn dispel(mut self) {
        self.0 = None;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(containers) = self.0 {
            containers.doubt();
        }
    }
}

/// What exists only while the container runs.
struct Prepared {
    plan: ContainerPlan,
    variables: Variables,
    /// Hold the files of secrets and variables, and the workspace as its user sees it; they are gone with it.
    _memory: [Option<MemoryFolder>; 2],
}

/// What is known of a container before it is prepared.
struct Seen {
    /// The id of its image.
    image: String,
    user: ContainerUser,
    service: Option<ServicePlan>,
    /// The workspace as its user sees it.
    workspace: Option<PathBuf>,
    /// Holds that.
    memory: Option<MemoryFolder>,
}

impl Executor for ContainerExecutor {
    fn start<'a>(&'a self, step: StepContext, log: &'a mut dyn Sink) -> Running<'a> {
        Running::new(|stop| self.run(step, log, stop))
    }
}

impl ContainerExecutor {
    /// The name of the container of a step.
    pub(super) fn name(&self, step: &StepContext) -> String {
        format!("quire-{}-{}-{}", self.containers.mark.run, step.job, step.number)
    }

    /// What the container inherits, and over it what the step says.
    fn variables(&self, own: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
        let inherited = self.containers.passed.iter().filter(|_| self.request.env_inheritance);
        let inherited = inherited.filter(|(name, _)| !own.iter().any(|(other, _)| other == name));
        inherited.chain(own).cloned().collect()
    }

    /// Runs the container until nothing is left of it.
    async fn run(
        &self,
        step: StepContext,
        log: &mut dyn Sink,
        stop: watch::Receiver<bool>,
    ) -> Result<StepEnd, NotRun> {
        let (containers, host) = (&self.containers, &self.host);
        if let Some(reason) = self.no_folder(&step) {
            return Err(NotRun::Step(reason));
        }
        let engine = containers.engine().await?.clone();
        let (name, began, limit) = (step.name(), Instant::now(), step.timeout);
        let mut getting = Getting { executor: host, log: &mut *log, name: &name, stop: stop.clone(), limit };
        let image = containers.image(&self.request, self.pull, &mut getting).await?;
        // Its image is a part of the step's time.
        let timeout = limit.map(|timeout| timeout.saturating_sub(began.elapsed()));
        let env = self.variables(&step.env);
        let step = Arc::new(StepContext { timeout, env, ..step });
        let (own, asking, asked) = (self.clone(), engine.clone(), Arc::clone(&step));
        let seen = off_runtime(move || own.look(&asking, &image, &asked)).await?;
        let _turn = self.take_turn(&seen, &step, stop.clone()).await?;
        let (own, asking, asked) = (self.clone(), engine.clone(), Arc::clone(&step));
        let prepared = off_runtime(move || own.prepare(&asking, seen, &asked)).await?;
        let spec = prepared.spec(&engine, &step)?;
        // Also when this is given up.
        let doubt = Doubt(Some(containers));
        let mut log = ClientOutput::new(log, &engine, &prepared.plan.command);
        let name = &prepared.plan.name;
        let mut end = self.lead((&engine, name), &spec, &mut log, stop.clone()).await?;
        if is_name_taken(&end, name) {
            containers.free_name(name).await?;
            end = self.lead((&engine, name), &spec, &mut log, stop).await?;
        }
        let is_plain = end.exit < 125 && !end.stopped && !end.timed_out;
        if engine.kind == EngineKind::Docker && end.exit == 125 {
            // Its client ends so, too, when its server is gone.
            let asked = engine.clone();
            run_blocking(move || asked.version()).await.map_err(refused)?;
        }
        let refusal = refusal(&engine, &end);
        clean_up(&engine, &prepared.plan, &mut end).await?;
        if is_plain {
            doubt.dispel();
        }
        if engine.kind == EngineKind::Podman && engine.has_init && end.exit == 1 {
            end.exit = exit_behind_init(&end.stderr.read().unwrap_or_default());
        }
        end.stderr = log.cleaned(end.stderr);
        if let Some(problem) = refusal {
            return Err(problem.into());
        }
        // Those of the engine; what the container left behind ended with it.
        end.leftovers.clear();
        if end.signal.is_none() && (129..=159).contains(&end.exit) {
            end.signal = Some(end.exit - 128);
        }
        Ok(end)
    }

    /// Leads the engine's client to its end. A service ends with its job: its program may not hear that it is asked to, because
    /// it has not begun, and the client may not hear that it has ended.
    async fn lead(
        &self,
        (engine, name): (&Engine, &str),
        spec: &StepSpec,
        log: &mut dyn Sink,
        mut stop: watch::Receiver<bool>,
    ) -> Result<StepEnd, HostError> {
        let failed = |error: StepError| HostError::Refused(chain(&error));
        if matches!(self.role, Role::Step(_)) {
            return self.host.run_step(spec, log, stop).await.map_err(failed);
        }
        let exit_of = || {
            let (engine, name) = (engine.clone(), name.to_owned());
            async move { run_blocking(move || engine.exit_of(&name)).await.unwrap_or(None) }
        };
        let (began, ask, own_end) = (Instant::now(), watch::Sender::new(false), OnceLock::new());
        let asking = async {
            asked_to_stop(&mut stop).await;
            if let Some(exit) = exit_of().await {
                let _first = own_end.set(exit);
            }
            ask.send_replace(true);
            loop {
                tokio::time::sleep(ASK_AGAIN).await;
                if let Some(exit) = exit_of().await {
                    return exit;
                }
                let (engine, name) = (engine.clone(), name.to_owned());
                let _not_there_yet = run_blocking(move || engine.ask_to_end(&name)).await;
            }
        };
        let mut end = tokio::select! {
            biased;
            end = self.host.run_step(spec, log, ask.subscribe()) => end.map_err(failed)?,
            exit = asking => StepEnd { exit, stopped: true, duration: began.elapsed(), ..StepEnd::default() },
        };
        if let Some(exit) = own_end.get() {
            // The client may not have removed what had ended.
            let (engine, names) = (engine.clone(), [name.to_owned()]);
            run_blocking(move || engine.remove(&names)).await.map_err(refused)?;
            (end.exit, end.signal, end.stopped) = (*exit, None, false);
        }
        Ok(end)
    }

    /// Why it cannot begin in its folder, which docker would make. Where a link leads is seen in the container alone.
    fn no_folder(&self, step: &StepContext) -> Option<String> {
        let (Role::Step(workspace), Some(cwd)) = (&self.role, &step.cwd) else { return None };
        let mut path = workspace.path().to_owned();
        for part in Path::new(cwd).components() {
            path.push(part);
            let problem = match std::fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => return None,
                Ok(found) if found.is_dir() => continue,
                Ok(_) => std::io::ErrorKind::NotADirectory.into(),
                Err(problem) => problem,
            };
            return Some(format!("the step cannot run in the folder {WORKSPACE}/{cwd}: {problem}"));
        }
        None
    }

    /// Finds out who its user is, and shows that one the workspace. Blocking.
    fn look(&self, engine: &Engine, image: &LocalImage, step: &StepContext) -> Result<Seen, HostError> {
        let asked = self.request.user.as_deref();
        let Role::Step(workspace) = &self.role else {
            let user = ContainerUser::of_service(asked, &image.user, engine.is_rootless);
            let asked = asked.unwrap_or(&image.user);
            let is_root = numbers(asked).is_some_and(|(user, _)| user == 0);
            let service = Some(ServicePlan { volumes: image.volumes.clone(), is_root });
            return Ok(Seen { image: image.id.clone(), user, service, workspace: None, memory: None });
        };
        let labels =
            labels(self.containers.mark, &self.containers.policy.data_dir, &step.job, &self.request.subject);
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("--label={name}={value}")).collect();
        let container = format!("{}-look", self.name(step));
        let ids = asked.map(|user| self.containers.ids(engine, (&image.id, user), (&container, &labels)));
        let (owner, ids) = (workspace.account(), ids.transpose()?.flatten());
        let user = ContainerUser::of_workspace((asked, ids), owner, engine)?;
        let (mut path, mut memory) = (workspace.path().to_owned(), None);
        if let Some(stranger) = user.stranger.filter(|_| engine.sees_mounts()) {
            let name = format!("{}-{}-work", step.job, step.number);
            let shown = MemoryFolder::create(self.containers.mark, &name).and_then(|mut folder| {
                let path = folder.exchanged(&path, (owner.0, stranger.0), (owner.1, stranger.1))?;
                Ok((path, folder))
            });
            match shown {
                Ok((shown, folder)) => (path, memory) = (shown, Some(folder)),
                Err(error) => tracing::debug!(%error, "the workspace is given to the user of a container"),
            }
        }
        Ok(Seen { image: image.id.clone(), user, service: None, workspace: Some(path), memory })
    }

    /// Waits until the files of the workspace are those of the step's user, or of its account where that one is shown them
    /// as its own.
    async fn take_turn(
        &self,
        seen: &Seen,
        step: &StepContext,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Option<Turn>, NotRun> {
        let Role::Step(workspace) = &self.role else { return Ok(None) };
        let given = seen.user.stranger.filter(|_| seen.memory.is_none());
        let owner = given.unwrap_or_else(|| workspace.account());
        let why = tokio::select! {
            biased;
            turn = self.containers.turns.take(workspace, owner) => {
                return Ok(Some(turn.map_err(|error| HostError::Refused(format!("the workspace: {error}")))?));
            }
            () = asked_to_stop(&mut stop) => NotRun::Step,
            () = tokio::time::sleep(step.timeout.unwrap_or(Duration::MAX)) => NotRun::TimedOut,
        };
        Err(why(format!("the workspace was not free for the user {}: other steps had not ended", owner.0)))
    }

    /// Makes the files of the container and the arguments for the engine. Blocking.
    fn prepare(self, engine: &Engine, seen: Seen, step: &StepContext) -> Result<Prepared, HostError> {
        let variables = Variables::sort(&step.env).map_err(|error| HostError::Refused(error.to_string()))?;
        let Seen { image, user, service, workspace, memory: view } = seen;
        let mut mounts: Vec<Mount> =
            workspace.iter().map(|workspace| Mount::writable(workspace, WORKSPACE)).collect();
        if matches!(self.role, Role::Step(_)) {
            let folders = self.containers.folders.iter();
            mounts.extend(folders.map(|(folder, inside)| Mount::read_only(folder, inside)));
        }
        let mut memory = None;
        let needs_memory =
            !self.secrets.is_empty() || !variables.in_file.is_empty() || !self.hosts.is_empty();
        let mut env_file = None;
        if needs_memory {
            let failed = |error: std::io::Error| HostError::Refused(format!("no folder in memory: {error}"));
            let name = format!("{}-{}", step.job, step.number);
            let folder = MemoryFolder::create(self.containers.mark, &name).map_err(failed)?;
            if !self.secrets.is_empty() {
                let files = folder.files_for("secrets", &self.secrets, user.on_host).map_err(failed)?;
                mounts.push(Mount::read_only(&files, SECRETS));
            }
            if !self.hosts.is_empty() {
                let names = format!("127.0.0.1 localhost {}\n::1 localhost\n", self.hosts.join(" "));
                let file = folder.file_for_all("hosts", names.as_bytes()).map_err(failed)?;
                mounts.push(Mount::read_only(&file, HOSTS));
            }
            let file = variables.file().map(|bytes| folder.file("env", &bytes));
            env_file = file.transpose().map_err(failed)?;
            memory = Some(folder);
        }
        for mount in &self.request.mounts {
            if let Err(error) = std::fs::symlink_metadata(&mount.source) {
                let problem = format!("the mount of {}: {error}", mount.source.display());
                return Err(HostError::Refused(problem));
            }
            let (source, target) = (mount.source.clone(), mount.target.clone());
            mounts.push(Mount { source, target, writable: mount.writable });
        }
        let limits = self.containers.limits(engine, &self.request)?;
        let mut plan = self.plan((&image, step), (user, mounts, env_file), limits, &variables);
        plan.service = service;
        Ok(Prepared { plan, variables, _memory: [memory, view] })
    }

    fn plan(
        self,
        (image, step): (&str, &StepContext),
        (user, mounts, env_file): (ContainerUser, Vec<Mount>, Option<PathBuf>),
        limits: Option<Limits>,
        variables: &Variables,
    ) -> ContainerPlan {
        let name = self.name(step);
        let memory = limits.and_then(|limits| limits.memory);
        let mut env: Vec<String> = variables.by_name.iter().map(|(name, _)| name.clone()).collect();
        env.extend([INSTANCE, RUN, "QUIRE_STEP"].map(str::to_owned));
        let workdir = match &self.role {
            Role::Step(_) => {
                // The image's own home cannot be written to.
                let given = |name: &str| step.env.iter().any(|(own, _)| own == name);
                let about = self.containers.about.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                let defaults = [("CI", "true"), ("HOME", "/tmp")].into_iter().chain(about);
                let defaults = defaults.filter(|(name, _)| !given(name));
                env.extend(defaults.map(|(name, value)| format!("{name}={value}")));
                let below = step.cwd.as_deref().map(|cwd| format!("{WORKSPACE}/{cwd}"));
                Some(below.unwrap_or_else(|| WORKSPACE.to_owned()))
            }
            Role::Service => None,
        };
        let data = &self.containers.policy.data_dir;
        ContainerPlan {
            labels: labels(self.containers.mark, data, &step.job, &self.request.subject),
            name,
            image: image.to_owned(),
            command: step.program.to_argv(),
            workdir,
            user: user.name,
            maps: user.maps,
            network: self.network,
            cpus: limits.and_then(|limits| limits.cpus).map(|cpus| cpus.to_string()),
            memory,
            pids: limits.map(|limits| limits.pids),
            mounts,
            env,
            env_file,
            rootfs_writable: self.request.rootfs_writable,
            caps: self.request.caps,
            has_input: step.input.is_some(),
            // One that may run out of memory is looked at before it is removed.
            remove: memory.is_none(),
            service: None,
        }
    }
}

impl Prepared {
    /// The call of the engine's client.
    fn spec(&self, engine: &Engine, step: &StepContext) -> Result<StepSpec, HostError> {
        let line = self.plan.command_line(engine);
        let args: Vec<Vec<u8>> =
            line.into_iter().skip(1).map(<OsString as std::os::unix::ffi::OsStringExt>::into_vec).collect();
        let mut spec = client_spec(engine, args, &step.name(), Duration::MAX)?;
        for (name, value) in &self.variables.by_name {
            let set = spec.env.set(name.clone(), value.clone());
            set.map_err(|error| HostError::Refused(error.to_string()))?;
        }
        Ok(StepSpec {
            input: step.input.clone(),
            timeout: step.timeout,
            grace: step.grace,
            capture_limit: step.capture_limit,
            ..spec
        })
    }
}

/// Does blocking work of a step off the runtime.
async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HostError> + Send + 'static,
) -> Result<T, HostError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| HostError::Broken(error.to_string()))?
}

/// That the engine did not start the container, when that was its last word; a step may exit with 125, too.
fn refusal(engine: &Engine, end: &StepEnd) -> Option<HostError> {
    let may_be = end.exit == 125 && end.stdout.is_empty() && !end.stopped && !end.timed_out;
    let why = may_be.then(|| engine.refusal(&end.stderr.read().unwrap_or_default())).flatten()?;
    let engine = engine.kind.as_str();
    Some(HostError::Refused(format!("container.start.failed: {engine} did not start the container: {why}")))
}

/// Whether the engine refused to make the container because there is one of its name.
fn is_name_taken(end: &StepEnd, name: &str) -> bool {
    // The engine's own last word, which has the name; a step may say anything.
    let last = error_output(&end.stderr.read().unwrap_or_default());
    end.exit == 125 && end.stdout.is_empty() && last.contains(name) && last.contains("already in use")
}

/// The exit of a step whose container has podman's init, which exits with 1 for a program that it cannot start.
fn exit_behind_init(stderr: &[u8]) -> i32 {
    let last = stderr.trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
    match last.and_then(not_started) {
        Some("No such file or directory") => 127,
        Some(_) => 126,
        None => 1,
    }
}

/// Removes the container if the engine has not, and says whether its memory was used up.
async fn clean_up(engine: &Engine, plan: &ContainerPlan, end: &mut StepEnd) -> Result<(), HostError> {
    let ended_by_itself = plan.remove && !end.timed_out && !end.stopped && end.signal.is_none();
    if ended_by_itself {
        return Ok(());
    }
    let (engine, name) = (engine.clone(), plan.name.clone());
    let looks = !plan.remove && !end.timed_out && !end.stopped && end.signal.is_none();
    let likely = if looks && end.exit == 137 { OutOfMemory::Likely } else { OutOfMemory::No };
    let cleaned = run_blocking(move || {
        // Also of one that ended otherwise: a child of its program may have been the victim. Not every engine hears
        // of it on every kernel.
        let was_out = looks && engine.was_out_of_memory(&name).unwrap_or(false);
        engine.remove(&[name])?;
        Ok(if was_out { OutOfMemory::Sure } else { likely })
    });
    end.out_of_memory = cleaned.await.map_err(refused)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_distinguished_from_one_that_fails() {
        assert_eq!(
            exit_behind_init(b"x\nERROR (catatonit:6): failed to exec pid1: No such file or directory\n"),
            127
        );
        assert_eq!(exit_behind_init(b"ERROR (catatonit:2): failed to exec pid1: Permission denied\n"), 126);
        assert_eq!(exit_behind_init(b"failed to exec pid1: No such file or directory\n"), 1);
        assert_eq!(exit_behind_init(b""), 1);
    }
}
