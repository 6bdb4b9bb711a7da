//! What another thread can see of the VM's thread: which job it runs, since when, and where.
//!
//! A hook stops Lua code, but nothing stops a C function such as a pattern that backtracks for ever. The
//! runner's watchdog reads this and ends the process.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::script_error::Place;
use crate::sys::clock;

/// The state of the VM's thread, shared with a watchdog.
#[derive(Debug)]
pub struct VmPulse {
    origin: Instant,
    /// Milliseconds since `origin`, plus one; 0 when nothing is being polled.
    poll_start: AtomicU64,
    /// The processor time that the thread had had by then, in milliseconds.
    cpu_start: AtomicU64,
    thread: AtomicI32,
    generation: AtomicU64,
    /// The place of the polled job's name in `names`, plus one; 0 while the pipeline is read.
    job: AtomicU32,
    /// The generation that was asked to end.
    interrupted: AtomicU64,
    /// How often the hook has run in this poll.
    hooks: AtomicU32,
    /// Whether the hook had to end this poll's code by an error.
    stopped: AtomicBool,
    names: Mutex<Vec<Arc<str>>>,
    /// The last place of each job, by its number.
    places: Mutex<HashMap<u32, Place>>,
}

/// One poll that is running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The job, or none while the pipeline is read.
    pub job: Option<Arc<str>>,
    /// How long the poll has been running.
    pub elapsed: Duration,
    /// How much processor time it has had; all of the time where that cannot be known.
    pub(crate) worked: Duration,
    /// Differs for each poll; [`VmPulse::interrupt`] takes it.
    pub generation: u64,
    /// Where the script was when the hook last ran, in this poll or an earlier one; before that, where the function of the job begins.
    pub(crate) last_place: Option<Place>,
}

impl Default for VmPulse {
    fn default() -> Self {
        Self::new()
    }
}

impl VmPulse {
    /// The pulse of a VM that does nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            poll_start: AtomicU64::new(0),
            cpu_start: AtomicU64::new(0),
            thread: AtomicI32::new(0),
            generation: AtomicU64::new(0),
            job: AtomicU32::new(0),
            interrupted: AtomicU64::new(0),
            hooks: AtomicU32::new(0),
            stopped: AtomicBool::new(false),
            names: Mutex::new(Vec::new()),
            places: Mutex::new(HashMap::new()),
        }
    }

    /// The poll that is running, if there is one.
    pub fn beat(&self) -> Option<Beat> {
        let generation = self.generation.load(Ordering::SeqCst);
        let job = self.job.load(Ordering::SeqCst);
        let start = self.poll_start.load(Ordering::SeqCst).checked_sub(1)?;
        if generation != self.generation.load(Ordering::SeqCst) {
            // The poll ended while it was read, so that it is not stuck.
            return None;
        }
        let elapsed = Duration::from_millis(self.now().saturating_sub(start));
        let had = Pid::from_raw(self.thread.load(Ordering::SeqCst)).and_then(clock::cpu_time_of);
        let worked = had.map_or(elapsed, |had| had.saturating_sub(self.cpu_start()));
        Some(Beat { job: self.name(job), elapsed, worked, generation, last_place: self.last_place() })
    }

    /// Asks the Lua code of one poll to end with an error, where it cannot be suspended.
    pub fn interrupt(&self, generation: u64) {
        self.interrupted.store(generation, Ordering::SeqCst);
    }

    /// Where the job that was polled last was when the hook last ran; before that, where its function begins.
    pub(crate) fn last_place(&self) -> Option<Place> {
        let job = self.job.load(Ordering::SeqCst);
        self.places.lock().unwrap_or_else(PoisonError::into_inner).get(&job).cloned()
    }

    pub(super) fn note(&self, place: Place) {
        let job = self.job.load(Ordering::SeqCst);
        self.note_of(job, place);
    }

    /// Notes where the function of a job begins, before it runs.
    pub(super) fn note_of(&self, job: u32, place: Place) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).insert(job, place);
    }

    pub(super) fn forget_place(&self) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Gives a job the number that its polls are marked with.
    pub(super) fn number(&self, job: &str) -> u32 {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let place = names.iter().position(|name| &**name == job).unwrap_or_else(|| {
            names.push(Arc::from(job));
            names.len() - 1
        });
        u32::try_from(place).map_or(u32::MAX, |place| place.saturating_add(1))
    }

    /// Counts one run of the hook, and says whether the code must end now: a first yield did not end the poll,
    /// so that it runs where it cannot be suspended, and it has had `grace` of processor time.
    pub(super) fn must_end(&self, grace: Duration) -> bool {
        let again = self.hooks.fetch_add(1, Ordering::SeqCst) > 0;
        let interrupted = self.interrupted.load(Ordering::SeqCst) == self.generation.load(Ordering::SeqCst);
        if self.poll_start.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let over = clock::own_cpu_time().saturating_sub(self.cpu_start()) > grace;
        let must = again && (interrupted || over);
        if must {
            self.stopped.store(true, Ordering::SeqCst);
        }
        must
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn cpu_start(&self) -> Duration {
        Duration::from_millis(self.cpu_start.load(Ordering::SeqCst))
    }

    fn name(&self, number: u32) -> Option<Arc<str>> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        self.names.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned()
    }

    /// Marks the beginning of a piece of work, up to the drop of what is returned.
    pub(super) fn begin(&self, job: u32) -> PollGuard<'_> {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.job.store(job, Ordering::SeqCst);
        self.hooks.store(0, Ordering::SeqCst);
        self.stopped.store(false, Ordering::SeqCst);
        let cpu = u64::try_from(clock::own_cpu_time().as_millis()).unwrap_or(u64::MAX);
        self.cpu_start.store(cpu, Ordering::SeqCst);
        self.thread.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::SeqCst);
        self.poll_start.store(self.now().saturating_add(1), Ordering::SeqCst);
        PollGuard(self)
    }
}

