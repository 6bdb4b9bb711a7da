//! Announces events that are not runs: what happened to a watched remote.

use rusqlite::{Connection, Result};
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::store::{NoticeKind, insert_notice};

/// An event of a repository that is not a run. Rules for the event `watch` match it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Announcement {
    /// The name of the repository.
    pub(crate) repo: String,
    /// The full name of the ref, if it is about one.
    pub(crate) ref_name: Option<String>,
    /// What happened, as the predicate of a sentence about the repository: `has lost its remote`. No secret, no address
    /// with a password in it.
    pub(crate) what: String,
    /// Why, or what to do.
    pub(crate) why: Option<String>,
}

/// Announces an event in the caller's transaction; ring `App::notices` afterwards, so that it is sent now.
pub(crate) fn announce(connection: &Connection, said: &Announcement, at: Timestamp) -> Result<()> {
    let text = serde_json::to_string(said).unwrap_or_default();
    insert_notice(connection, &NoticeKind::Watch(text), at)
}
