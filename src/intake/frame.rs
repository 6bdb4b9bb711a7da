//! What hooks send to the server, version 1: the bodies of `POST /intents` and `POST /events`, and the spool's files.

use serde::{Deserialize, Serialize};

use crate::event::{RefUpdate, RefUpdateRecord, RefUpdateRecordError};
use crate::model::{Timestamp, shell_word};

/// The version of the frames.
pub(super) const VERSION: u32 = 1;

/// The last byte of a complete answer to `POST /events`: without it, the server was killed while it reported.
pub(crate) const END_OF_REPORT: u8 = 4;

/// How a pusher who has come over HTTP calls quire: there, with the token in `QUIRE_TOKEN`.
pub(crate) fn over_http(url: &str) -> String {
    format!("{OVER_HTTP}{}", shell_word(url))
}

const OVER_HTTP: &str = "quire --server ";

/// Whether that is how somebody calls quire.
pub(crate) fn is_over_http(command: &str) -> bool {
    command.starts_with(OVER_HTTP)
}

/// The announcement of `pre-receive`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IntentFrame {
    /// Version of the frame.
    pub(crate) v: u32,
    /// The id of the push: one receive-pack process.
    pub(crate) push: String,
    /// The absolute path of the repository.
    pub(crate) git_dir: String,
    /// The id of the repository, in the spool: its folder may have been renamed when the file is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) repo: Option<String>,
    /// The data folder that it was announced in ([`crate::sys::FolderIdentity::word`]), in the spool: a copy of the data
    /// folder has a copy of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) folder: Option<String>,
    /// The folder of the objects that git has not taken over yet (githooks(5), `GIT_QUARANTINE_PATH`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quarantine: Option<String>,
    /// The process id of receive-pack.
    pub(crate) pid: u32,
    /// When that process started, in clock ticks since boot.
    pub(crate) started: u64,
    /// The boot that this is in.
    pub(crate) boot: String,
    pub(crate) pusher: Option<String>,
    /// The push options.
    pub(crate) options: Vec<String>,
    /// When it was announced: RFC 3339.
    pub(crate) at: String,
    /// The updates that the push is about to make.
    pub(crate) updates: Vec<RefUpdateRecord>,
}

/// The report of `post-receive`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventFrame {
    /// Version of the frame.
    pub(crate) v: u32,
    /// The id of the push.
    pub(crate) push: String,
    /// The absolute path of the repository.
    pub(crate) git_dir: String,
    /// The push options.
    pub(crate) options: Vec<String>,
    /// How the pusher calls quire, unless by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    /// The updates that the push has made.
    pub(crate) updates: Vec<RefUpdateRecord>,
}

/// Why a frame could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// It has another version.
    #[error("the frame has version {0}, but this quire supports only version {VERSION}")]
    Version(u32),
    /// A ref update is invalid.
    #[error("a frame has no ref update")]
    Update(#[from] RefUpdateRecordError),
    /// A time is invalid.
    #[error("`{0}` is not a valid time")]
    Time(String),
}

impl IntentFrame {
    /// The updates and the time of the frame.
    ///
    /// # Errors
    /// The version or a value is invalid.
    pub(crate) fn parse(&self) -> Result<(Vec<RefUpdate>, Timestamp), FrameError> {
        if self.v != VERSION {
            return Err(FrameError::Version(self.v));
        }
        let at =
            Timestamp::parse(&self.at).ok_or_else(|| FrameError::Time(self.at.chars().take(40).collect()))?;
        let updates = updates(&self.updates)?;
        Ok((updates, at))
    }
}

impl EventFrame {
    /// The updates of the frame.
    ///
    /// # Errors
    /// The version or a value is invalid.
    pub(crate) fn parse(&self) -> Result<Vec<RefUpdate>, FrameError> {
        if self.v != VERSION {
            return Err(FrameError::Version(self.v));
        }
        updates(&self.updates)
    }
}

fn updates(records: &[RefUpdateRecord]) -> Result<Vec<RefUpdate>, FrameError> {
    records.iter().map(|record| record.parse().map_err(FrameError::Update)).collect()
}
