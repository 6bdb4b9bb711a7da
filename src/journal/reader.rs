//! Reads a journal, also while it grows.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::fact::Record;
use super::line::{self, BadLine, Position, VERSION};
use crate::sys::folder::Folder;

/// The name of the journal in a run's folder.
pub const JOURNAL: &str = "journal.ndjson";

/// The most that is read in one go, in bytes.
const CHUNK: usize = 256 * 1024;

/// The same of a part of a journal: who reads parts keeps their records until there is more to be read.
const SMALL_CHUNK: usize = 32 * 1024;

/// The longest line, in bytes.
const MAX_LINE: usize = 16 << 20;

/// The largest journal, in bytes, and the most records in one: some hundred thousand steps.
const MAX_JOURNAL: u64 = 64 << 20;
const MAX_RECORDS: usize = 500_000;

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalReadError {
    /// The file cannot be read, or is not what a runner has written.
    #[error("could not read the journal {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is larger than any that a runner writes.
    #[error("the journal {path} has more than {} MiB, {MAX_RECORDS} records, or {} MiB in a line", MAX_JOURNAL >> 20, MAX_LINE >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A newer quire has written it.
    #[error(
        "the journal {path} has version {found}, this quire knows version {VERSION}; use the newer quire"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version of one of its records.
        found: String,
    },
    /// One of its records is of no kind that this version knows.
    #[error("the journal {path} has a record that this quire does not know")]
    Unknown {
        /// The file.
        path: PathBuf,
    },
}

impl JournalReadError {
    /// Whether reading again brings nothing else: the file is not what a runner has written.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::Read { source, .. } => {
                matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::NotADirectory)
            }
            Self::TooLarge { .. } | Self::Version { .. } | Self::Unknown { .. } => true,
        }
    }
}

/// A place in a journal. Reading continues where it stopped; a line counts once it has its line feed.
#[derive(Debug)]
pub struct JournalReader {
    run_dir: PathBuf,
    file: Option<File>,
    bytes: u64,
    records: usize,
    partial: Vec<u8>,
    /// Records that were read and not returned, because of an error after them.
    ready: Vec<Record>,
    /// A lasting error was returned: nothing more is read.
    has_failed: bool,
    /// A complete line was no record.
    is_damaged: bool,
    position: Position,
}

impl JournalReader {
    /// A reader at the start of the journal in a run's folder. Neither needs to exist yet.
    pub fn new(run_dir: &Path) -> Self {
        Self {
            run_dir: run_dir.to_owned(),
            file: None,
            bytes: 0,
            records: 0,
            partial: Vec::new(),
            ready: Vec::new(),
            has_failed: false,
            is_damaged: false,
            position: Position::default(),
        }
    }

    /// How many bytes it has read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// How far it has read.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Whether a line that was read is not a record.
    pub(crate) fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// Reads all records that have been completed since the last call. Damaged lines are passed over: they
    /// are what a killed writer leaves. After a lasting error there are no more records.
    ///
    /// # Errors
    /// When the file is there and cannot be read, is over a limit, or has another version.
    pub fn read(&mut self) -> Result<Vec<Record>, JournalReadError> {
        if self.has_failed {
            return Ok(Vec::new());
        }
        let read = self.read_on();
        self.has_failed = read.as_ref().is_err_and(JournalReadError::is_lasting);
        read.map(|()| std::mem::take(&mut self.ready))
    }

    /// Reads some of the records that have been completed since the last call; none at the end of the file. A journal that
    /// is large is never in memory as a whole.
    ///
    /// # Errors
    /// As of [`JournalReader::read`].
    pub(crate) fn read_some(&mut self) -> Result<Vec<Record>, JournalReadError> {
        let read = match self.open()? {
            Some(file) => {
                let mut read = Ok(1);
                while self.ready.is_empty() && read.as_ref().is_ok_and(|count| *count > 0) {
                    read = self.read_chunk(&file, &mut [0; SMALL_CHUNK]);
                }
                self.file = Some(file);
                read
            }
            None => Ok(0),
        };
        read.map(|_| std::mem::take(&mut self.ready))
    }

    fn read_on(&mut self) -> Result<(), JournalReadError> {
        let Some(file) = self.open()? else { return Ok(()) };
        let mut chunk = vec![0; CHUNK];
        let mut read = Ok(1);
        while read.as_ref().is_ok_and(|count| *count > 0) {
            read = self.read_chunk(&file, &mut chunk);
        }
        self.file = Some(file);
        read.map(drop)
    }

