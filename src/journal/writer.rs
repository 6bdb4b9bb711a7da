//! The journal as a file: facts are appended to it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::fact::Fact;
use super::line::{self, Position};
use super::reader::{JOURNAL, JournalReader};
use super::sink::{JournalError, JournalSink};
use crate::sys::clock;
use crate::sys::folder::Folder;

/// An open journal. Whoever opens it holds the run's lock, or has seen the end of the one that held it: it is never fenced. Each fact is one `write`, so several writers of one file do not mix their lines.
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
        let wrong = |source| JournalError::of_file(&path, source);
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
}

impl JournalSink for JournalWriter {
    fn append(&mut self, fact: Fact) -> Result<(), JournalError> {
        let wrong = |source| JournalError::of_file(&self.path, source);
        // What a step that was killed at the end of the run says, comes too late.
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
