//! The one place where a change of a watch's state is announced, once for each change.

use crate::config::WatchDecl;
use crate::intake::{WatchChange, WatchState};

/// Says what has changed.
pub(super) fn announce(watch: &WatchDecl, change: &WatchChange) {
    let (name, url, branch) = (&watch.name, &watch.url, &watch.branch);
    match change {
        WatchChange::State { from: None, to: WatchState::Following, .. } => {
            tracing::info!(%url, %branch, "{name} is watched");
        }
        WatchChange::State { from: Some(from), to: WatchState::Following, .. } => {
            tracing::info!(%url, %branch, "{name} is followed again, after it was {from}");
        }
        WatchChange::State { to, error, .. } => {
            let error = error.as_deref().unwrap_or_default();
            tracing::warn!(%url, %branch, "{name} is {}: {error}", to.as_str());
        }
        WatchChange::DefaultBranch { from, to } => {
            tracing::warn!(%url, "the default branch of {name} was {from} and is {to}; {branch} is watched");
        }
    }
}