    /// The file; nothing while it does not exist.
    fn open(&mut self) -> Result<Option<File>, JournalReadError> {
        let path = self.run_dir.join(JOURNAL);
        let wrong = |source| JournalReadError::Read { path: path.clone(), source };
        if let Some(file) = self.file.take() {
            return Ok(Some(file));
        }
        match Folder::open_no_link(&self.run_dir).and_then(|folder| folder.open_file(JOURNAL)) {
            // A sparse one costs nothing to write.
            Ok(file) if file.metadata().map_err(wrong)?.len() > MAX_JOURNAL => {
                Err(JournalReadError::TooLarge { path })
            }
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(wrong(error)),
        }
    }

    /// Reads one chunk, and gives its length.
    fn read_chunk(&mut self, mut file: &File, chunk: &mut [u8]) -> Result<usize, JournalReadError> {
        let count =
            file.read(chunk).map_err(|source| JournalReadError::Read { path: self.path(), source })?;
        self.bytes += count as u64;
        self.take_lines(chunk.get(..count).unwrap_or_default())?;
        if self.bytes > MAX_JOURNAL || self.records > MAX_RECORDS || self.partial.len() > MAX_LINE {
            return Err(JournalReadError::TooLarge { path: self.path() });
        }
        Ok(count)
    }

    /// Takes the lines that a chunk completes, and keeps the beginning of the next one.
    fn take_lines(&mut self, chunk: &[u8]) -> Result<(), JournalReadError> {
        let Some(end) = chunk.iter().rposition(|byte| *byte == b'\n') else {
            self.partial.extend_from_slice(chunk);
            return Ok(());
        };
        let (complete, rest) = chunk.split_at(end);
        self.partial.extend_from_slice(complete);
        let complete = std::mem::replace(&mut self.partial, rest.get(1..).unwrap_or_default().to_vec());
        for line in complete.split(|byte| *byte == b'\n') {
            self.records += 1;
            match line::read(line, &mut self.position) {
                Ok(record) => self.ready.push(record),
                Err(BadLine::Damaged) => self.is_damaged = true,
                Err(BadLine::Unknown) => return Err(JournalReadError::Unknown { path: self.path() }),
                Err(BadLine::Version(found)) => {
                    return Err(JournalReadError::Version { path: self.path(), found });
                }
            }
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.run_dir.join(JOURNAL)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;
    use crate::journal::fact::{End, OpenedRun};
    use crate::journal::{Fact, JournalSink as _, JournalWriter};
    use crate::model::Outcome;

    #[test]
    fn a_torn_line_is_waited_for_and_then_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(JOURNAL);
        let mut reader = JournalReader::new(folder.path());
        assert!(reader.read().unwrap().is_empty());
        JournalWriter::open(folder.path()).unwrap().append(Fact::RunStarted {}).unwrap();
        assert_eq!(reader.read().unwrap().len(), 1);

        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"v\":1,\"t\":\"2026").unwrap();
        assert!(reader.read().unwrap().is_empty());
        // What settles the run closes the fragment first.
        let ended = Fact::RunEnded { end: End { outcome: Outcome::Interrupted, reason: None } };
        JournalWriter::open(folder.path()).unwrap().append(ended.clone()).unwrap();
        let records = reader.read().unwrap();
        assert_eq!(records.iter().map(|record| &record.fact).collect::<Vec<_>>(), [&ended]);
        assert!(records.iter().all(|record| record.seq == 2 && record.is_in_order));
    }