/// Marks the time of one poll.
pub(super) struct PollGuard<'a>(&'a VmPulse);

impl Drop for PollGuard<'_> {
    fn drop(&mut self) {
        self.0.poll_start.store(0, Ordering::SeqCst);
    }
}

/// A future of the VM whose polls, and whose end, the pulse shows.
pub(super) struct Pulsed<T> {
    pulse: Arc<VmPulse>,
    job: u32,
    inner: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
}

impl<T> Pulsed<T> {
    pub(super) fn new(
        pulse: &Arc<VmPulse>,
        job: u32,
        inner: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        Self { pulse: Arc::clone(pulse), job, inner: Some(Box::pin(inner)) }
    }
}

impl<T> Future for Pulsed<T> {
    /// What the future gave, and whether its code had to be ended by the hook.
    type Output = (T, bool);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<(T, bool)> {
        let this = &mut *self;
        let Some(inner) = this.inner.as_mut() else { return Poll::Pending };
        let guard = this.pulse.begin(this.job);
        let polled = inner.as_mut().poll(context);
        drop(guard);
        let stopped = this.pulse.stopped.load(Ordering::SeqCst);
        polled.map(|value| (value, stopped))
    }
}

impl<T> Drop for Pulsed<T> {
    fn drop(&mut self) {
        // Closing a coroutine may run `__close` handlers of the script.
        let guard = self.pulse.begin(self.job);
        self.inner = None;
        drop(guard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_is_seen_during_a_poll_only() {
        let pulse = VmPulse::new();
        let number = pulse.number("test");
        assert_eq!(pulse.number("test"), number);
        assert_ne!(pulse.number("other"), number);
        assert_eq!(pulse.beat(), None);
        let guard = pulse.begin(number);
        let beat = pulse.beat().unwrap();
        assert_eq!(beat.job.as_deref(), Some("test"));
        assert!(!pulse.must_end(Duration::MAX), "the first hook of a poll yields");
        assert!(!pulse.must_end(Duration::MAX));
        pulse.interrupt(beat.generation);
        assert!(pulse.must_end(Duration::MAX));
        drop(guard);
        assert_eq!(pulse.beat(), None);
        let guard = pulse.begin(0);
        assert_eq!(pulse.beat().unwrap().job, None, "while the pipeline is read");
        assert!(!pulse.must_end(Duration::MAX) && !pulse.must_end(Duration::MAX), "a new poll is not meant");
        drop(guard);
    }
}
