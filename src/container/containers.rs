//! The containers of one run: its engine, its images, and what policy says about both.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use tokio::sync::OnceCell;

use super::build_image::{DOCKERFILE, ImageSource};
use super::client_call::{Getting, PULL_LIMIT, refused_step};
use super::engine::{Engine, EngineError, EngineKind};
use super::image::LocalImage;
use super::image_user::{Ids, numbers};
use super::memory_folder::forget;
use super::places::engine_places;
use super::workspace_turn::Turns;
use crate::executor::{Environment, NotRun, asked_to_stop, sweep_run};
use crate::journal::{Fact, ImageRecord, PolicyRecord, Recorder};
use crate::model::{RunMark, chain};
use crate::policy::{
    ContainerRequest, Decision, ImageRef, Limits, Policy, SignatureMode, Verdict, check_signature, decide,
    decide_among, denial, is_allowed, limits,
};
use crate::script::{HostError, Pull};
use crate::secret::MARK;

/// The code of the problem that an image is not available.
const PULL_FAILED: &str = "image.pull.failed";

/// The code of the problem that a container cannot be limited.
const LIMITS_UNAVAILABLE: &str = "container.limits.unavailable";

/// The shortest part of an image's name that is hidden when a secret reaches beyond it, in bytes.
const MIN_PART: usize = 4;

/// What containers of a run have in common.
pub struct Containers {
    /// Whose they are.
    pub(crate) mark: RunMark,
    /// What they may.
    pub(crate) policy: Policy,
    /// What the engine's client reads of the environment that quire was started with.
    pub(crate) environment: BTreeMap<OsString, OsString>,
    /// What a container inherits where policy opens it: the variables that the operator passes to steps.
    pub(super) passed: Vec<(String, Vec<u8>)>,
    /// Folders that each step can read, and where it finds them.
    pub(super) folders: Vec<(PathBuf, &'static str)>,
    /// The variables that say which commit the run is about.
    pub(super) about: Vec<(String, String)>,
    /// Where everything is written down.
    pub(crate) recorder: Recorder,
    /// What the pipeline's own image is built of.
    pub(super) source: ImageSource,
    /// The policy with what is known of the engines, which only decisions about mounts need.
    with_places: OnceLock<Policy>,
    engine: OnceCell<Engine>,
    images: Mutex<HashMap<String, Arc<OnceCell<LocalImage>>>>,
    /// The numbers of users by image and name, as far as they were looked for.
    users: Mutex<HashMap<(String, String), Option<Ids>>>,
    /// Who has the workspace, where it has to be given away.
    pub(super) turns: Turns,
    /// What was decided about and allowed, by job: it is written down once.
    allowed: Mutex<HashSet<(String, String)>>,
    /// What jobs declare, for hints.
    pub(super) declared: OnceLock<Vec<ContainerRequest>>,
    /// Whether something may have been left: a step did not end as containers do by themselves.
    unsure: AtomicBool,
}

impl Containers {
    /// The containers of a run that has none yet.
    pub fn new(
        mark: RunMark,
        policy: Policy,
        environment: BTreeMap<OsString, OsString>,
        recorder: Recorder,
        source: ImageSource,
    ) -> Self {
        Self {
            mark,
            policy,
            environment,
            passed: Vec::new(),
            folders: Vec::new(),
            about: Vec::new(),
            recorder,
            source,
            with_places: OnceLock::new(),
            engine: OnceCell::new(),
            images: Mutex::default(),
            users: Mutex::default(),
            turns: Turns::default(),
            allowed: Mutex::default(),
            declared: OnceLock::new(),
            unsure: AtomicBool::new(false),
        }
    }

    /// The same containers, which may inherit what steps inherit.
    #[must_use]
    pub(crate) fn inheriting(self, environment: &Environment) -> Self {
        Self { passed: environment.passed(), about: environment.about(), ..self }
    }

