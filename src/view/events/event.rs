//! One event, encoded once for all who read it.

use std::ops::Range;

use serde::Serialize;

use super::body::{EventBody, as_text};
use crate::model::{RunId, Timestamp};

/// An event of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEvent {
    /// Its number in the run.
    pub(crate) seq: u64,
    /// Whether it is the last one.
    pub(crate) is_last: bool,
    /// Whether it is output.
    is_log: bool,
    /// The event as an event stream has it: the number, the kind, and one line of data.
    sse: Vec<u8>,
    /// Where the data are in it, with their line feed.
    data: Range<usize>,
}

#[derive(Serialize)]
struct Data<'a> {
    seq: u64,
    #[serde(serialize_with = "as_text")]
    time: Timestamp,
    #[serde(serialize_with = "as_text")]
    run: RunId,
    #[serde(flatten)]
    body: &'a EventBody,
}

impl RunEvent {
    /// Encodes an event.
    ///
    /// # Errors
    /// It cannot be JSON.
    pub(super) fn new(run: RunId, seq: u64, time: Timestamp, body: &EventBody) -> serde_json::Result<Self> {
        let mut sse = format!("id: {seq}\nevent: {}\ndata: ", body.kind()).into_bytes();
        let start = sse.len();
        serde_json::to_writer(&mut sse, &Data { seq, time, run, body })?;
        sse.push(b'\n');
        let data = start..sse.len();
        sse.push(b'\n');
        let (is_last, is_log) =
            (matches!(body, EventBody::RunFinished { .. }), matches!(body, EventBody::Log { .. }));
        Ok(Self { seq, is_last, is_log, sse, data })
    }

    /// Whether it is output.
    pub(crate) fn is_log(&self) -> bool {
        self.is_log
    }

    /// The event as a part of a `text/event-stream`.
    pub(crate) fn sse(&self) -> &[u8] {
        &self.sse
    }

    /// The event as a line of JSON, with its line feed.
    pub(crate) fn line(&self) -> &[u8] {
        self.sse.get(self.data.clone()).unwrap_or_default()
    }
}
