//! One record of a step log, formatted and parsed.

use crate::model::Timestamp;

/// The longest output in one record, in bytes; longer lines are split.
pub const MAX_RECORD: usize = 16 << 10;

/// The longest line of a log file, in bytes: a record of output, and its prefix.
pub(super) const MAX_LINE: usize = MAX_RECORD + 64;

/// The origin of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// The step, on its standard output.
    Stdout,
    /// The step, on its standard error.
    Stderr,
    /// Quire, about the log itself.
    Quire,
}

impl Stream {
    /// The word in the file.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Quire => "quire",
        }
    }

    fn parse(word: &[u8]) -> Option<Self> {
        [Self::Stdout, Self::Stderr, Self::Quire].into_iter().find(|s| s.as_str().as_bytes() == word)
    }
}

/// One record: a line of output, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When it was written.
    pub(crate) time: Timestamp,
    /// Its origin.
    pub(crate) stream: Stream,
    /// Whether a line feed follows; if not, the line continues in the next record of this stream.
    pub(crate) ends_line: bool,
    /// The output, without the line feed.
    pub(crate) bytes: Vec<u8>,
}

impl Record {
    /// Parses a line of the file, without its line feed.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.splitn(4, |byte| *byte == b' ');
        let time = Timestamp::parse(std::str::from_utf8(fields.next()?).ok()?)?;
        let stream = Stream::parse(fields.next()?)?;
        let ends_line = match fields.next()? {
            b"F" => true,
            b"P" => false,
            _ => return None,
        };
        Some(Self { time, stream, ends_line, bytes: fields.next()?.to_vec() })
    }
}

/// Appends a record to `into`. The bytes contain no line feed, and are at most [`MAX_RECORD`].
pub(super) fn format(into: &mut Vec<u8>, time: &str, stream: Stream, line: (&[u8], bool)) {
    let (bytes, ends_line) = line;
    into.extend_from_slice(time.as_bytes());
    into.push(b' ');
    into.extend_from_slice(stream.as_str().as_bytes());
    into.extend_from_slice(if ends_line { b" F " } else { b" P " });
    into.extend_from_slice(bytes);
    into.push(b'\n');
}

/// The length of a record.
pub(super) fn length(time: &str, stream: Stream, (bytes, _): (&[u8], bool)) -> usize {
    time.len() + stream.as_str().len() + bytes.len() + " ".len() + " F ".len() + "\n".len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back() {
        let time = Timestamp::from_millis(1_795_219_199_007);
        for (stream, ends_line, bytes) in [
            (Stream::Stdout, true, &b"a b  c "[..]),
            (Stream::Stderr, false, b""),
            (Stream::Stdout, true, b""),
            (Stream::Quire, true, b"\0\r\xff stdout F x"),
        ] {
            let mut line = Vec::new();
            format(&mut line, &time.to_string(), stream, (bytes, ends_line));
            assert_eq!(line.len(), length(&time.to_string(), stream, (bytes, ends_line)));
            assert_eq!(line.pop(), Some(b'\n'));
            assert_eq!(Record::parse(&line), Some(Record { time, stream, ends_line, bytes: bytes.to_vec() }));
        }
    }

    #[test]
    fn other_lines_are_not_records() {
        for line in [
            "",
            "2026-11-20T23:59:59.007Z stdout F",
            "2026-11-20T23:59:59.007Z stdin F x",
            "2026-11-20T23:59:59.007Z stdout X x",
            "yesterday stdout F x",
        ] {
            assert_eq!(Record::parse(line.as_bytes()), None, "{line}");
        }
    }
}