    /// The same containers, whose steps can read these folders.
    #[must_use]
    pub(crate) fn with_folders(self, folders: Vec<(PathBuf, &'static str)>) -> Self {
        Self { folders, ..self }
    }

    /// The engine of this machine; docker is asked whether it works, podman needs no server that could be absent.
    ///
    /// # Errors
    /// No engine is installed, or it does not work.
    pub(crate) async fn engine(&self) -> Result<&Engine, HostError> {
        let found = self.engine.get_or_try_init(|| async {
            let engine = Engine::find(&self.environment)?;
            run_blocking(move || engine.ready()).await
        });
        found.await.map_err(refused)
    }

    /// Decides about a request and writes every decision down.
    ///
    /// # Errors
    /// It is denied, or the decision cannot be written down.
    pub(crate) fn decide(&self, job: &str, request: &ContainerRequest) -> Result<(), HostError> {
        if ImageSource::is_own(&request.image) {
            return self.decide_own(job, request);
        }
        self.decide_as_it_is(job, request)
    }

    /// Decides about the image that a request names.
    pub(super) fn decide_as_it_is(&self, job: &str, request: &ContainerRequest) -> Result<(), HostError> {
        let known = (job.to_owned(), format!("{request:?}"));
        if self.allowed.lock().unwrap_or_else(PoisonError::into_inner).contains(&known) {
            return Ok(());
        }
        let declared = self.declared.get().map(Vec::as_slice).unwrap_or_default();
        self.record(job, &request.image, decide_among(self.policy_for(request), declared, request))?;
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner).insert(known);
        Ok(())
    }

    fn policy_for(&self, request: &ContainerRequest) -> &Policy {
        if request.mounts.is_empty() {
            return &self.policy;
        }
        let with_places =
            || Policy { engine_places: engine_places(&self.environment), ..self.policy.clone() };
        self.with_places.get_or_init(with_places)
    }

    /// Writes decisions about a container of this image down.
    ///
    /// # Errors
    /// One is a denial, or they cannot be written down.
    pub(super) fn record(
        &self,
        job: &str,
        image: &ImageRef,
        decisions: Vec<Decision>,
    ) -> Result<(), HostError> {
        let decisions = decisions.into_iter().map(|decision| Decision {
            reason: self.hide_parts(image, decision.reason),
            hint: decision.hint.map(|hint| self.hide_parts(image, hint)),
            ..decision
        });
        self.write_decisions(job, decisions)
    }

    /// Writes decisions down.
    ///
    /// # Errors
    /// One is a denial, or they cannot be written down.
    pub(super) fn write_decisions(
        &self,
        job: &str,
        decisions: impl IntoIterator<Item = Decision>,
    ) -> Result<(), HostError> {
        let mut denied = Vec::new();
        for decision in decisions {
            if decision.verdict == Verdict::Deny {
                denied.push(decision.clone());
            }
            let written = self.recorder.write(fact(job, decision));
            written.map_err(|error| HostError::Broken(chain(&error)))?;
        }
        if denied.is_empty() { Ok(()) } else { Err(HostError::Denied(Box::new(denial(&denied)))) }
    }

    /// The text without the parts of an image's name that are seen nowhere in the name once it is redacted: they are
    /// parts of a secret, which are not found by themselves.
    fn hide_parts(&self, image: &ImageRef, text: String) -> String {
        let written = image.to_string();
        let shown = self.recorder.redact(&written);
        if shown == written.as_str() {
            return text;
        }
        let parts = [Some(image.registry()), Some(image.repository()), image.tag(), image.digest()];
        let is_hidden =
            |part: &&str| part.len() >= MIN_PART && written.contains(part) && !shown.contains(part);
        let text = self.recorder.redact(&text).into_string();
        parts
            .into_iter()
            .flatten()
            .filter(is_hidden)
            .fold(text, |text, part| text.replace(part, MARK).replace(&part.to_ascii_lowercase(), MARK))
    }

