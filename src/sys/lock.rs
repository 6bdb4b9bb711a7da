//! Lock files: held by an open descriptor, and free as soon as the last holder of it ends, however it ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::{Errno, FdFlags, fcntl_setfd};

use super::folder::open_regular;
use super::process::{Pid, own_pid, parse_pid};

/// A lock file in a run's folder can have been replaced by a link or a FIFO.
const NO_LINK: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK);

/// The longest content of a lock file that is read, in bytes.
const MAX_HOLDER: u64 = 32;

/// A held lock. The descriptor may be given to another process, which then holds it too.
#[derive(Debug)]
pub struct LockFile {
    file: File,
}

impl LockFile {
    /// Creates the file when it is missing and locks it; `None` when another process holds the lock.
    ///
    /// # Errors
    /// The file could not be opened, or its file system has no locks.
    pub fn try_acquire(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(NO_LINK.bits().cast_signed())
            .open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Locks an existing file; `None` when another process holds the lock, and when the file is missing.
    ///
    /// # Errors
    /// The file could not be opened, or its file system has no locks.
    pub(crate) fn try_acquire_existing(path: &Path) -> io::Result<Option<Self>> {
        let flags = NO_LINK.bits().cast_signed();
        let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // Its last holder may have removed it meanwhile.
            Ok(()) if file.metadata()?.nlink() == 0 => Ok(None),
            Ok(()) => Ok(Some(Self { file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes over a lock that came from another process, and marks it close-on-exec.
    ///
    /// # Errors
    /// The descriptor is not a lock file, or another process holds the lock.
    pub(crate) fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
        // Locking again through the same open file changes nothing.
        flock(&fd, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { file: File::from(fd) })
    }

    /// Releases ownership of the descriptor; the lock is held as long as it, or a copy of it, is open.
    pub fn into_fd(self) -> OwnedFd {
        self.file.into()
    }

    /// Writes the holder into the file, for people: the lock itself is the proof.
    ///
    /// # Errors
    /// The disk is full.
    pub(crate) fn write_holder(&mut self, pid: Pid) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(format!("{pid}\n").as_bytes())
    }

    /// Writes the calling process into the file.
    ///
    /// # Errors
    /// The disk is full.
    pub(crate) fn write_own_pid(&mut self) -> io::Result<()> {
        self.write_holder(own_pid())
    }
}

/// The holder that is written in a lock file; this does not say whether the lock is held.
///
/// # Errors
/// The file could not be read; a missing one is `None`.
pub fn holder_pid(path: &Path) -> io::Result<Option<Pid>> {
    let mut content = Vec::new();
    match open_regular(path) {
        Ok(file) => file.take(MAX_HOLDER).read_to_end(&mut content)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(parse_pid(&content))
}

/// Whether the lock is held; never when something other than a file is in its place. A missing file is not created. A check at the same moment as
/// an attempt to acquire the lock can make that attempt fail, so do not check a lock that is being acquired.
///
/// # Errors
/// The file could not be opened.
pub fn is_held(path: &Path) -> io::Result<bool> {
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(error) if cannot_be_a_lock(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    // A shared lock is refused only while the exclusive lock is held.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Whether there can be no lock: nothing, a link, a folder or a device has the name.
fn cannot_be_a_lock(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidData
    ) || error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_lock_file_does_not_block() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
            .unwrap();
        assert!(!is_held(&fifo).unwrap() && holder_pid(&fifo).is_err());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("elsewhere", &link).unwrap();
        assert!(LockFile::try_acquire(&link).is_err() && !is_held(&link).unwrap());
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn one_holder_at_a_time_and_free_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        assert!(!is_held(&path).unwrap());
        assert_eq!(holder_pid(&path).unwrap(), None);
        let mut lock = LockFile::try_acquire(&path).unwrap().unwrap();
        lock.write_holder(Pid::from_raw(1_234_567).unwrap()).unwrap();
        lock.write_own_pid().unwrap();
        assert!(is_held(&path).unwrap());
        assert!(LockFile::try_acquire(&path).unwrap().is_none());
        assert_eq!(holder_pid(&path).unwrap(), Some(own_pid()));
        drop(lock);
        assert!(!is_held(&path).unwrap());
        assert!(LockFile::try_acquire(&path).unwrap().is_some());
    }

    #[test]
    fn a_missing_lock_file_is_not_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        assert!(LockFile::try_acquire_existing(&path).unwrap().is_none() && !path.exists());
        let held = LockFile::try_acquire(&path).unwrap().unwrap();
        assert!(LockFile::try_acquire_existing(&path).unwrap().is_none());
        drop(held);
        assert!(LockFile::try_acquire_existing(&path).unwrap().is_some());
    }

    #[test]
    fn a_lock_is_held_as_long_as_one_copy_of_its_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        let fd = LockFile::try_acquire(&path).unwrap().unwrap().into_fd();
        let copy = LockFile::from_fd(fd.try_clone().unwrap()).unwrap();
        drop(fd);
        assert!(is_held(&path).unwrap());
        drop(copy);
        assert!(!is_held(&path).unwrap());
    }

    #[test]
    fn a_stranger_cannot_take_over_a_held_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        let _held = LockFile::try_acquire(&path).unwrap().unwrap();
        let other = OwnedFd::from(File::open(&path).unwrap());
        assert!(LockFile::from_fd(other).is_err());
    }

    #[test]
    fn a_name_that_is_not_a_file_is_not_held() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!is_held(&path).unwrap());
        assert!(!is_held(&path.join("below")).unwrap());
        std::fs::create_dir(&path).unwrap();
        assert!(!is_held(&path).unwrap());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        assert!(!is_held(&link).unwrap());
    }
}
