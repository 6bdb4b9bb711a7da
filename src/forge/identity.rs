//! `quire.json` in the folder of a repository: its identity, independent of its name.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::sys::clock;

use super::durable;
use super::repo_error::RepoError;

/// The name of the file.
pub(super) const FILE: &str = "quire.json";

/// The version that this quire writes and reads.
const VERSION: u32 = 1;

/// The id of a repository, a UUID of version 7. It stays when the repository is renamed, removed and restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RepoId(uuid::Uuid);

/// The identity of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: RepoId,
    /// When quire created or adopted it.
    pub(crate) created_at: Timestamp,
    /// The name of the file, in the same folder, with the refs that it had when it was adopted
    /// (see [`read_baseline`](super::read_baseline)).
    pub(crate) baseline: Option<String>,
}

/// The content of the file.
#[derive(Serialize, Deserialize)]
struct Stored {
    v: u32,
    id: String,
    created_at: String,
    baseline: Option<String>,
}

impl RepoId {
    /// Parses a UUID with dashes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        (text.len() == 36).then(|| uuid::Uuid::parse_str(text).ok().map(RepoId)).flatten()
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Identity {
    /// A new identity.
    pub(super) fn fresh() -> Self {
        Self { id: RepoId(uuid::Uuid::now_v7()), created_at: clock::now(), baseline: None }
    }

    /// Writes it into the folder of a repository.
    pub(super) fn write(&self, repo: &Path) -> Result<(), RepoError> {
        let stored = Stored {
            v: VERSION,
            id: self.id.to_string(),
            created_at: self.created_at.to_string(),
            baseline: self.baseline.clone(),
        };
        let path = repo.join(FILE);
        let mut text = serde_json::to_vec(&stored)
            .map_err(|error| RepoError::Write { path: path.clone(), source: error.into() })?;
        text.push(b'\n');
        durable::write(&path, &text)
    }
}

/// Reads the identity of a repository; `None` when quire has neither created nor adopted it.
///
/// # Errors
/// The file could not be read, or its content is invalid.
pub(crate) fn read_identity(repo: &Path) -> Result<Option<Identity>, RepoError> {
    let path = repo.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RepoError::Read { path, source }),
    };
    let damaged = |reason: String| RepoError::Damaged { path: path.clone(), reason };
    let stored: Stored = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if stored.v != VERSION {
        return Err(damaged(format!(
            "it has version {}, but this quire supports only version {VERSION}",
            stored.v
        )));
    }
    let id = RepoId::parse(&stored.id).ok_or_else(|| damaged("`id` is not a UUID".to_owned()))?;
    let created_at = Timestamp::parse(&stored.created_at)
        .ok_or_else(|| damaged("the time is not in RFC 3339 format".to_owned()))?;
    if stored.baseline.as_ref().is_some_and(|name| name.contains('/')) {
        return Err(damaged("`baseline` must name a file in the same folder".to_owned()));
    }
    Ok(Some(Identity { id, created_at, baseline: stored.baseline }))
}