    /// The image that a request means, pulled if that has to be; looked for once in a run.
    ///
    /// # Errors
    /// It is not available.
    pub(super) async fn image(
        &self,
        request: &ContainerRequest,
        pull: Pull,
        getting: &mut Getting<'_>,
    ) -> Result<LocalImage, NotRun> {
        let key = request.image.to_string();
        let cell = {
            let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
            if pull == Pull::Always {
                images.remove(&key);
            }
            Arc::clone(images.entry(key).or_default())
        };
        let (mut stop, getting_limit) = (getting.stop.clone(), getting.limit);
        let limit = getting_limit.unwrap_or(PULL_LIMIT);
        let is_ours = AtomicBool::new(false);
        let mut image = std::pin::pin!(cell.get_or_try_init(|| {
            is_ours.store(true, Ordering::Relaxed);
            self.find_image(request, pull, getting)
        }));
        let timed_out = if getting_limit.is_some() { NotRun::TimedOut } else { refused_step };
        let (not_run, why): (fn(String) -> NotRun, _) = tokio::select! {
            biased;
            image = &mut image => return image.cloned(),
            () = asked_to_stop(&mut stop) => (refused_step, "it was stopped"),
            () = tokio::time::sleep(limit) => (timed_out, "timed out"),
        };
        // The job that pulls sees the stop itself and ends the engine's client. A job that waits for another one stops waiting.
        if is_ours.load(Ordering::Relaxed) {
            return image.await.cloned();
        }
        Err(not_run(format!("{PULL_FAILED}: another job pulls the image `{}`: {why}", request.image)))
    }

    pub(super) async fn find_image(
        &self,
        request: &ContainerRequest,
        pull: Pull,
        getting: &mut Getting<'_>,
    ) -> Result<LocalImage, NotRun> {
        let engine = self.engine().await?;
        let (written, full) = (request.image.to_string(), request.image.qualified().to_string());
        let look = |name: &str| {
            let name = name.to_owned();
            let engine = engine.clone();
            run_blocking(move || engine.local_image(&name))
        };
        let (mut found, mut pulled_ms) = (None, None);
        if pull != Pull::Always {
            // Never the bare name: an engine would also take it for the beginning of an image's id.
            found = look(&full).await.map_err(refused)?;
            if found.is_none()
                && engine.kind == EngineKind::Podman
                && let Some(local) = self.made_here(request)
            {
                found = look(&local.to_string()).await.map_err(refused)?;
            }
        }
        if found.is_none() && ImageSource::is_own(&request.image) {
            self.build(engine, request, getting).await?;
            found = look(&full).await.map_err(refused)?;
        } else if found.is_none() && pull != Pull::Never {
            let begun = Instant::now();
            self.pull(engine, &full, getting).await?;
            pulled_ms = u64::try_from(begun.elapsed().as_millis()).ok();
            found = look(&full).await.map_err(refused)?;
        }
        let found = found.ok_or_else(|| {
            refused_step(format!("{PULL_FAILED}: the image `{written}` is not on this machine"))
        })?;
        let (id, digest) = (found.id.clone(), found.digest.clone());
        let image = ImageRecord { image: written, id, digest, pulled_ms };
        let fact = Fact::ImageResolved { image };
        self.recorder.write(fact).map_err(|error| HostError::Broken(chain(&error)))?;
        self.check_signature(job_of(getting.name), request, &found).await?;
        Ok(found)
    }

    /// The numbers of a user; nothing when the image does not know its name. Blocking.
    ///
    /// # Errors
    /// The image cannot be looked into.
    pub(super) fn ids(
        &self,
        engine: &Engine,
        (image, user): (&str, &str),
        look: (&str, &[String]),
    ) -> Result<Option<Ids>, HostError> {
        if let Some(found) = numbers(user) {
            return Ok(Some(found));
        }
        let key = (image.to_owned(), user.to_owned());
        let known = || self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(&key) {
            return Ok(*found);
        }
        let found = engine.user_of(image, user, look).inspect_err(|_| self.doubt()).map_err(refused)?;
        known().insert(key, found);
        Ok(found)
    }

    /// The name that an image without a host in its name has when it was made on this machine, where policy allows that.
    fn made_here(&self, request: &ContainerRequest) -> Option<ImageRef> {
        let written = request.image.to_string();
        let has_host = written.starts_with(&format!("{}/", request.image.registry()));
        let image = ImageRef::parse(&format!("localhost/{written}")).ok().filter(|_| !has_host)?;
        let asked = ContainerRequest { image: image.clone(), ..request.clone() };
        (!ImageSource::is_own(&image) && is_allowed(&decide(self.policy_for(&asked), &asked)))
            .then_some(image)
    }

