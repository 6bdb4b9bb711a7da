//! The size limit of a step log: the head is written at once, the tail at the end of the step.

use std::io;

use super::line::{self, MAX_LINE, Stream};
use super::sink::LogBytes;
use super::tail::Tail;

/// The most of a log's end that is kept, in bytes; it is held in memory.
pub const MAX_TAIL: u64 = 1 << 20;

/// How large a step log may become, in bytes of the file.
///
/// One half is for the head and one for the tail; the part of the tail's half above [`MAX_TAIL`] is added to the head's.
/// The line with the count of omitted bytes is not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimit(u64);

impl LogLimit {
    /// The smallest limit: a record fits into either half.
    pub(crate) const MIN: u64 = 2 * MAX_LINE as u64;

    /// A limit of this many bytes, at least [`LogLimit::MIN`].
    pub fn new(bytes: u64) -> Self {
        Self(bytes.max(Self::MIN))
    }

    fn tail(self) -> u64 {
        (self.0 / 2).min(MAX_TAIL)
    }

    fn head(self) -> u64 {
        self.0 - self.tail()
    }
}

/// A log file that does not grow over its limit.
pub(super) struct LimitedFile {
    file: Box<dyn LogBytes>,
    /// The bytes that are in the file.
    length: u64,
    /// The records that go to disk with the next write.
    batch: Vec<u8>,
    /// How many bytes the head can still take; `None` once a record did not fit.
    head_left: Option<u64>,
    tail: Tail,
    /// Space for one record of the tail.
    record: Vec<u8>,
}

impl LimitedFile {
    /// Starts with an empty file.
    pub(super) fn new(file: Box<dyn LogBytes>, limit: LogLimit) -> Self {
        let tail = Tail::new(usize::try_from(limit.tail()).unwrap_or(usize::MAX));
        Self { file, length: 0, batch: Vec::new(), head_left: Some(limit.head()), tail, record: Vec::new() }
    }

    /// Adds one record of a line or a part of one, to be written with the next [`flush`](LimitedFile::flush).
    pub(super) fn push(&mut self, time: &str, stream: Stream, line: (&[u8], bool)) {
        let length = line::length(time, stream, line) as u64;
        self.head_left = self.head_left.and_then(|left| left.checked_sub(length));
        if self.head_left.is_some() {
            line::format(&mut self.batch, time, stream, line);
        } else {
            self.record.clear();
            line::format(&mut self.record, time, stream, line);
            self.tail.push(&self.record, line.0.len() as u64 + u64::from(line.1));
        }
    }

    /// Writes the records of the head: whole ones, in one write. Those that could not be written are written with the next.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.batch.is_empty() {
            self.file.write_at(self.length, &self.batch)?;
            self.length += self.batch.len() as u64;
            self.batch.clear();
        }
        Ok(())
    }

    /// Writes the tail, after a count of what is missing before it; returns that count.
    pub(super) fn finish(&mut self, time: &str) -> io::Result<u64> {
        let left_out = self.tail.left_out();
        let mut end = Vec::new();
        if left_out > 0 {
            let count = format!("[{left_out} bytes of output left out]");
            line::format(&mut end, time, Stream::Quire, (count.as_bytes(), true));
        }
        end.extend(self.tail.take());
        self.batch.extend(end);
        self.flush()?;
        Ok(left_out)
    }

    /// The bytes that are in the file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// Writes `count` records of 100 bytes each with 50 bytes of output, and reads the file.
    fn written(limit: u64, count: usize) -> (Vec<u8>, u64) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.log");
        let mut file = LimitedFile::new(Box::new(File::create(&path).unwrap()), LogLimit::new(limit));
        for number in 0..count {
            // `T stdout F `, and a line feed.
            file.push("T", Stream::Stdout, (format!("{number:088}").as_bytes(), true));
        }
        let left_out = file.finish("T").unwrap();
        (std::fs::read(path).unwrap(), left_out)
    }

    #[test]
    fn at_the_limit_nothing_is_left_out_and_one_above_one_record_is() {
        let limit = 40_000;
        let (all, left_out) = written(limit, 400);
        assert_eq!((all.len(), left_out), (40_000, 0));
        let (cut, left_out) = written(limit, 401);
        assert_eq!(left_out, 89);
        let text = String::from_utf8(cut).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 401);
        assert!(lines[199].ends_with("199") && lines[201].ends_with("201") && lines[400].ends_with("400"));
        assert_eq!(lines[200], "T quire F [89 bytes of output left out]");
    }

    #[test]
    fn a_large_limit_gives_the_head_what_the_tail_does_not_keep() {
        let limit = LogLimit::new(64 << 20);
        assert_eq!((limit.head(), limit.tail()), (63 << 20, 1 << 20));
        assert_eq!(LogLimit::new(1), LogLimit::new(LogLimit::MIN));
    }

    /// A disk that has room for a part of a write once.
    struct Full(File, bool);

    impl LogBytes for Full {
        fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            if std::mem::take(&mut self.1) {
                self.0.write_at(offset, &bytes[..bytes.len() / 2])?;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.write_at(offset, bytes)
        }

        fn sync(&self) -> io::Result<()> {
            self.0.sync()
        }
    }

    #[test]
    fn records_that_did_not_fit_are_written_once_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.log");
        let full = Full(File::create(&path).unwrap(), true);
        let mut file = LimitedFile::new(Box::new(full), LogLimit::new(40_000));
        file.push("T", Stream::Stdout, (b"the first record", true));
        assert!(file.flush().is_err());
        file.push("T", Stream::Stdout, (b"the second", true));
        assert_eq!(file.finish("T").unwrap(), 0);
        assert_eq!(std::fs::read(path).unwrap(), b"T stdout F the first record\nT stdout F the second\n");
    }
}
