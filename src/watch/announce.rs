//! The one place where a change of a watch's state is announced, once for each change.

use super::state::{WatchChange, WatchState};
use crate::config::WatchDecl;
use crate::notify::Announcement;

/// Logs a change.
pub(super) fn announce(watch: &WatchDecl, change: &WatchChange) {
    let (name, url, branch) = (&watch.name, &watch.url, &watch.branch);
    match change {
        WatchChange::State { from: None, to: WatchState::Following, .. } => {
            tracing::info!(%url, %branch, "watching `{name}`");
        }
        WatchChange::State { from: Some(from), to: WatchState::Following, .. } => {
            tracing::info!(%url, %branch, "`{name}` is followed again, after it was {from}");
        }
        WatchChange::State { to, error, .. } => {
            let error = error.as_deref().unwrap_or_default();
            tracing::warn!(%url, %branch, "`{name}` is {}: {error}", to.as_str());
        }
        WatchChange::DefaultBranch { from, to } => {
            tracing::warn!(%url, "the default branch of `{name}` changed from `{from}` to `{to}`; the watched branch is `{branch}`");
        }
        WatchChange::Rewritten { from, to } => {
            tracing::warn!(%url, %branch, "`{name}` was force-pushed: {} → {}", from.short(), to.short());
        }
    }
}

/// The text of a notification about a change; `None` for a watch that starts well.
pub(super) fn announcement(watch: &WatchDecl, change: &WatchChange) -> Option<Announcement> {
    let (what, why) = match change {
        WatchChange::State { from: None, to: WatchState::Following, .. } => return None,
        WatchChange::State { from: Some(from), to: WatchState::Following, .. } => {
            ("is followed again".to_owned(), Some(format!("it was {from}")))
        }
        WatchChange::State { to, error, .. } => (format!("is {}", to.as_str()), error.clone()),
        WatchChange::DefaultBranch { from, to } => {
            let why = format!("the watched branch is {}", watch.branch);
            (format!("has another default branch: {to} instead of {from}"), Some(why))
        }
        WatchChange::Rewritten { from, to } => {
            let why = format!("it was {} and is {}", from.short(), to.short());
            ("was rewritten".to_owned(), Some(why))
        }
    };
    let ref_name = Some(format!("refs/heads/{}", watch.branch));
    Some(Announcement { repo: watch.name.to_string(), ref_name, what, why })
}
