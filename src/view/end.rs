//! When the end in a journal counts. Steps that run as the server's account can append to the journal of their
//! run, so an end in the last line does not count before the run is settled.

use std::path::PathBuf;

use crate::config::DataDir;
use crate::model::Progress;
use crate::run::RunLock;
use crate::store::RunRow;
use crate::sys::lock;

/// The lock whose holder decides how a run ends: the server's, or without a server the runner's. `None` when
/// the run is settled, or no process is left to settle it: then the journal decides.
pub(crate) fn deciding_lock(data: &DataDir, row: &RunRow) -> Option<PathBuf> {
    if row.state == Progress::Finished {
        return None;
    }
    let locks = [data.server_lock(), RunLock::of(&data.run(&row.repo, row.number)).path()];
    // A lock that cannot be checked may be held.
    locks.into_iter().find(|path| lock::is_held(path).unwrap_or(true))
}
