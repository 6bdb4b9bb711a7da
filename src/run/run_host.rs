//! What running jobs ask for, done: steps, secrets, files, lines in the log.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::artifacts::{RunArtifacts, SaveError};
use super::confine::Confiner;
use super::drive::Ended;
use super::job_slot::{ActiveStep, ClosedJob, JobSlots, StepSlot};
use crate::artifact::ArtifactError;
use crate::container::{CalledStep, Containers};
use crate::executor::{
    BwrapExecutor, CAPTURE_LIMIT, Confinement, Environment, Host, HostExecutor, STOP_GRACE, Step,
    StepContext, Workspace, title,
};
use crate::journal::Recorder;
use crate::model::{Outcome, SecretName, chain, suggest};
use crate::pipeline::JobOptions;
use crate::script::{
    ArtifactCall, ContainerCall, ContainerOptions, HostError, HostFuture, JobHost, SavedArtifact, ShCall,
    StepResult,
};
use crate::secret::SecretValues;

/// What the log of a job with services says when a step fails that could not reach them.
const NO_SERVICES_HERE: &str = "warning: the services of this job cannot be reached from that step, which ran on the host; give the \
                                job an `:image`, or run the step with `(container image cmd)`";

/// The world of the jobs of one run.
pub struct RunHost {
    /// The runtime of steps: never the VM's thread.
    pub(crate) io: Handle,
    /// Where steps run.
    pub(crate) executor: Arc<Host>,
    /// Where everything is written down.
    pub(crate) recorder: Recorder,
    /// The secrets of the run.
    pub(crate) secrets: Arc<SecretValues>,
    /// The files of the run.
    pub(crate) workspace: Workspace,
    /// What every step begins with.
    pub(crate) environment: Environment,
    /// How steps are isolated from the machine.
    pub(crate) confiner: Arc<Confiner>,
    /// How long a step may take that says nothing else.
    pub(crate) step_timeout: Duration,
    /// The running jobs.
    pub(crate) jobs: JobSlots,
    pub(crate) containers: Arc<Containers>,
    /// What its jobs keep.
    pub(crate) artifacts: Arc<RunArtifacts>,
    /// Set when quire itself could not do its work.
    pub(crate) broken: tokio::sync::mpsc::Sender<String>,
}

impl RunHost {
    /// Makes room for a job that begins.
    pub(crate) fn open_job(&self, job: &str, options: &JobOptions) {
        self.jobs.open(job, options);
    }

    /// Asks the steps of a job to end; it gets no new ones.
    pub(crate) fn stop_job(&self, job: &str) {
        self.jobs.stop(job);
    }

    /// Waits until no step of a job is still running, keeps what it declares, and forgets the job. Gives how it has ended
    /// with that.
    pub(crate) async fn close_job(&self, job: &str, ended: Ended) -> Ended {
        let closed = self.jobs.close(job).await;
        let ended = match closed.filter(|closed| !closed.artifacts.is_empty() && ended.0 != Outcome::Skipped)
        {
            Some(closed) => self.collect(job, closed, ended).await,
            None => ended,
        };
        self.jobs.forget(job);
        self.recorder.close_script(job);
        ended
    }

    async fn collect(&self, job: &str, closed: ClosedJob, ended: Ended) -> Ended {
        let (artifacts, job, before) = (Arc::clone(&self.artifacts), job.to_owned(), ended.clone());
        let collecting = self.io.spawn_blocking(move || {
            artifacts.collect(&job, &closed.artifacts, (&|| *closed.stop.borrow(), before))
        });
        let problem = match collecting.await {
            Ok(Ok(ended)) => return ended,
            Ok(Err(problem)) => problem,
            Err(error) => error.to_string(),
        };
        let _gone = self.broken.send(problem).await.is_err();
        ended
    }

    /// Does the work of a step on the runtime of steps. What quire itself could not do ends the run.
    fn start(
        &self,
        active: ActiveStep,
        work: impl Future<Output = Result<StepResult, HostError>> + Send + 'static,
    ) -> HostFuture<StepResult> {
        let broken = self.broken.clone();
        let running = self.io.spawn(async move {
            let result = work.await;
            if let Err(HostError::Broken(problem)) = &result {
                // A record that cannot be written ends the run: what is not recorded must not continue.
                let _gone = broken.send(problem.clone()).await.is_err();
            }
            drop(active);
            result
        });
        Box::pin(async move {
            match running.await {
                Ok(result) => result,
                Err(error) => Err(HostError::Broken(format!("a step was lost: {error}"))),
            }
        })
    }

    fn start_in_container(&self, job: &str, call: ContainerCall, slot: StepSlot) -> HostFuture<StepResult> {
        let secrets = self.secret_files(job, &call.options.secrets);
        let own = &call.options.services;
        let services = if own.is_empty() { &slot.place.options.services } else { own };
        let of_services = services.iter().map(|service| self.secret_files(job, &service.options.secrets));
        let of_services: Result<Vec<_>, HostError> = of_services.collect();
        let (secrets, of_services) = match (secrets, of_services) {
            (Ok(secrets), Ok(of_services)) => (secrets, of_services),
            (Err(error), _) | (_, Err(error)) => return Box::pin(async { Err(error) }),
        };
        let StepSlot { number, steps, stop, place, active } = slot;
        let step = CalledStep {
            job: job.to_owned(),
            number,
            steps,
            stop,
            place,
            call,
            secrets,
            of_services,
            containers: Arc::clone(&self.containers),
            executor: Arc::clone(&self.executor),
            recorder: self.recorder.clone(),
            workspace: self.workspace.clone(),
            timeout: self.step_timeout,
        };
        self.start(active, step.run())
    }

