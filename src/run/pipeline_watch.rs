//! Watches the compilation and evaluation of a pipeline from another thread. Nothing stops a C function, such as a pattern
//! that backtracks for ever, from inside: when its time is over, the process says so and ends.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::watchdog::has_had;
use crate::model::Diagnostic;
use crate::pipeline::PipelineFiles;
use crate::pipeline::fennel::took_too_long;
use crate::script::{CompileLimits, VmPulse};

/// How much longer than its own limit the VM may take before it is clear that it does not listen.
const GRACE: Duration = Duration::from_secs(1);

/// How often a VM is looked at whose time is over by the clock, but perhaps not by its processor.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A piece of work of a VM that is being watched, until this is dropped.
pub struct PipelineWatch {
    is_over: Arc<(Mutex<bool>, Condvar)>,
}

impl PipelineWatch {
    /// Watches a compilation. When it does not end, `late` gets the mistake; it has to end the process.
    ///
    /// # Errors
    /// The account may not have another thread.
    pub(crate) fn of_compilation(
        pulse: &Arc<VmPulse>,
        files: &PipelineFiles,
        late: impl FnOnce(Diagnostic) + Send + 'static,
    ) -> io::Result<Self> {
        let (limit, files, seen) = (CompileLimits::default().time, files.clone(), Arc::clone(pulse));
        Self::start(pulse, limit, move || {
            late(took_too_long("compiling", limit, seen.last_place(), &files));
        })
    }

    /// Watches an evaluation that may take this long. When it does not end, `late` is called; it has to end the process.
    ///
    /// # Errors
    /// The account may not have another thread.
    pub(crate) fn start(
        pulse: &Arc<VmPulse>,
        limit: Duration,
        late: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let (pulse, is_over) = (Arc::clone(pulse), Arc::new((Mutex::new(false), Condvar::new())));
        let watched = Arc::clone(&is_over);
        thread::Builder::new().spawn(move || {
            let mut pause = limit + GRACE;
            while !is_over_within(&watched, pause) {
                if pulse.beat().is_some_and(|beat| has_had(&beat, limit + GRACE)) {
                    return late();
                }
                pause = LOOK_AGAIN;
            }
        })?;
        Ok(Self { is_over })
    }
}

impl Drop for PipelineWatch {
    fn drop(&mut self) {
        let (is_over, changed) = &*self.is_over;
        *is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }
}

/// Ends the process, because one of its threads is in a function that never returns.
#[expect(clippy::disallowed_methods, reason = "nothing else can end a process whose thread does not listen")]
pub fn end_process(code: i32) -> ! {
    std::process::exit(code)
}

/// Waits until the work is over, at most for `limit`; says whether it is.
fn is_over_within((is_over, changed): &(Mutex<bool>, Condvar), limit: Duration) -> bool {
    let guard = is_over.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = changed.wait_timeout_while(guard, limit, |is_over| !*is_over);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}
