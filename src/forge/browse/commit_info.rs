//! What pages say about a commit.

use super::browse_error::BrowseError;
use crate::forge::open::{Repo, commit_id};
use crate::model::{CommitId, Timestamp};

/// The most of a message that is shown, in bytes.
const MAX_MESSAGE: usize = 64 << 10;

/// The most of a subject and of a name, in bytes.
const MAX_SUBJECT: usize = 1_000;

/// Who made something, and when. Bytes that are not UTF-8 are U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) time: Timestamp,
}

/// A commit. Its texts are what somebody has pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitInfo {
    pub(crate) id: CommitId,
    pub(crate) parents: Vec<CommitId>,
    /// The first line of the message.
    pub(crate) subject: String,
    /// The message behind its first line.
    pub(crate) body: String,
    pub(crate) author: Signature,
    pub(crate) committer: Signature,
}

/// A commit by its id.
///
/// # Errors
/// It cannot be read.
pub(crate) fn commit_info(repo: &Repo, id: CommitId) -> Result<CommitInfo, BrowseError> {
    let commit = repo.find(id)?;
    let mut info = CommitInfo::of(&commit);
    if commit.message_encoding().ok().flatten().is_some() {
        let text = repo.commit(id)?.message;
        (info.subject, info.body) = split_message(text.as_bytes());
    }
    Ok(info)
}

impl CommitInfo {
    /// A commit as it is in the repository.
    pub(super) fn of(commit: &git2::Commit<'_>) -> Self {
        let (subject, body) = split_message(commit.message_bytes());
        Self {
            id: commit_id(commit.id()),
            parents: commit.parent_ids().map(commit_id).collect(),
            subject,
            body,
            author: signature(&commit.author()),
            committer: signature(&commit.committer()),
        }
    }
}

fn signature(of: &git2::Signature<'_>) -> Signature {
    Signature {
        name: text(of.name_bytes(), MAX_SUBJECT),
        email: text(of.email_bytes(), MAX_SUBJECT),
        time: Timestamp::from_millis(of.when().seconds().saturating_mul(1000)),
    }
}

/// The first line of a message, and the rest.
fn split_message(message: &[u8]) -> (String, String) {
    let message = message.trim_ascii();
    let end = message.iter().position(|byte| *byte == b'\n').unwrap_or(message.len());
    let (subject, body) = message.split_at_checked(end).unwrap_or((message, b""));
    (text(subject.trim_ascii_end(), MAX_SUBJECT), text(body.trim_ascii(), MAX_MESSAGE))
}

/// The beginning of a text of somebody, as UTF-8.
pub(super) fn text(bytes: &[u8], most: usize) -> String {
    match bytes.get(..most) {
        Some(head) if bytes.len() > most => format!("{}…", String::from_utf8_lossy(head)),
        Some(_) | None => String::from_utf8_lossy(bytes).into_owned(),
    }
}