    /// The values of secrets that a container gets as files.
    fn secret_files(&self, job: &str, names: &[String]) -> Result<Vec<(String, Vec<u8>)>, HostError> {
        names.iter().map(|name| Ok((name.clone(), self.secret(job, name)?))).collect()
    }
}

/// The answer to a job that was stopped and asks for more.
fn stopped<T: Send + 'static>() -> HostFuture<T> {
    Box::pin(async { Err(HostError::Broken("the job was stopped".to_owned())) })
}

impl JobHost for RunHost {
    fn container(&self, job: &str, call: ContainerCall) -> HostFuture<StepResult> {
        match self.jobs.next_step(job) {
            Some(slot) => self.start_in_container(job, call, slot),
            None => stopped(),
        }
    }

    fn sh(&self, job: &str, call: ShCall) -> HostFuture<StepResult> {
        let Some(slot) = self.jobs.next_step(job) else { return stopped() };
        if let Some(image) = slot.place.image.clone() {
            let options = ContainerOptions { services: Vec::new(), ..slot.place.options.clone() };
            return self.start_in_container(job, ContainerCall { image, options, step: call }, slot);
        }
        let mut environment = self.environment.clone();
        let Confinement { transition, sandbox } = match self.confiner.confine(job, &mut environment) {
            Ok(confinement) => confinement,
            Err(problem) => return Box::pin(async { Err(HostError::Broken(problem)) }),
        };
        let StepSlot { number, stop, active, place, .. } = slot;
        let title = title(call.name.as_deref(), &call.command, &self.recorder);
        let context = StepContext {
            job: job.to_owned(),
            number,
            program: call.command.into(),
            env: call.env,
            cwd: call.cwd,
            input: call.input,
            timeout: Some(call.timeout.unwrap_or(self.step_timeout)),
            grace: STOP_GRACE,
            capture_limit: CAPTURE_LIMIT,
        };
        let step = Step { title, line: call.line, context, is_service: false, stop };
        let (host, workspace) = (Arc::clone(&self.executor), self.workspace.path().to_owned());
        let executor = HostExecutor { host, environment, workspace, transition };
        let recorder = self.recorder.clone();
        let run = async move {
            match sandbox {
                Some(sandbox) => step.run(BwrapExecutor { host: executor, sandbox }, recorder).await,
                None => step.run(executor, recorder).await,
            }
        };
        if place.options.services.is_empty() {
            return self.start(active, run);
        }
        let (recorder, job) = (self.recorder.clone(), job.to_owned());
        self.start(active, async move {
            let result = run.await;
            // Not with one that passed: a job may well prepare on the host what its containers use.
            if result.as_ref().is_ok_and(|end| end.exit != 0) {
                recorder.print(Some(&job), NO_SERVICES_HERE.as_bytes());
            }
            result
        })
    }

    fn secret(&self, job: &str, name: &str) -> Result<Vec<u8>, HostError> {
        let value = if self.jobs.takes_secret(job, name) {
            let missing = || HostError::Refused(format!("the secret argument `{name}` was not given"));
            Some(Ok(self.secrets.argument(name).ok_or_else(missing)?))
        } else {
            self.secrets.get(name, job)
        };
        match value {
            Some(Ok(value)) => {
                if self.recorder.is_unmasked(name) {
                    let warning = format!("warning: the secret `{name}` is too short to be masked");
                    self.recorder.print(Some(job), warning.as_bytes());
                }
                Ok(value)
            }
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
                .map_err(|error| HostError::Refused(format!("could not read `{path}`: {}", chain(&error))))
        });
        Box::pin(
            async move { reading.await.unwrap_or_else(|error| Err(HostError::Broken(error.to_string()))) },
        )
    }

    fn write_file(&self, _job: &str, path: &str, bytes: Vec<u8>) -> HostFuture<()> {
        let (workspace, path) = (self.workspace.clone(), path.to_owned());
        let writing = self.io.spawn_blocking(move || {
            let written = workspace.write(&path, &bytes);
            written
                .map_err(|error| HostError::Refused(format!("could not write `{path}`: {}", chain(&error))))
        });
        Box::pin(
            async move { writing.await.unwrap_or_else(|error| Err(HostError::Broken(error.to_string()))) },
        )
    }

    fn artifact(&self, job: &str, call: ArtifactCall) -> HostFuture<Vec<SavedArtifact>> {
        let Some((stop, active)) = self.jobs.enter(job) else { return stopped() };
        let (artifacts, job, broken) = (Arc::clone(&self.artifacts), job.to_owned(), self.broken.clone());
        let saving = self.io.spawn_blocking(move || {
            let saved = artifacts.save(&job, &call, &|| *stop.borrow());
            drop(active);
            saved
        });
        Box::pin(async move {
            match saving.await {
                Ok(Ok(saved)) => Ok(saved),
                Ok(Err(SaveError::Artifact(error @ ArtifactError::Stopped))) => {
                    Err(HostError::Broken(error.to_string()))
                }
                Ok(Err(SaveError::Artifact(error))) => Err(HostError::Refused(error.to_string())),
                Ok(Err(SaveError::Broken(problem))) => {
                    let _gone = broken.send(problem.clone()).await.is_err();
                    Err(HostError::Broken(problem))
                }
                Err(error) => Err(HostError::Broken(error.to_string())),
            }
        })
    }
}

impl RunHost {
    /// The error about a secret that nobody declared.
    fn undeclared(&self, name: &str) -> String {
        let names: Vec<&str> = self.secrets.names().map(SecretName::as_str).collect();
        let near = suggest(name, names.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
        let declared = if names.is_empty() {
            "config.fnl declares no secrets".to_owned()
        } else {
            format!("config.fnl declares {}", names.join(", "))
        };
        format!("no secret is called `{name}`: {declared}{}", near.unwrap_or_default())
    }
}
