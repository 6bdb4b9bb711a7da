//! Requests to the owner of the watches.

use tokio::sync::oneshot;

use super::admin::WatchError;
use crate::model::RepoName;

/// A request to the watcher of remotes.
#[derive(Debug)]
pub(crate) enum WatchWake {
    /// The list of watches has changed.
    Changed,
    /// A person requests a look at one watch or all of them now; answered when it is done.
    Now {
        /// The watch; `None` for all of them.
        name: Option<RepoName>,
        /// Their names.
        answer: oneshot::Sender<Result<Vec<RepoName>, WatchError>>,
    },
    /// A person requests the removal of a watch.
    Remove {
        /// The watch.
        name: RepoName,
        /// Whether it is gone.
        answer: oneshot::Sender<Result<(), WatchError>>,
    },
}
