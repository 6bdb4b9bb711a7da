//! The output in a log: records joined back into the bytes that a step wrote.

use std::io;
use std::path::Path;

use super::line::{Record, Stream};
use super::reader::LogReader;

/// What a step wrote, stream by stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogText {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// Quire's own remarks about the log, a line each.
    pub notes: Vec<u8>,
    /// How many lines of the file could not be read.
    pub damaged: u64,
}

impl LogText {
    /// Adds the bytes of one record.
    pub(crate) fn push(&mut self, record: &Record) {
        let bytes = match record.stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
            Stream::Quire => &mut self.notes,
        };
        bytes.extend_from_slice(&record.bytes);
        if record.ends_line {
            bytes.push(b'\n');
        }
    }
}

/// Reads a whole log into memory. Its limit is that of the log file.
///
/// # Errors
/// The file could not be read.
pub fn read_text(path: &Path) -> io::Result<LogText> {
    let mut text = LogText::default();
    for entry in LogReader::open(path)? {
        match entry?.record {
            Ok(record) => text.push(&record),
            Err(_) => text.damaged += 1,
        }
    }
    Ok(text)
}
