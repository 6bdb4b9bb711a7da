//! Step output on disk, one file per step: `log/<job>/<step>.log`.
//!
//! The lines are those of the Kubernetes CRI format: `<RFC 3339 time> stdout|stderr F|P <bytes>`. `F` ends a
//! line of the output; after `P` the line continues in the next record of that stream, or the stream ended without
//! a line feed. The bytes are the output's own, after redaction: carriage returns, NULs and invalid UTF-8
//! included. A third stream word, `quire`, marks quire's own remarks; output cannot imitate it, because each line of
//! output follows a prefix of its own.
//!
//! This module does not redact: a [`Filter`] does, and the writer writes only bytes that have passed one.

mod limit;
mod line;
mod reader;
mod sink;
mod tail;
mod text;
mod writer;

pub use limit::{LogLimit, MAX_TAIL};
pub use line::{MAX_RECORD, Record, Stream};
pub use reader::{Entry, LastRecords, LogReader, read_end};
pub use sink::{LogBytes, LogSink};
pub use text::{LogText, read_text};
pub use writer::{Filter, LogEnd, LogError, LogWriter, PassThrough, Sink};
