//! Ends the runner when the VM does not listen: a C function such as a pattern that backtracks for ever cannot be
//! interrupted from inside.
//!
//! The watchdog's thread sleeps while the VM sleeps. It has its own handle of the journal, so that it can say why.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::container::Containers;
use crate::executor::{Workspace, sweep_run};
use crate::journal::{Fact, Recorder};
use crate::model::{Outcome, RunMark};
use crate::script::{Beat, VmPulse};

/// How much processor time the VM may have in one piece before its code is asked to end.
const ASK_AFTER: Duration = Duration::from_secs(4);

/// How much it may have before the runner ends itself.
const END_AFTER: Duration = Duration::from_secs(5);

/// On a machine that is busy with others it may be late for that alone: this many times as long on the clock counts as
/// well, should it sleep where it cannot be heard.
const PATIENCE: u32 = 12;

/// The exit status of a runner that ended itself: that of timeout(1).
const EXIT_TIMED_OUT: i32 = 124;

/// What the watchdog needs when it has to act.
pub struct Watchdog {
    recorder: Recorder,
    mark: RunMark,
    workspace: Workspace,
    containers: Arc<Containers>,
}

/// Whether the VM's thread is at work, and since when.
#[derive(Clone)]
pub struct Busy(Arc<(Mutex<Option<Instant>>, Condvar)>);

impl Watchdog {
    /// A watchdog for the run of these containers.
    pub fn new(workspace: Workspace, containers: Arc<Containers>) -> Watchdog {
        Watchdog { recorder: containers.recorder.clone(), mark: containers.mark, workspace, containers }
    }

    /// Starts the watchdog's thread; it is told through what is returned when the VM works.
    ///
    /// # Errors
    /// The account may not have another thread.
    pub fn watch(self, pulse: Arc<VmPulse>) -> io::Result<Busy> {
        let busy = Busy(Arc::default());
        let watched = busy.clone();
        thread::Builder::new().spawn(move || self.keep(&watched, &pulse))?;
        Ok(busy)
    }

    fn keep(&self, busy: &Busy, pulse: &VmPulse) {
        loop {
            let since = busy.wait_until_busy();
            if !busy.wait_while_busy(since, ASK_AFTER) {
                continue;
            }
            // The thread has been at work all the time, which may be many short pieces: only a long one counts.
            match pulse.beat() {
                Some(beat) if has_had(&beat, END_AFTER) => {
                    let job = beat.job.as_deref().map(|job| format!(" in job {job}")).unwrap_or_default();
                    let place =
                        beat.last_place.map(|place| format!(", last seen at {place}")).unwrap_or_default();
                    self.end(&format!("the script did not listen for {} s{job}{place}", END_AFTER.as_secs()));
                }
                Some(beat) if has_had(&beat, ASK_AFTER) => {
                    pulse.interrupt(beat.generation);
                    busy.wait_while_busy(since, since.elapsed() + Duration::from_millis(100));
                }
                Some(_) | None => {
                    busy.wait_while_busy(since, since.elapsed() + Duration::from_millis(500));
                }
            }
        }
    }

    /// Writes down why, ends all steps, and ends the process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one other place that ends the process: nothing else can any more"
    )]
    fn end(&self, reason: &str) -> ! {
        let swept = sweep_run(&self.mark);
        self.containers.doubt();
        self.containers.sweep();
        // For who looks at `quire ci run`; a runner's goes to its log.
        let told = std::io::Write::write_all(&mut std::io::stderr(), format!("error: {reason}\n").as_bytes());
        if let Err(error) = told.and_then(|()| self.workspace.remove()) {
            tracing::warn!(%error, "the workspace could not be removed");
        }
        let ended = Fact::RunEnded {
            outcome: Outcome::TimedOut.as_str().to_owned(),
            reason: Some(reason.to_owned()),
        };
        if let Err(problem) = self.recorder.write(ended) {
            tracing::error!(%problem, reason, survivors = ?swept.survivors, "the end of the run is not written down");
        }
        std::process::exit(EXIT_TIMED_OUT)
    }
}

/// Whether the VM has been in one piece of its work for this long: by its processor time, or for much longer by the clock.
pub(super) fn has_had(beat: &Beat, limit: Duration) -> bool {
    beat.worked >= limit || beat.elapsed >= limit * PATIENCE
}

impl Busy {
    /// The VM's thread goes to work.
    pub fn begin(&self) {
        let (since, changed) = &*self.0;
        let mut since = since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_none() {
            *since = Some(Instant::now());
            changed.notify_all();
        }
    }

    /// It has nothing to do.
    pub fn end(&self) {
        let (since, changed) = &*self.0;
        *since.lock().unwrap_or_else(PoisonError::into_inner) = None;
        changed.notify_all();
    }

    fn wait_until_busy(&self) -> Instant {
        let (since, changed) = &*self.0;
        let mut since = since.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match *since {
                Some(since) => return since,
                None => since = changed.wait(since).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Waits until the work that began at `from` has gone on for `limit`; false when it ended before.
    fn wait_while_busy(&self, from: Instant, limit: Duration) -> bool {
        let (since, changed) = &*self.0;
        let mut since = since.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if *since != Some(from) {
                return false;
            }
            let Some(left) = limit.checked_sub(from.elapsed()).filter(|left| !left.is_zero()) else {
                return true;
            };
            since = changed.wait_timeout(since, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
