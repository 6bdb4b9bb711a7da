//! Whose the files of the workspace are, where they have to be given from one user of containers to another.
//!
//! Steps of one owner run at the same time; a step of another one waits for their end, and gets the files then.

use std::io;
use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::executor::Workspace;

/// User and group.
type Owner = (u32, u32);

/// The turns of a run's steps.
#[derive(Debug, Default)]
pub(super) struct Turns(Arc<RwLock<Option<Owner>>>);

/// The turn of a step: the files stay with their owner until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _held: OwnedRwLockReadGuard<Option<Owner>>,
}

impl Turns {
    /// Waits until the files of the workspace are this owner's. At first they are those of its account. Leaves nothing
    /// behind when it is cancelled while it waits.
    ///
    /// # Errors
    /// They cannot be given to it.
    pub(super) async fn take(&self, workspace: &Workspace, owner: Owner) -> io::Result<Turn> {
        let is_now = |now: &Option<Owner>| now.unwrap_or_else(|| workspace.account()).0 == owner.0;
        let shared = Arc::clone(&self.0).read_owned().await;
        if is_now(&shared) {
            return Ok(Turn { _held: shared });
        }
        drop(shared);
        let mut alone = Arc::clone(&self.0).write_owned().await;
        if !is_now(&alone) {
            let workspace = workspace.clone();
            tokio::task::spawn_blocking(move || workspace.give_to(owner))
                .await
                .map_err(io::Error::other)??;
            *alone = Some(owner);
        }
        Ok(Turn { _held: alone.downgrade() })
    }
}
