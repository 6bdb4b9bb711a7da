//! What becomes of unfinished runs when the server starts: re-attached, settled, or queued again.

use std::path::{Path, PathBuf};

use crate::config::DataDir;
use crate::journal::RunRecord;
use crate::store::RunRow;
use crate::sys::lock;
use crate::sys::pidfd::PidFd;

/// What was found of an unfinished run.
pub(super) enum Recovered {
    /// Its runner lives.
    Attached { process: PidFd, has_slot: bool, run_dir: PathBuf },
    /// Its runner is gone, and its jobs had begun or it has an end.
    Gone { record: Box<RunRecord>, run_dir: PathBuf },
    /// It has not begun.
    Queued,
}

/// Looks at the folder of an unfinished run. A run is settled only from index and journal together. Blocking.
pub(super) fn look(data: &DataDir, row: &RunRow) -> Recovered {
    let run_dir = data.run(&row.repo, row.number);
    if let Some(process) = holder(&run_dir) {
        let has_slot = RunRecord::read(&run_dir).started_at.is_some();
        return Recovered::Attached { process, has_slot, run_dir };
    }
    let record = RunRecord::read(&run_dir);
    let has_begun = record.started_at.is_some() || record.outcome.is_some();
    if has_begun { Recovered::Gone { record: Box::new(record), run_dir } } else { Recovered::Queued }
}

/// The live process that holds the run's lock.
fn holder(run_dir: &Path) -> Option<PidFd> {
    let path = run_dir.join("lock");
    // A runner that has just been given its run writes its id in a moment: its lock is held all the while.
    while lock::is_held(&path).ok()? {
        if let Some(pid) = lock::holder_pid(&path).ok()?
            && let Some(process) = PidFd::open(pid).ok()?
            && lock::is_held(&path).ok()?
        {
            return Some(process);
        }
        std::thread::yield_now();
    }
    None
}
