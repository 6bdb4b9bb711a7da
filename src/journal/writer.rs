//! Appends facts to a journal.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::fact::Fact;
use super::line::{self, Position};
use super::reader::{JOURNAL, JournalReadError, JournalReader};
use crate::sys::clock;
use crate::sys::folder::Folder;

/// Why a fact is not in the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file could not be opened.
    #[error("could not open the journal {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The fact could not be written.
    #[error("could not write to the journal {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What stands in it could not be read.
    #[error("could not continue the journal {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: JournalReadError,
    },
    /// The fact could not be put into JSON.
    #[error("could not encode a fact for the journal")]
    Encode(#[source] serde_json::Error),
}

/// An open journal. Each fact is one `write`, so several writers of one file do not mix their lines.
#[derive(Debug)]
pub struct JournalWriter {
    file: File,
    path: PathBuf,
    position: Position,
    has_ended: bool,
}

impl JournalWriter {
    /// Opens the journal in a run's folder, or begins it. A torn last line, left by a runner that was killed, is closed.
    ///
    /// # Errors
    /// When it cannot be opened or written, is a link, or is not a regular file.
    pub fn open(run_dir: &Path) -> Result<JournalWriter, JournalError> {
        let path = run_dir.join(JOURNAL);
        let wrong = |source| JournalError::Open { path: path.clone(), source };
        let folder = Folder::open_no_link(run_dir).map_err(wrong)?;
        let mut file = folder.append(JOURNAL, 0o666).map_err(wrong)?;
        let mut position = Position::default();
        if file.seek(SeekFrom::End(0)).map_err(wrong)? > 0 {
            let mut last = [0; 1];
            file.seek(SeekFrom::End(-1)).map_err(wrong)?;
            file.read_exact(&mut last).map_err(wrong)?;
            if last != *b"\n" {
                file.write_all(b"\n").map_err(wrong)?;
            }
            let mut reader = JournalReader::new(run_dir);
            reader.read().map_err(|source| JournalError::Read { path: path.clone(), source })?;
            position = reader.position();
        }
        Ok(JournalWriter { file, path, position, has_ended: false })
    }

    /// Appends one fact; when it is an end, waits until it is on disk. After the end of the run nothing is written: what a
    /// step that was killed for it says, comes too late.
    ///
    /// # Errors
    /// When the fact could not be written or synced.
    pub fn append(&mut self, fact: Fact) -> Result<(), JournalError> {
        let wrong = |source| JournalError::Write { path: self.path.clone(), source };
        if self.has_ended {
            return Ok(());
        }
        let sync = fact.is_an_end();
        let ends_run = matches!(fact, Fact::RunEnded { .. });
        let (line, next) = line::write(&fact, clock::now(), self.position).map_err(JournalError::Encode)?;
        let length = self.file.metadata().map_err(wrong)?.len();
        if let Err(error) = self.file.write_all(&line) {
            // A full disk takes a part of a line: without it the next fact, such as the end of the run, is a line of its own.
            let _stays_torn = self.file.set_len(length);
            return Err(wrong(error));
        }
        self.position = next;
        if sync {
            self.file.sync_data().map_err(wrong)?;
        }
        self.has_ended = ends_run;
        Ok(())
    }
}
