//! Reads a journal, also while it grows.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::fact::Record;

/// The name of the journal in a run's folder.
pub const JOURNAL: &str = "journal.ndjson";

/// The most that is read in one go, in bytes.
const CHUNK: usize = 256 * 1024;

/// The longest line that is kept while its end is awaited, in bytes. A longer one is damaged.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// A place in a journal. Reading goes on where it stopped; a line counts once it has its line feed.
#[derive(Debug)]
pub struct JournalReader {
    path: PathBuf,
    file: Option<File>,
    offset: u64,
    partial: Vec<u8>,
}

impl JournalReader {
    /// A reader at the start of the journal at `path`, which need not exist yet.
    pub fn new(path: &Path) -> JournalReader {
        JournalReader { path: path.to_owned(), file: None, offset: 0, partial: Vec::new() }
    }

    /// Reads all records that have been completed since the last call. Damaged lines are passed over: they
    /// are what a killed writer leaves.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(&mut self) -> io::Result<Vec<Record>> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            },
        };
        file.seek(SeekFrom::Start(self.offset))?;
        let mut records = Vec::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = file.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            self.offset += count as u64;
            self.partial.extend_from_slice(chunk.get(..count).unwrap_or_default());
            self.take_lines(&mut records);
        }
        self.file = Some(file);
        Ok(records)
    }

    /// Moves the completed lines out of `partial`.
    fn take_lines(&mut self, records: &mut Vec<Record>) {
        let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') else {
            if self.partial.len() > MAX_LINE {
                self.partial.clear();
            }
            return;
        };
        let rest = self.partial.split_off(end + 1);
        let complete = std::mem::replace(&mut self.partial, rest);
        records.extend(
            complete.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;
    use crate::journal::{Fact, JournalWriter};

    #[test]
    fn a_torn_line_is_waited_for_and_then_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.ndjson");
        let mut reader = JournalReader::new(&path);
        assert!(reader.read().unwrap().is_empty());
        JournalWriter::open(&path).unwrap().append(Fact::RunStarted {}).unwrap();
        assert_eq!(reader.read().unwrap().len(), 1);

        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"v\":1,\"t\":\"2026").unwrap();
        assert!(reader.read().unwrap().is_empty());
        // What settles the run closes the fragment first.
        let ended = Fact::RunEnded { outcome: "interrupted".to_owned(), reason: None };
        JournalWriter::open(&path).unwrap().append(ended.clone()).unwrap();
        let records = reader.read().unwrap();
        assert_eq!(records.iter().map(|record| &record.fact).collect::<Vec<_>>(), [&ended]);
    }
}
