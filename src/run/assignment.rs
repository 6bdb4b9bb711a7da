//! What a runner is given: one serialisable value, sent over a socket that the runner inherits, never as arguments.

use serde::{Deserialize, Serialize};

use super::order::{Grant, Order};
use super::place::Place;

/// The version of the format. A runner is the same binary as whoever starts it.
const VERSION: u32 = 7;

/// The longest assignment that a runner reads, in bytes.
pub(super) const MAX_ASSIGNMENT: u64 = 64 * 1024 * 1024;

/// What a runner is given. The lock on the run folder and the listening control socket come with it as descriptors.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    v: u32,
    /// What is to be run.
    pub(crate) order: Order,
    /// Where.
    pub place: Place,
    /// What comes with the right to lead it.
    pub(crate) grant: Grant,
}

impl Assignment {
    /// An order with its place.
    pub fn new(order: Order, place: Place, grant: Grant) -> Self {
        Self { v: VERSION, order, place, grant }
    }

    /// The assignment as bytes.
    ///
    /// # Errors
    /// When a string in it cannot be put into JSON.
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// Reads an assignment of this version.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub(crate) fn decode(bytes: &[u8]) -> serde_json::Result<Self> {
        let assignment: Self = serde_json::from_slice(bytes)?;
        match assignment.v {
            VERSION => Ok(assignment),
            other => {
                Err(serde::de::Error::custom(format!("version {other}, and this quire knows {VERSION}")))
            }
        }
    }
}
