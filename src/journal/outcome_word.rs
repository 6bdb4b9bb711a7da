//! Outcomes as words in a journal. A word that this version does not know is an error, never a guess.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use crate::model::Outcome;

pub(super) fn serialize<S: Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(outcome.as_str())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Outcome, D::Error> {
    let word = String::deserialize(deserializer)?;
    Outcome::parse(&word).ok_or_else(|| D::Error::custom(format!("unknown outcome `{word}`")))
}
