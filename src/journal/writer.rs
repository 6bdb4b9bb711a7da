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
    /// The last write was not complete.
    is_torn: bool,
    has_ended: bool,
}

impl JournalWriter {
    /// Opens the journal in a run's folder, or begins it. A torn last line, left by a runner that was killed, is closed.
    ///
    /// # Errors
    /// When it cannot be opened or written, is a link, or is not a regular file.
    pub fn open(run_dir: &Path) -> Result<Self, JournalError> {
        let path = run_dir.join(JOURNAL);
        let wrong = |source| JournalError::Open { path: path.clone(), source };
        let folder = Folder::open_no_link(run_dir).map_err(wrong)?;
        let mut file = folder.append(JOURNAL, 0o666).map_err(wrong)?;
        let mut position = Position::default();
        if file.seek(SeekFrom::End(0)).map_err(wrong)? > 0 {
            end_line(&mut file).map_err(wrong)?;
            let mut reader = JournalReader::new(run_dir);
            reader.read().map_err(|source| JournalError::Read { path: path.clone(), source })?;
            position = reader.position();
        }
        Ok(Self { file, path, position, is_torn: false, has_ended: false })
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
        if self.is_torn {
            end_line(&mut self.file).map_err(wrong)?;
        }
        // A full disk takes a part of a line.
        self.is_torn = true;
        self.file.write_all(&line).map_err(wrong)?;
        self.is_torn = false;
        self.position = next;
        if sync {
            self.file.sync_data().map_err(wrong)?;
        }
        self.has_ended = ends_run;
        Ok(())
    }
}

/// Ends the last line of a file that is not empty.
fn end_line(file: &mut File) -> io::Result<()> {
    let mut last = [0; 1];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}
