//! What the watcher of remotes gets of the server's state.

use std::sync::Arc;

use super::state::{AppState, Look};
use super::watches::unrun;
use crate::intake::NO_PIPELINE;
use crate::store::RepoRow;
use crate::watch::{SettleCopy, Settling, WatchContext};

impl AppState {
    /// What the watcher of remotes stands on.
    pub(crate) fn watch_context(&self) -> WatchContext {
        WatchContext {
            data: self.data.clone(),
            instance: self.instance,
            store: self.store.clone(),
            settings: Arc::clone(&self.settings),
            environment: Arc::clone(&self.environment),
            notices: Arc::clone(&self.notices),
            settle: Arc::new(self.clone()),
        }
    }
}

impl SettleCopy for AppState {
    fn settle_copy(&self, copy: RepoRow) -> Settling {
        let app = self.clone();
        Box::pin(async move {
            let watch = copy.name.clone();
            let settled = app.settle(copy, Look::All).await.map_err(|problem| problem.to_string())?;
            for update in &settled.recorded {
                // Silence would look like trouble.
                let Some(text) = unrun(&update.ref_name, update.new, &update.decision) else { continue };
                match update.decision.as_str() {
                    NO_PIPELINE => tracing::warn!("`{watch}`: {text}"),
                    _ => tracing::info!("`{watch}`: {text}"),
                }
            }
            Ok(settled.unread.is_empty())
        })
    }
}
