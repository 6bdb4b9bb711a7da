//! Reads a step log, also while it is being written.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::line::{MAX_LINE, Record};
use crate::sys::folder::open_regular;

/// One line of a log file and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where the line begins, in bytes.
    pub(crate) offset: u64,
    /// Where the next one begins: reading continues there.
    pub(crate) end: u64,
    /// Its record, or the bytes of a line that is not a record.
    pub(crate) record: Result<Record, Vec<u8>>,
}

/// Iterates over the lines of a log file.
///
/// At the end of the file the iterator returns `None`, and continues when more has been written. A line whose line
/// feed is missing is not returned before that is written. A line longer than any record is returned in pieces that are not
/// records.
#[derive(Debug)]
pub struct LogReader {
    file: BufReader<File>,
    offset: u64,
    /// The beginning of a line whose end has not been written.
    torn: Vec<u8>,
}

impl LogReader {
    /// Opens a log at its beginning.
    ///
    /// # Errors
    /// The file does not exist.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::open_at(path, 0)
    }

    /// Opens a log where an [`Entry`] ended.
    ///
    /// # Errors
    /// The file does not exist.
    pub(crate) fn open_at(path: &Path, offset: u64) -> io::Result<Self> {
        Self::over(open_regular(path)?, offset)
    }

    /// Reads an opened log from where an [`Entry`] ended.
    ///
    /// # Errors
    /// The file is shorter.
    pub(crate) fn over(mut file: File, offset: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { file: BufReader::new(file), offset, torn: Vec::new() })
    }

    /// Where the next entry begins, in bytes.
    #[cfg(test)]
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    fn read(&mut self) -> io::Result<Option<Entry>> {
        let room = (MAX_LINE + 1 - self.torn.len()) as u64;
        self.file.by_ref().take(room).read_until(b'\n', &mut self.torn)?;
        let is_line = self.torn.last() == Some(&b'\n');
        if !is_line && self.torn.len() <= MAX_LINE {
            return Ok(None);
        }
        let offset = self.offset;
        self.offset += self.torn.len() as u64;
        let mut line = std::mem::take(&mut self.torn);
        if is_line {
            line.pop();
        }
        if !is_line && line.iter().all(|byte| *byte == 0) {
            self.skip_hole()?;
        }
        let record = Record::parse(&line).filter(|_| is_line).ok_or(line);
        Ok(Some(Entry { offset, end: self.offset, record }))
    }

    /// Skips the hole at the current position, if any: a sparse file can be far longer than what was written to it.
    fn skip_hole(&mut self) -> io::Result<()> {
        // Checked first: data written meanwhile is behind this position.
        let length = self.file.get_ref().metadata()?.len();
        let next = match rustix::fs::seek(self.file.get_ref(), rustix::fs::SeekFrom::Data(self.offset)) {
            Ok(next) => next,
            Err(rustix::io::Errno::NXIO) => length,
            // A file system that does not report holes.
            Err(_) => self.offset,
        };
        self.offset = self.offset.max(next);
        self.file.seek(SeekFrom::Start(self.offset)).map(drop)
    }
}

impl Iterator for LogReader {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<io::Result<Entry>> {
        self.read().transpose()
    }
}

/// The last records of a log.
#[derive(Debug)]
pub struct LastRecords {
    /// The records, oldest first.
    pub(crate) records: Vec<Record>,
    /// How many bytes of the file were read.
    pub(crate) bytes: u64,
    /// Whether there are earlier ones.
    pub(crate) is_cut: bool,
}

/// Reads the complete records in the last bytes of a log, at most `most` bytes, whatever the size of the file.
///
/// # Errors
/// The file cannot be read.
pub fn read_end(mut file: File, most: u64) -> io::Result<LastRecords> {
    let from = file.metadata()?.len().saturating_sub(most);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    // The first line may be incomplete.
    let whole = bytes.split(|byte| *byte == b'\n').skip(usize::from(from > 0));
    let records = whole.filter_map(Record::parse).collect();
    Ok(LastRecords { records, bytes: bytes.len() as u64, is_cut: from > 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const LINE: &str = "2026-11-20T23:59:59.007Z stdout F hello\n";

    #[test]
    fn a_torn_line_waits_for_its_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut reader = LogReader::open(file.path()).unwrap();
        assert!(reader.next().is_none());
        for byte in LINE.as_bytes() {
            assert!(reader.next().is_none());
            file.write_all(&[*byte]).unwrap();
        }
        let entry = reader.next().unwrap().unwrap();
        assert_eq!((entry.offset, entry.end), (0, LINE.len() as u64));
        assert_eq!(entry.record.unwrap().bytes, b"hello");
        assert!(reader.next().is_none());
    }

    #[test]
    fn reading_continues_where_an_entry_ended() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{LINE}no record\n{LINE}").unwrap();
        let entries: Vec<_> = LogReader::open(file.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[1].record, Err(b"no record".to_vec()));
        for entry in &entries {
            let mut again = LogReader::open_at(file.path(), entry.offset).unwrap();
            assert_eq!(again.next().unwrap().unwrap(), *entry);
            assert_eq!(again.offset(), entry.end);
        }
    }

    #[test]
    fn a_hole_is_one_entry_and_reading_continues_after_it() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(LINE.as_bytes()).unwrap();
        file.as_file().set_len(40 << 30).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        write!(file, "\n{LINE}").unwrap();
        file.as_file().set_len(80 << 30).unwrap();
        let mut reader = LogReader::open(file.path()).unwrap();
        let entries: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
        let texts: Vec<_> = entries.iter().filter_map(|entry| entry.record.as_ref().ok()).collect();
        assert_eq!(texts.len(), 2);
        assert!(entries.len() < 10, "{}", entries.len());
        assert!(entries.iter().is_sorted_by(|one, next| one.end == next.offset));
        file.seek(SeekFrom::End(0)).unwrap();
        write!(file, "\n{LINE}").unwrap();
        assert!(reader.any(|entry| entry.unwrap().record.is_ok()), "what comes later is read");
    }

    #[test]
    fn an_endless_line_comes_in_pieces() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![b'x'; 3 * MAX_LINE]).unwrap();
        let entries: Vec<_> = LogReader::open(file.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(entries.len(), 2);
        assert!(entries.iter().all(|entry| entry.record.is_err()));
    }
}
