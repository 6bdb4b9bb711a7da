//! A call of `container`, or of `sh` in a job with an image, on its way to being a step.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use tokio::sync::watch;

use super::build_image::{DOCKERFILE, ImageSource};
use super::command_line::{Network, WORKSPACE};
use super::containers::Containers;
use super::executor::{ContainerExecutor, Role};
use super::job_place::JobPlace;
use super::request::request;
use super::services::{Services, Starting};
use crate::executor::{CAPTURE_LIMIT, Host, STOP_GRACE, Step, StepContext, Workspace, title};
use crate::journal::Recorder;
use crate::model::{Quoted, Reason};
use crate::policy::{ContainerRequest, IMAGE_INVALID, ImageRef, NO_NETWORK, invalid_image};
use crate::script::{ContainerCall, HostError, StepResult};

/// Reads the name of an image; an invalid one is a denial, and recorded as such.
///
/// # Errors
/// The name is invalid, or that cannot be recorded.
pub(crate) fn image_of(
    containers: &Containers,
    job: &str,
    subject: &str,
    image: &str,
) -> Result<ImageRef, HostError> {
    if image == DOCKERFILE {
        return containers.source.image();
    }
    let parsed = ImageRef::parse(image);
    if parsed.as_ref().is_ok_and(ImageSource::is_own) {
        let problem =
            format!("`{image}` is an image that quire builds; write {DOCKERFILE} for this pipeline's own");
        return Err(HostError::Denied(Box::new(Reason::new(IMAGE_INVALID, problem))));
    }
    parsed.or_else(|error| {
        containers.write_decisions(job, [invalid_image(subject, &error)])?;
        Err(HostError::Denied(Box::new(Reason::new(IMAGE_INVALID, error.to_string()))))
    })
}

/// A folder as it is called below the workspace, which is `/work` inside.
fn below_workspace(folder: String) -> String {
    match folder.strip_prefix(WORKSPACE) {
        Some("" | "/") => ".".to_owned(),
        Some(below) => below.strip_prefix('/').map(str::to_owned).unwrap_or(folder),
        None => folder,
    }
}

/// A call with everything that it needs.
pub(crate) struct CalledStep {
    pub(crate) job: String,
    pub(crate) number: u32,
    /// Numbers the steps of the job.
    pub(crate) steps: Arc<AtomicU32>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) place: Arc<JobPlace>,
    pub(crate) call: ContainerCall,
    /// Its secrets, for files.
    pub(crate) secrets: Vec<(String, Vec<u8>)>,
    /// Those of the job's services, in their order.
    pub(crate) of_services: Vec<Vec<(String, Vec<u8>)>>,
    pub(crate) containers: Arc<Containers>,
    pub(crate) executor: Arc<Host>,
    pub(crate) recorder: Recorder,
    pub(crate) workspace: Workspace,
    pub(crate) timeout: Duration,
}

impl CalledStep {
    /// Decides, starts the services that the step needs, and runs it.
    ///
    /// # Errors
    /// It is denied, cannot be run, or cannot be written down.
    pub(crate) async fn run(mut self) -> Result<StepResult, HostError> {
        let request = self.decided()?;
        let own = std::mem::take(&mut self.call.options.services);
        let own_services = if own.is_empty() {
            self.job_services(&request).await?;
            None
        } else if self.place.options.services.is_empty() {
            Some(Services::start(self.starting(&request.network), &own).await?)
        } else {
            let problem = "the job has services already; give all of them to the job".to_owned();
            return Err(HostError::Refused(problem));
        };
        let (network, hosts) = match own_services.as_ref().or_else(|| self.place.services.get()) {
            Some(services) => (services.shared(), services.hosts.clone()),
            None => (Network::Named(request.network.clone()), Vec::new()),
        };
        let place = Arc::clone(&self.place);
        let result = self.step(request, network, hosts).await;
        if let Some(services) = own_services.as_ref().or_else(|| place.services.get())
            && result.as_ref().map_or(true, |end| end.exit != 0)
        {
            // What a step missed may be a service that is not there any more.
            services.report(|_| true).await;
        }
        if let Some(services) = own_services {
            services.end().await;
        }
        result
    }

    fn decided(&self) -> Result<ContainerRequest, HostError> {
        let image = image_of(&self.containers, &self.job, &self.job, &self.call.image)?;
        let is_below = |cwd: &String| {
            let mut parts = std::path::Path::new(cwd).components();
            parts.all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir))
        };
        let cwd = self.call.step.cwd.clone().map(below_workspace);
        if cwd.is_some_and(|cwd| !is_below(&cwd)) {
            let written = Quoted::new(self.call.step.cwd.as_deref().unwrap_or_default());
            return Err(HostError::Refused(format!("`:cwd` {written} is not below the workspace")));
        }
        let request = request(&self.job, image, &self.call.options).map_err(HostError::Refused)?;
        self.containers.decide(&self.job, &request)?;
        Ok(request)
    }

    /// Starts the services of the job when this is its first step that needs them.
    async fn job_services(&mut self, request: &ContainerRequest) -> Result<(), HostError> {
        if self.place.options.services.is_empty() {
            return Ok(());
        }
        let starting = self.starting(&request.network);
        let place = Arc::clone(&self.place);
        let started = place.services.get_or_try_init(|| Services::start(starting, &place.options.services));
        let network = &started.await?.network;
        if request.network == *network || request.network == NO_NETWORK {
            return Ok(());
        }
        Err(HostError::Refused(format!(
            "the services of the job are in the network `{network}`, and this step asks for `{}`",
            request.network
        )))
    }

    fn starting(&mut self, network: &str) -> Starting {
        Starting {
            job: self.job.clone(),
            containers: Arc::clone(&self.containers),
            executor: Arc::clone(&self.executor),
            recorder: self.recorder.clone(),
            steps: Arc::clone(&self.steps),
            stop: self.stop.clone(),
            timeout: self.call.step.timeout.unwrap_or(self.timeout),
            network: self.place.options.network.clone().unwrap_or_else(|| network.to_owned()),
            secrets: std::mem::take(&mut self.of_services),
        }
    }

    async fn step(
        self,
        request: ContainerRequest,
        network: Network,
        hosts: Vec<String>,
    ) -> Result<StepResult, HostError> {
        let call = self.call.step;
        let title = title(call.name.as_deref(), &call.command, &self.recorder);
        let executor = ContainerExecutor {
            containers: self.containers,
            host: self.executor,
            request,
            pull: self.call.options.pull,
            role: Role::Step(self.workspace),
            secrets: self.secrets,
            network,
            hosts,
        };
        let context = StepContext {
            job: self.job,
            number: self.number,
            program: call.command.into(),
            env: call.env,
            cwd: call.cwd.map(below_workspace),
            input: call.input,
            timeout: Some(call.timeout.unwrap_or(self.timeout)),
            grace: STOP_GRACE,
            capture_limit: CAPTURE_LIMIT,
        };
        let step = Step { title, line: call.line, context, is_service: false, stop: self.stop };
        step.run(executor, self.recorder).await
    }
}
