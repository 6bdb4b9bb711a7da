//! What hooks say to the server, version 1: the bodies of `POST /intents` and `POST /events`, and the spool's files.

use serde::{Deserialize, Serialize};

use crate::model::{CommitId, CommitIdError, RefName, RefNameError, Timestamp};
use crate::store::PushedUpdate;

/// The version of the frames.
pub(super) const VERSION: u32 = 1;

/// What `pre-receive` announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntentFrame {
    /// Version of the frame.
    pub v: u32,
    /// The id of the push: one receive-pack process.
    pub push: String,
    /// The absolute path of the repository.
    pub git_dir: String,
    /// The id of the repository, in the spool: its folder may have another name when the file is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The process id of receive-pack.
    pub pid: u32,
    /// When that process started, in clock ticks since boot.
    pub started: u64,
    /// The boot that this is in.
    pub boot: String,
    /// Who pushes.
    pub pusher: Option<String>,
    /// The push options.
    pub options: Vec<String>,
    /// When it was announced: RFC 3339.
    pub at: String,
    /// What the push wants to do.
    pub updates: Vec<UpdateFrame>,
}

/// What `post-receive` reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventFrame {
    /// Version of the frame.
    pub v: u32,
    /// The id of the push.
    pub push: String,
    /// The absolute path of the repository.
    pub git_dir: String,
    /// The push options.
    pub options: Vec<String>,
    /// What the push has done.
    pub updates: Vec<UpdateFrame>,
}

/// One ref update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateFrame {
    /// The full name of the ref; `hex:` and hexadecimal digits when it is not UTF-8.
    r#ref: String,
    old: String,
    new: String,
}

/// Why a frame could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It has another version.
    #[error("the frame has version {0}, this quire speaks {VERSION}")]
    Version(u32),
    /// An object id is none.
    #[error("a frame names no object")]
    Commit(#[source] CommitIdError),
    /// A ref's name is none.
    #[error("a frame names no ref")]
    Ref(#[source] RefNameError),
    /// A time is none.
    #[error("`{0}` is not a time")]
    Time(String),
}

impl UpdateFrame {
    /// The frame of one update.
    pub fn new(update: &PushedUpdate) -> UpdateFrame {
        let name = match std::str::from_utf8(update.ref_name.as_bytes()) {
            Ok(name) => name.to_owned(),
            Err(_) => {
                let digits = update.ref_name.as_bytes().iter().map(|byte| format!("{byte:02x}"));
                format!("hex:{}", digits.collect::<String>())
            }
        };
        UpdateFrame { r#ref: name, old: update.old.to_string(), new: update.new.to_string() }
    }

    /// The update itself.
    ///
    /// # Errors
    /// When a name or an id in it is none.
    pub fn parse(&self) -> Result<PushedUpdate, FrameError> {
        let bytes = match self.r#ref.strip_prefix("hex:") {
            Some(digits) => from_hex(digits).unwrap_or_default(),
            None => self.r#ref.clone().into_bytes(),
        };
        Ok(PushedUpdate {
            ref_name: RefName::parse(&bytes).map_err(FrameError::Ref)?,
            old: CommitId::parse(&self.old).map_err(FrameError::Commit)?,
            new: CommitId::parse(&self.new).map_err(FrameError::Commit)?,
        })
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

impl IntentFrame {
    /// The updates and the time of the frame.
    ///
    /// # Errors
    /// When the version or anything in it cannot be used.
    pub fn parse(&self) -> Result<(Vec<PushedUpdate>, Timestamp), FrameError> {
        if self.v != VERSION {
            return Err(FrameError::Version(self.v));
        }
        let at =
            Timestamp::parse(&self.at).ok_or_else(|| FrameError::Time(self.at.chars().take(40).collect()))?;
        let updates = self.updates.iter().map(UpdateFrame::parse).collect::<Result<_, _>>()?;
        Ok((updates, at))
    }
}

impl EventFrame {
    /// The updates of the frame.
    ///
    /// # Errors
    /// When the version or anything in it cannot be used.
    pub fn parse(&self) -> Result<Vec<PushedUpdate>, FrameError> {
        if self.v != VERSION {
            return Err(FrameError::Version(self.v));
        }
        self.updates.iter().map(UpdateFrame::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_that_are_not_utf_8_survive_the_frame() {
        for name in [
            b"refs/heads/main".as_slice(),
            b"refs/heads/\xff\x00x",
            b"refs/heads/hex:00",
            b"refs/heads/\xe9t\xe9",
        ] {
            let Ok(ref_name) = RefName::parse(name) else { continue };
            let update = PushedUpdate { ref_name, old: CommitId::ZERO, new: CommitId::from_bytes([7; 20]) };
            let text = serde_json::to_string(&UpdateFrame::new(&update)).unwrap();
            assert_eq!(serde_json::from_str::<UpdateFrame>(&text).unwrap().parse().unwrap(), update);
        }
    }

    #[test]
    fn damaged_frames_are_refused() {
        for text in [
            r#"{"ref":"main","old":"","new":""}"#,
            r#"{"ref":"hex:zz","old":"0000000000000000000000000000000000000000","new":"0000000000000000000000000000000000000000"}"#,
        ] {
            assert!(serde_json::from_str::<UpdateFrame>(text).unwrap().parse().is_err(), "{text}");
        }
        assert!(
            serde_json::from_str::<UpdateFrame>(r#"{"ref":"refs/x/y","old":"","new":"","x":1}"#).is_err()
        );
    }
}
