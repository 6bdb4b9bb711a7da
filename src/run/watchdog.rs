//! Ends the run when the VM does not listen: a C function such as a pattern that backtracks for ever cannot be
//! interrupted from inside.
//!
//! The watchdog's thread sleeps while the VM sleeps.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::drive::Ended;
use super::pipeline_watch::end_process;
use crate::container::Containers;
use crate::executor::{Workspace, sweep_run};
use crate::journal::{Fact, Recorder};
use crate::model::{Outcome, Reason, RunMark, codes};
use crate::script::{Beat, VmPulse};

/// How much processor time the VM may have in one piece before its code is asked to end.
const ASK_AFTER: Duration = Duration::from_secs(4);

/// How much it may have before the run ends without it.
const END_AFTER: Duration = Duration::from_secs(5);

/// On a machine that is busy with others it may be late for that alone: this many times as long on the clock counts as
/// well, should it sleep where it cannot be heard.
const PATIENCE: u32 = 12;

/// The exit status of a runner whose script did not listen: that of timeout(1).
const EXIT_TIMED_OUT: i32 = 124;

/// What happens to the end of a run whose VM does not listen, when nothing is left of the run but that thread: it is
/// written down, and the process ends.
pub(crate) type Unheard = Arc<dyn Fn(Ended) + Send + Sync>;

/// What the watchdog needs when it has to act.
pub(crate) struct Watchdog {
    mark: RunMark,
    workspace: Workspace,
    containers: Arc<Containers>,
    unheard: Unheard,
}

/// Whether the VM's thread is at work, and since when.
#[derive(Clone)]
pub(crate) struct Busy(Arc<(Mutex<Option<Instant>>, Condvar)>);

impl Watchdog {
    /// A watchdog for the run of these containers.
    pub(crate) fn new(workspace: Workspace, containers: Arc<Containers>, unheard: Unheard) -> Self {
        Self { mark: containers.mark, workspace, containers, unheard }
    }

    /// Starts the watchdog's thread; what is returned reports when the VM works.
    ///
    /// # Errors
    /// The account may not have another thread.
    pub(crate) fn watch(self, pulse: Arc<VmPulse>) -> io::Result<Busy> {
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
                    let job = beat.job.as_deref().map_or_else(
                        || " while the pipeline was read".to_owned(),
                        |job| format!(" in job {job}"),
                    );
                    let place =
                        beat.last_place.map(|place| format!(", last seen at {place}")).unwrap_or_default();
                    return self.end(format!(
                        "the script did not respond for {} s{job}{place}",
                        END_AFTER.as_secs()
                    ));
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

    /// Ends all steps, removes the workspace, and says why.
    fn end(&self, reason: String) {
        let swept = sweep_run(&self.mark);
        self.containers.doubt();
        self.containers.sweep();
        if let Err(error) = self.workspace.remove() {
            tracing::warn!(%error, survivors = ?swept.survivors, "the workspace could not be removed");
        }
        (self.unheard)((Outcome::TimedOut, Some(Reason::new(codes::SCRIPT_STUCK, reason))));
    }
}

/// Writes the end of a run down whose script does not listen, and ends its runner: with this exit status, or that of
/// timeout(1).
pub(super) fn end_runner(recorder: Recorder, unusable: i32) -> Unheard {
    Arc::new(move |(outcome, reason)| {
        let code = if outcome == Outcome::TimedOut { EXIT_TIMED_OUT } else { unusable };
        tracing::error!(reason = reason.as_ref().map(ToString::to_string), "the script did not respond");
        let end = Fact::run_ended((outcome, reason));
        if let Err(problem) = recorder.write(end) {
            tracing::error!(%problem, "the end of the run is not written down");
        }
        end_process(code)
    })
}

/// Whether the VM has been in one piece of its work for this long: by its processor time, or for much longer by the clock.
pub(super) fn has_had(beat: &Beat, limit: Duration) -> bool {
    beat.worked >= limit || beat.elapsed >= limit * PATIENCE
}

impl Busy {
    /// The VM's thread goes to work.
    pub(crate) fn begin(&self) {
        let (since, changed) = &*self.0;
        let mut since = since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_none() {
            *since = Some(Instant::now());
            changed.notify_all();
        }
    }

    /// It has nothing to do.
    pub(crate) fn end(&self) {
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

    /// Waits until the work that began at `from` has run for `limit`; false when it ended before.
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
