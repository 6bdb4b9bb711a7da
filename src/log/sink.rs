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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};

    use super::*;

    type Bytes = Arc<Mutex<Vec<u8>>>;

    /// Logs in memory.
    #[derive(Default)]
    struct Memory(Mutex<HashMap<PathBuf, Bytes>>);

    impl LogSink for Memory {
        fn create(&self, path: &Path) -> io::Result<Box<dyn LogBytes>> {
            let mut logs = self.0.lock().unwrap();
            if logs.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Ok(Box::new(Arc::clone(logs.entry(path.to_owned()).or_default())))
        }
    }

    impl LogBytes for Bytes {
        fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            let (mut log, start) = (self.lock().unwrap(), usize::try_from(offset).unwrap());
            let length = log.len().max(start + bytes.len());
            log.resize(length, 0);
            log[start..start + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What every keeper of logs promises.
    fn expect_bytes_at_their_places(sink: &dyn LogSink, read: impl Fn(&Path) -> Vec<u8>) {
        let path = Path::new("log/job/1.log");
        let mut log = sink.create(path).unwrap();
        for (offset, bytes) in [(0, "one "), (4, "tw"), (4, "two"), (0, "one ")] {
            log.write_at(offset, bytes.as_bytes()).unwrap();
        }
        log.sync().unwrap();
        assert_eq!(read(path), b"one two", "a write that is repeated is kept once");
        assert!(sink.create(path).is_err(), "a log is begun once");
        sink.create(Path::new("log/job/2.log")).unwrap();
        assert_eq!(read(path), b"one two");
    }

    #[test]
    fn logs_have_each_byte_at_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let files = Folder::open(folder.path()).unwrap();
        expect_bytes_at_their_places(&files, |path| std::fs::read(folder.path().join(path)).unwrap());
        let memory = Memory::default();
        let read = |path: &Path| memory.0.lock().unwrap()[path].lock().unwrap().clone();
        expect_bytes_at_their_places(&memory, read);
    }
}
