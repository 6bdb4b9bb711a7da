//! Announces what is no run: what a watched remote did.

use rusqlite::{Connection, Result};
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::store::{NoticeKind, insert_notice};

/// Something that happened to a repository and is no run. Rules that name the event `watch` get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The name of the repository.
    pub repo: String,
    /// The full name of the ref, if it is about one.
    pub ref_name: Option<String>,
    /// What happened, as the predicate of a sentence about the repository: `has lost its remote`. No secret, no address
    /// with a password in it.
    pub what: String,
    /// Why, or what to do.
    pub why: Option<String>,
}

/// Announces something, in the caller's transaction; then ring `App::notices`, so that it is sent now.
pub fn announce(connection: &Connection, said: &Announcement, at: Timestamp) -> Result<()> {
    let text = serde_json::to_string(said).unwrap_or_default();
    insert_notice(connection, &NoticeKind::Watch(text), at)
}