    /// Looks for the signature of an image, where the bundle requires one.
    async fn check_signature(
        &self,
        job: &str,
        request: &ContainerRequest,
        found: &LocalImage,
    ) -> Result<(), HostError> {
        if self.policy.signature_mode() == SignatureMode::Disabled {
            return Ok(());
        }
        let image = request.image.pinned(found.digest.as_deref());
        let text = |value: &OsString| value.to_string_lossy().into_owned();
        let env: Vec<(String, String)> =
            self.environment.iter().map(|(name, value)| (text(name), text(value))).collect();
        let (policy, subject) = (self.policy.clone(), request.subject.clone());
        let decided = tokio::task::spawn_blocking(move || check_signature(&policy, &subject, &image, &env));
        let decision = decided.await.map_err(|error| HostError::Broken(error.to_string()))?;
        self.record(job, &request.image, decision.into_iter().collect())
    }

    /// Pulls an image; what the engine says about it is in the step's log.
    async fn pull(&self, engine: &Engine, image: &str, getting: &mut Getting<'_>) -> Result<(), NotRun> {
        let args = ["pull", "--", image].map(|arg| arg.as_bytes().to_vec());
        let what = |why: &str| format!("{PULL_FAILED}: could not pull the image `{image}`: {why}");
        getting.run(engine, args.into(), what).await
    }

    /// Removes a container of this run whose name is needed: a client that was killed has left it.
    ///
    /// # Errors
    /// It is not this run's, or cannot be removed.
    pub(super) async fn free_name(&self, name: &str) -> Result<(), HostError> {
        let (engine, asked) = (self.engine().await?.clone(), name.to_owned());
        let mark = self.mark.to_string();
        let freed = run_blocking(move || {
            let is_ours = engine.mark_of(&asked)?.is_none_or(|found| found == mark);
            if is_ours {
                engine.remove(&[asked])?;
            }
            Ok(is_ours)
        });
        if freed.await.map_err(refused)? {
            return Ok(());
        }
        Err(HostError::Refused(format!(
            "container.name.conflict: a container of another run is called `{name}`"
        )))
    }

    /// What is passed to the engine to limit a container to; nothing where it can limit none and none was asked for.
    ///
    /// # Errors
    /// It can limit none.
    pub(super) fn limits(
        &self,
        engine: &Engine,
        request: &ContainerRequest,
    ) -> Result<Option<Limits>, HostError> {
        let limits = limits(&self.policy, request);
        let ceilings = self.policy.ceilings();
        let is_asked = limits.cpus.is_some()
            || limits.memory.is_some()
            || request.pids.is_some()
            || ceilings.pids.is_some();
        match (engine.has_limits, is_asked) {
            (true, _) => Ok(Some(limits)),
            (false, false) => Ok(None),
            (false, true) => Err(HostError::Refused(format!(
                "{LIMITS_UNAVAILABLE}: rootless containers cannot be limited here, because no part of cgroup v2 is delegated to the account; see quire doctor"
            ))),
        }
    }

    /// Reports that something may have been left of a container.
    pub(crate) fn doubt(&self) {
        self.unsure.store(true, Ordering::Relaxed);
    }

    /// Removes what the run has left of containers, if that can be. Blocking.
    pub fn sweep(&self) {
        if !self.unsure.load(Ordering::Relaxed) {
            return;
        }
        if let Some(engine) = self.engine.get()
            && let Err(error) = engine.sweep(self.mark)
        {
            tracing::warn!(error = chain(&error), "containers of the run may be left");
            // An engine that is gone ends nothing; what runs in its containers can be found as any process can.
            let swept = sweep_run(&self.mark);
            tracing::warn!(survivors = ?swept.survivors, "processes of the run were ended without the engine");
        }
        if let Err(error) = forget(self.mark) {
            tracing::warn!(%error, "something of the run may be left in memory");
        }
    }
}

/// A decision as it is written down.
fn fact(job: &str, decision: Decision) -> Fact<String> {
    Fact::PolicyDecision { job: job.to_owned(), decision: PolicyRecord::from(decision) }
}

/// That the pipeline's own image could not be built.
pub(super) fn failed_build(why: &str) -> String {
    format!("image.build.failed: could not build {DOCKERFILE}: {why}")
}

/// The job of a step that is called `job/number`.
fn job_of(step: &str) -> &str {
    step.rsplit_once('/').map_or(step, |(job, _)| job)
}

/// Does blocking work of an engine off the runtime.
pub(super) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(EngineError::Lost(error.to_string())),
    }
}

/// What an engine did not do, as the script hears it.
pub(super) fn refused(error: EngineError) -> HostError {
    HostError::Refused(chain(&error))
}
