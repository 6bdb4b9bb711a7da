//! When the end in a journal counts. Steps that run with the server's own account can append to the journal of their
//! run, so its last line is no end before the run is settled.

use std::path::PathBuf;

use crate::config::DataDir;
use crate::model::Progress;
use crate::store::RunRow;
use crate::sys::lock;

/// The lock whose holder decides how a run ends: that of the server, or without a server that of its runner. Nothing when
/// the run is settled, or nobody is left to settle it: then the journal is all there is.
pub fn deciding_lock(data: &DataDir, row: &RunRow) -> Option<PathBuf> {
    if row.state == Progress::Finished {
        return None;
    }
    let locks = [data.server_lock(), data.run(&row.repo, row.number).join("lock")];
    // A lock that cannot be looked at may be held.
    locks.into_iter().find(|path| lock::is_held(path).unwrap_or(true))
}
