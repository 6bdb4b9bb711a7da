//! What is asked of the owner of the watches.

use tokio::sync::oneshot;

use super::admin::WatchError;
use crate::model::RepoName;

/// What the watcher of remotes is told.
#[derive(Debug)]
pub enum WatchWake {
    /// There are other watches.
    Changed,
    /// A person wants a watch, or all of them, to be looked at now; answered when that was done.
    Now {
        /// The watch; all of them when there is none.
        name: Option<RepoName>,
        /// Their names.
        answer: oneshot::Sender<Result<Vec<RepoName>, WatchError>>,
    },
    /// A person wants a watch to be removed.
    Remove {
        /// The watch.
        name: RepoName,
        /// Whether it is gone.
        answer: oneshot::Sender<Result<(), WatchError>>,
    },
}
