//! Output that is kept for a while: a little in memory of the process, more in a file in memory (memfd_create(2)).
//!
//! What a program prints is rarely looked at. In a file it is copied once, by the kernel, and none of it is in memory of
//! the process until somebody reads it.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{MemfdFlags, memfd_create};

/// The most that stays in memory of the process, in bytes.
const MAX_FEW: usize = 256 << 10;

/// The most that the files of one process hold together, in bytes; what is over it stays in memory of the process.
const MAX_IN_FILES: usize = 64 << 20;

/// How much is read of a file at once, in bytes.
const CHUNK: usize = 64 << 10;

/// The bytes in all files of this process.
static IN_FILES: AtomicUsize = AtomicUsize::new(0);

/// Some output. Clones share the file.
#[derive(Clone, Default)]
pub struct KeptOutput {
    /// All of it, while there is no file.
    few: Vec<u8>,
    file: Option<Arc<InFile>>,
}

/// A file in memory. Its bytes are counted.
struct InFile {
    file: File,
    length: usize,
    counted: Counted,
}

/// Bytes that are counted until they are gone.
struct Counted(usize);

impl KeptOutput {
    /// Adds bytes at the end. What cannot be in a file stays in memory of the process.
    pub fn push(&mut self, bytes: &[u8]) {
        if let Some(in_file) = self.file.as_mut().and_then(Arc::get_mut) {
            if in_file.push(bytes).is_ok() {
                return;
            }
            self.few =
                self.file.take().map(|in_file| in_file.read()).and_then(Result::ok).unwrap_or_default();
        } else if self.few.len() + bytes.len() > MAX_FEW
            && let Ok(file) = InFile::new([&self.few, bytes])
        {
            (self.few, self.file) = (Vec::new(), Some(Arc::new(file)));
            return;
        }
        self.few.extend_from_slice(bytes);
    }

    /// Whether reading it takes memory that it does not take now.
    pub(crate) fn is_in_file(&self) -> bool {
        self.file.is_some()
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.file.as_ref().map_or(self.few.len(), |in_file| in_file.length)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self) -> io::Result<Cow<'_, [u8]>> {
        match &self.file {
            Some(in_file) => in_file.read().map(Cow::Owned),
            None => Ok(Cow::Borrowed(&self.few)),
        }
    }

    /// All of it, in parts.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn parts(&self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        match &self.file {
            Some(in_file) => in_file.parts(each),
            None => {
                each(&self.few);
                Ok(())
            }
        }
    }

    /// Takes bytes off its end.
    pub(crate) fn shorten_by(&mut self, count: usize) {
        match self.file.as_mut().and_then(Arc::get_mut) {
            Some(in_file) => in_file.length = in_file.length.saturating_sub(count),
            None => self.few.truncate(self.few.len().saturating_sub(count)),
        }
    }
}

impl InFile {
    fn new(parts: [&[u8]; 2]) -> io::Result<Self> {
        let mut counted = Counted(0);
        // First, so that no file is made without room for it.
        counted.add(parts.map(<[u8]>::len).iter().sum())?;
        let file = memfd_create("quire-output", MemfdFlags::CLOEXEC)?.into();
        let mut in_file = Self { file, length: 0, counted };
        parts.into_iter().try_for_each(|part| in_file.append(part))?;
        Ok(in_file)
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.counted.add(bytes.len())?;
        self.append(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.length as u64)?;
        self.length += bytes.len();
        Ok(())
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.length];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    fn parts(&self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let (mut chunk, mut at) = (vec![0; CHUNK], 0);
        while at < self.length {
            let part = chunk.get_mut(..CHUNK.min(self.length - at)).unwrap_or_default();
            self.file.read_exact_at(part, at as u64)?;
            each(part);
            at += part.len();
        }
        Ok(())
    }
}

impl Counted {
    fn add(&mut self, count: usize) -> io::Result<()> {
        let fits = |held: usize| held.checked_add(count).filter(|held| *held <= MAX_IN_FILES);
        IN_FILES
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        self.0 += count;
        Ok(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        IN_FILES.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// Whether files hold so much that it is time to look for what nobody needs any more.
pub(crate) fn is_much_in_files() -> bool {
    IN_FILES.load(Ordering::Relaxed) > MAX_IN_FILES / 2
}

impl From<Vec<u8>> for KeptOutput {
    fn from(few: Vec<u8>) -> Self {
        Self { few, file: None }
    }
}

/// Without its bytes, which may be a secret.
impl fmt::Debug for KeptOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptOutput").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out_no_matter_where_it_is_kept() {
        for (length, in_file) in [(0, false), (MAX_FEW, false), (MAX_FEW + 1, true), (3 << 20, true)] {
            let bytes: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
            let mut kept = KeptOutput::default();
            bytes.chunks(100_000).for_each(|chunk| kept.push(chunk));
            assert_eq!((kept.len(), kept.is_in_file()), (length, in_file));
            assert!(*kept.read().unwrap() == bytes);
            let mut parts = Vec::new();
            kept.parts(|part| parts.extend_from_slice(part)).unwrap();
            assert!(parts == bytes);
            kept.shorten_by(7);
            assert!(*kept.read().unwrap() == bytes[..length.saturating_sub(7)]);
        }
    }

    #[test]
    fn files_hold_only_so_much_and_the_rest_stays_in_memory() {
        let chunk = vec![b'x'; 1 << 20];
        let mut kept = KeptOutput::default();
        for _ in 0..65 {
            kept.push(&chunk);
        }
        assert!(!kept.is_in_file());
        assert_eq!(kept.read().unwrap().len(), 65 << 20);
        let mut next = KeptOutput::default();
        next.push(&chunk);
        assert!(next.is_in_file(), "what was counted is free again");
    }
}
