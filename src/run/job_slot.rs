//! The running jobs: what numbers their steps, what stops them, and what runs next to them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OnceCell, watch};

use crate::container::JobPlace;
use crate::pipeline::JobOptions;
use crate::script::ArtifactCall;

/// The running jobs of a run, by name.
#[derive(Default)]
pub struct JobSlots(Mutex<HashMap<String, JobSlot>>);

/// A running job.
struct JobSlot {
    steps: Arc<AtomicU32>,
    stop: watch::Sender<bool>,
    active: watch::Sender<usize>,
    place: Arc<JobPlace>,
    /// Its arguments that are secrets.
    secrets: Vec<String>,
    /// What is kept when it has ended.
    artifacts: Vec<ArtifactCall>,
}

/// What a job that has ended leaves to do.
pub(super) struct ClosedJob {
    pub(super) artifacts: Vec<ArtifactCall>,
    /// Whether it was stopped, or is while they are kept.
    pub(super) stop: watch::Receiver<bool>,
}

/// What a step needs of its job.
pub(super) struct StepSlot {
    /// Its number, from 1.
    pub(super) number: u32,
    /// Numbers what else the job starts.
    pub(super) steps: Arc<AtomicU32>,
    /// Asks it to end.
    pub(super) stop: watch::Receiver<bool>,
    /// Where it runs.
    pub(super) place: Arc<JobPlace>,
    /// Counts it as running until this is dropped.
    pub(super) active: ActiveStep,
}

/// A step that counts as running until this is dropped.
pub(super) struct ActiveStep(watch::Sender<usize>);

impl JobSlots {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, JobSlot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for a job that begins.
    pub(super) fn open(&self, job: &str, options: &JobOptions) {
        let secrets = options.arguments.iter().flatten().filter(|spec| spec.is_secret);
        let secrets = secrets.map(|spec| spec.name.clone()).collect();
        let (image, container) = (options.image.clone(), options.container.clone());
        let place = Arc::new(JobPlace { image, options: container, services: OnceCell::new() });
        let (stop, active) = (watch::Sender::new(false), watch::Sender::new(0));
        let artifacts = options.artifacts.clone();
        let slot = JobSlot { steps: Arc::default(), stop, active, place, secrets, artifacts };
        self.lock().insert(job.to_owned(), slot);
    }

    /// Whether a job declares an argument of this name that is a secret.
    pub(super) fn takes_secret(&self, job: &str, name: &str) -> bool {
        self.lock().get(job).is_some_and(|slot| slot.secrets.iter().any(|secret| secret == name))
    }

    /// Asks the steps of a job to end; it gets no new ones.
    pub(super) fn stop(&self, job: &str) {
        if let Some(slot) = self.lock().get(job) {
            slot.stop.send_replace(true);
        }
    }

    /// Waits until no step of a job is still running, and ends its services.
    pub(super) async fn close(&self, job: &str) -> Option<ClosedJob> {
        let found = self.lock().get(job).map(|slot| (slot.active.subscribe(), Arc::clone(&slot.place)));
        if let Some((mut active, place)) = found {
            // The sender is in the slot, which is removed only below.
            let _always_there = active.wait_for(|count| *count == 0).await.is_ok();
            if let Some(services) = place.services.get() {
                services.end().await;
            }
        }
        let jobs = self.lock();
        let slot = jobs.get(job)?;
        Some(ClosedJob { artifacts: slot.artifacts.clone(), stop: slot.stop.subscribe() })
    }

    /// Forgets a job that has ended.
    pub(super) fn forget(&self, job: &str) {
        self.lock().remove(job);
    }

    /// Counts as a running step of a job until it is dropped; nothing for a job that was stopped. The first says when it is.
    pub(super) fn enter(&self, job: &str) -> Option<(watch::Receiver<bool>, ActiveStep)> {
        let mut jobs = self.lock();
        let slot = jobs.get_mut(job).filter(|slot| !*slot.stop.borrow())?;
        slot.active.send_modify(|count| *count += 1);
        Some((slot.stop.subscribe(), ActiveStep(slot.active.clone())))
    }

    /// What the next step of a job needs. Nothing for a job that was stopped.
    pub(super) fn next_step(&self, job: &str) -> Option<StepSlot> {
        let mut jobs = self.lock();
        let slot = jobs.get_mut(job).filter(|slot| !*slot.stop.borrow())?;
        slot.active.send_modify(|count| *count += 1);
        Some(StepSlot {
            number: slot.steps.fetch_add(1, Ordering::Relaxed) + 1,
            steps: Arc::clone(&slot.steps),
            stop: slot.stop.subscribe(),
            place: Arc::clone(&slot.place),
            active: ActiveStep(slot.active.clone()),
        })
    }
}

impl Drop for ActiveStep {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
