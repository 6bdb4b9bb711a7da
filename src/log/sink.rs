//! What the keeper of logs promises to their writer, wherever the logs are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::sys::folder::Folder;

/// Keeps the logs of a run.
pub trait LogSink: Send + Sync {
    /// Begins a log. Its path must be free; missing folders above it are made.
    ///
    /// # Errors
    /// The log exists, or cannot be created.
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogBytes>>;
}

/// The bytes of one log. Each write names its place, so that one that failed can be repeated: what had been kept of it
/// is kept once.
pub trait LogBytes: Send {
    /// Keeps all of these bytes at this offset.
    ///
    /// # Errors
    /// They could not be written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Waits until what was written survives a crash of the machine.
    ///
    /// # Errors
    /// It may be lost.
    fn sync(&self) -> io::Result<()>;
}

/// Logs are files below a folder; no link is followed.
impl LogSink for Folder {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogBytes>> {
        let within = self.make_dirs(path.parent().unwrap_or(Path::new("")), 0o777)?;
        Ok(Box::new(within.create_new(path.file_name().unwrap_or_default(), 0o666)?))
    }
}

impl LogBytes for File {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
