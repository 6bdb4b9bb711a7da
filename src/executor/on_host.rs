//! Steps of this machine: as they are, or each in a sandbox of its own.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::confinement::{Confinement, Sandbox};
use super::environment::Environment;
use super::executor::{Executor, NotRun, Running, StepContext};
use super::host::{Host, LEFTOVER_SETTLE};
use super::step::{StepEnd, StepError, StepSpec};
use crate::log::Sink;
use crate::model::chain;
use crate::script::HostError;
use crate::sys::transition::Transition;

/// Runs steps as processes of this machine.
pub struct HostExecutor {
    /// Leads the processes.
    pub host: Arc<Host>,
    /// What every step begins with.
    pub environment: Environment,
    /// The folder that steps begin in.
    pub workspace: PathBuf,
    /// Whose processes they are; quire's own when nothing is said.
    pub transition: Option<Transition>,
}

/// Runs each step in a sandbox that bubblewrap makes.
pub struct BwrapExecutor {
    /// What is as on the host.
    pub host: HostExecutor,
    /// The sandbox.
    pub sandbox: Sandbox,
}

impl HostExecutor {
    async fn run(
        &self,
        (step, sandbox): (StepContext, Option<Sandbox>),
        log: &mut dyn Sink,
        stop: watch::Receiver<bool>,
    ) -> Result<StepEnd, NotRun> {
        let mut env = self.environment.clone();
        for (name, value) in &step.env {
            let set = env.set(name.clone(), OsStr::from_bytes(value));
            set.map_err(|problem| HostError::Refused(problem.to_string()))?;
        }
        let transition = self.transition.clone();
        let is_confined = transition.is_some() || sandbox.is_some();
        let spec = StepSpec {
            name: step.name(),
            cwd: step.folder(&self.workspace),
            program: step.program,
            env,
            input: step.input,
            timeout: step.timeout,
            grace: step.grace,
            settle: LEFTOVER_SETTLE,
            capture_limit: step.capture_limit,
            is_client: false,
            confinement: is_confined.then(|| Arc::new(Confinement { transition, sandbox })),
        };
        self.host.run_step(&spec, log, stop).await.map_err(|error| not_run(&error))
    }
}

impl Executor for HostExecutor {
    fn start<'a>(&'a self, step: StepContext, log: &'a mut dyn Sink) -> Running<'a> {
        Running::new(|stop| self.run((step, None), log, stop))
    }
}

impl Executor for BwrapExecutor {
    fn start<'a>(&'a self, step: StepContext, log: &'a mut dyn Sink) -> Running<'a> {
        Running::new(|stop| self.host.run((step, Some(self.sandbox.clone())), log, stop))
    }
}

/// Whether quire could not do its part, of which the log may say nothing: the disk can be full.
fn not_run(error: &StepError) -> NotRun {
    let reason = chain(error);
    match error {
        StepError::Folder { .. } | StepError::Sandbox { .. } => NotRun::Step(reason),
        StepError::Spawn { .. }
        | StepError::Watch { .. }
        | StepError::Log { .. }
        | StepError::Subreaper { .. } => HostError::Refused(reason).into(),
    }
}