    #[test]
    fn numbers_are_gap_free_over_writers_attempts_and_versions() {
        let folder = tempfile::tempdir().unwrap();
        let opened = |version| match version {
            1 => {
                r#"{"v":1,"t":"2026-11-29T21:00:00.000Z","fact":{"kind":"run-opened","repo":"r","number":1,"id":"i","ref":"x","sha":"y","event":"push","pusher":null,"runner":7}}"#
            }
            _ => {
                r#"{"v":2,"seq":9,"attempt":2,"at":"2026-11-29T21:00:00.000Z","fact":{"kind":"run-started"}}"#
            }
        };
        fs::write(folder.path().join(JOURNAL), format!("{}\n", opened(1))).unwrap();
        let run = OpenedRun { repo: "r".into(), number: 1, id: "i".into(), event: None, runner: 8 };
        for fact in [Fact::RunStarted {}, Fact::RunOpened { run: Box::new(run) }, Fact::RunStarted {}] {
            JournalWriter::open(folder.path()).unwrap().append(fact).unwrap();
        }
        let numbers = |records: &[Record]| -> Vec<(u64, u32, bool)> {
            records.iter().map(|record| (record.seq, record.attempt, record.is_in_order)).collect()
        };
        let all = [(1, 1, true), (2, 1, true), (3, 2, true), (4, 2, true)];
        let mut reader = JournalReader::new(folder.path());
        assert_eq!(numbers(&reader.read().unwrap()), all);
        assert_eq!(numbers(&JournalReader::new(folder.path()).read().unwrap()), all, "the same once more");
        // What another process appends has another number, or none.
        let mut file = fs::OpenOptions::new().append(true).open(folder.path().join(JOURNAL)).unwrap();
        for version in [2, 1] {
            writeln!(file, "{}", opened(version)).unwrap();
        }
        assert_eq!(numbers(&reader.read().unwrap()), [(5, 2, false), (6, 3, false)]);
    }

    /// What reading a journal with these bytes says.
    fn said_of(bytes: &[u8]) -> Result<usize, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(JOURNAL), bytes).unwrap();
        let mut reader = JournalReader::new(folder.path());
        let read = reader.read().map(|records| records.len()).map_err(|error| error.to_string());
        assert!(read.is_ok() || reader.read().unwrap().is_empty(), "an error is returned once");
        read
    }

    #[test]
    fn an_unknown_version_is_an_error() {
        let known = r#"{"v":1,"t":"2026-11-29T21:00:00.000Z","fact":{"kind":"run-started"}}"#;
        assert_eq!(said_of(format!("{known}\n{known}\n").as_bytes()), Ok(2));
        for line in [
            r#"{"v":99,"t":"x","fact":{"kind":"run-started"}}"#,
            r#"{"v":3,"what":[]}"#,
            r#"{"v":0}"#,
            r#"{"v":"1"}"#,
            r#"{"v":4294967297,"t":"x","fact":{"kind":"run-started"}}"#,
        ] {
            let said = said_of(format!("{known}\n{line}\n").as_bytes()).unwrap_err();
            assert!(said.contains("has version"), "{line}: {said}");
        }
        for line in [
            r#"{"v":1,"t":"2026-11-29T21:00:00.000Z","fact":{"kind":"new"}}"#,
            r#"{"v":1,"t":"noon","fact":{"kind":"run-started"}}"#,
            r#"{"v":1,"t":"2026-11-29T21:00:00.000Z","fact":{"kind":"run-ended","outcome":"splendid","reason":null}}"#,
            r#"{"v":2,"what":[]}"#,
            r#"{"v":2,"seq":1,"attempt":1,"at":"2026-11-29T21:00:00.000Z","fact":{"kind":"run-ended","end":{"outcome":"splendid","reason":null}}}"#,
        ] {
            let said = said_of(format!("{line}\n").as_bytes()).unwrap_err();
            assert!(said.contains("does not know"), "{line}: {said}");
        }
    }

    #[test]
    fn a_journal_over_a_limit_is_an_error() {
        assert_eq!(said_of(&vec![b'x'; MAX_LINE]), Ok(0));
        assert!(said_of(&vec![b'x'; MAX_LINE + 1]).unwrap_err().contains("MiB"));
        assert!(said_of(&vec![b'\n'; MAX_RECORDS + 1]).unwrap_err().contains("records"));
        let folder = tempfile::tempdir().unwrap();
        fs::File::create(folder.path().join(JOURNAL)).unwrap().set_len(40 << 30).unwrap();
        assert!(JournalReader::new(folder.path()).read().is_err());
    }

    #[test]
    fn what_is_not_a_file_of_a_runner_is_an_error() {
        use std::os::unix::fs::symlink;
        let outer = tempfile::tempdir().unwrap();
        let (run, journal) = (outer.path().join("1"), outer.path().join("1").join(JOURNAL));
        fs::create_dir(&run).unwrap();
        symlink("/dev/zero", &journal).unwrap();
        assert!(JournalReader::new(&run).read().is_err() && JournalWriter::open(&run).is_err());
        fs::remove_file(&journal).unwrap();
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mknodat(rustix::fs::CWD, &journal, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(JournalReader::new(&run).read().is_err() && JournalWriter::open(&run).is_err());
        symlink(&run, outer.path().join("2")).unwrap();
        assert!(JournalReader::new(&outer.path().join("2")).read().is_err());
    }
}
