//! Waiting for facts, never for time.

use std::time::{Duration, Instant};

/// The longest wait for a fact. Far beyond what any takes: machines are shared.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` finds something, and gives that.
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Waits until something is so.
pub(super) fn until_true(what: &str, mut is_so: impl FnMut() -> bool) {
    until(what, || is_so().then_some(()));
}
