//! A ref update, and how it is written into frames, specs and journals.

use serde::{Deserialize, Serialize};

use crate::model::{CommitId, CommitIdError, RefName, RefNameError, hex};

/// A ref that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// The ref.
    pub ref_name: RefName,
    /// Its value before.
    pub old: CommitId,
    /// Its value after; of a run's event, the commit that this leads to.
    pub new: CommitId,
}

/// A ref update as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefUpdateRecord {
    /// The full name of the ref; `hex:` and hexadecimal digits when it is not UTF-8.
    r#ref: String,
    old: String,
    new: String,
}

/// Why a record is not a ref update.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefUpdateRecordError {
    /// An object id is invalid.
    #[error("invalid object id in a ref update")]
    Commit(#[source] CommitIdError),
    /// The name of the ref is invalid.
    #[error("invalid ref name in a ref update")]
    Ref(#[source] RefNameError),
    /// The digits after `hex:` are invalid.
    #[error("invalid hexadecimal digits in the ref name of a ref update")]
    Hex,
}

impl From<&RefUpdate> for RefUpdateRecord {
    fn from(update: &RefUpdate) -> Self {
        let name = match std::str::from_utf8(update.ref_name.as_bytes()) {
            Ok(name) => name.to_owned(),
            Err(_) => format!("hex:{}", hex(update.ref_name.as_bytes())),
        };
        Self { r#ref: name, old: update.old.to_string(), new: update.new.to_string() }
    }
}

impl RefUpdateRecord {
    /// Whether another update leaves the same ref with the same value.
    pub(crate) fn has_same_value(&self, other: &Self) -> bool {
        self.r#ref == other.r#ref && self.new == other.new
    }

    /// The ref update.
    ///
    /// # Errors
    /// When the name or an id in it is invalid.
    pub(crate) fn parse(&self) -> Result<RefUpdate, RefUpdateRecordError> {
        let bytes = match self.r#ref.strip_prefix("hex:") {
            Some(digits) => from_hex(digits).ok_or(RefUpdateRecordError::Hex)?,
            None => self.r#ref.clone().into_bytes(),
        };
        Ok(RefUpdate {
            ref_name: RefName::parse(&bytes).map_err(RefUpdateRecordError::Ref)?,
            old: CommitId::parse(&self.old).map_err(RefUpdateRecordError::Commit)?,
            new: CommitId::parse(&self.new).map_err(RefUpdateRecordError::Commit)?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_that_are_not_utf_8_survive() {
        for name in [
            b"refs/heads/main".as_slice(),
            b"refs/heads/\xff\x00x",
            b"refs/heads/hex:00",
            b"refs/heads/\xe9t\xe9",
        ] {
            let Ok(ref_name) = RefName::parse(name) else { continue };
            let update = RefUpdate { ref_name, old: CommitId::ZERO, new: CommitId::from_bytes([7; 20]) };
            let text = serde_json::to_string(&RefUpdateRecord::from(&update)).unwrap();
            assert_eq!(serde_json::from_str::<RefUpdateRecord>(&text).unwrap().parse().unwrap(), update);
        }
    }

    #[test]
    fn damaged_records_are_refused() {
        for text in [
            r#"{"ref":"main","old":"","new":""}"#,
            r#"{"ref":"hex:zz","old":"0000000000000000000000000000000000000000","new":"0000000000000000000000000000000000000000"}"#,
        ] {
            assert!(serde_json::from_str::<RefUpdateRecord>(text).unwrap().parse().is_err(), "{text}");
        }
        assert!(
            serde_json::from_str::<RefUpdateRecord>(r#"{"ref":"refs/x/y","old":"","new":"","x":1}"#).is_err()
        );
    }
}
