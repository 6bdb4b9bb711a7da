//! What the watcher of remotes depends on.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::config::{CurrentSettings, DataDir};
use crate::model::InstanceId;
use crate::store::{RepoRow, Store};

/// What the watcher of remotes depends on. Clones share it.
#[derive(Clone)]
pub struct WatchContext {
    pub(crate) data: DataDir,
    /// The id of the data folder, which marks the git processes that connect to remotes.
    pub(crate) instance: InstanceId,
    /// The database.
    pub(crate) store: Store,
    pub(crate) settings: Arc<CurrentSettings>,
    /// The server's environment.
    pub(crate) environment: Arc<Vec<(String, String)>>,
    /// Rung when something was announced.
    pub(crate) notices: Arc<Notify>,
    /// Records what was fetched.
    pub(crate) settle: Arc<dyn SettleCopy>,
}

/// Records the updates of a copy, as for every repository: a watch only fetches.
pub trait SettleCopy: Send + Sync {
    /// Records the updates of a copy and starts what follows from them; whether all of its refs could be read.
    fn settle_copy(&self, copy: RepoRow) -> Settling;
}

/// The result: after an error it is repeated with the next look.
pub type Settling = Pin<Box<dyn Future<Output = Result<bool, String>> + Send>>;
