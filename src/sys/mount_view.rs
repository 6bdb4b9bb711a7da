//! A view of the file system for another account: a mount namespace in which one folder is empty, but for what is shown.
//!
//! It is created once for a run and entered by each step, which costs one system call (setns(2)).

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change, mount_remount,
};

/// The size limit of the empty folder: it holds the names of what is shown.
const OPTIONS: &CStr = c"mode=0755,size=1m";

/// A path that is shown within the hidden folder.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// The file or folder.
    pub(crate) from: PathBuf,
    /// Where it is visible.
    pub(crate) at: PathBuf,
    /// Whether it can be written.
    pub(crate) is_writable: bool,
}

/// A mount namespace that processes can enter.
#[derive(Debug)]
pub(crate) struct MountView(OwnedFd);

impl AsFd for MountView {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl MountView {
    /// Creates a view in which `hidden` is empty but for what is `shown`. Blocks.
    ///
    /// # Errors
    /// This process may not mount, or a file does not exist.
    pub(crate) fn new(hidden: PathBuf, shown: Vec<Shown>) -> io::Result<Self> {
        // In a thread of its own: the namespace of the other threads does not change.
        let made = std::thread::spawn(move || make(&hidden, &shown)).join();
        made.unwrap_or_else(|_| Err(io::Error::other("the mounting thread failed")))
    }
}

#[expect(unsafe_code, reason = "the standard library and rustix have no safe way to leave a namespace")]
fn part() -> io::Result<()> {
    // SAFETY: this thread shares neither its root nor its working directory from here on, and nothing it has open changes.
    match unsafe { libc::unshare(libc::CLONE_NEWNS) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn make(hidden: &Path, shown: &[Shown]) -> io::Result<MountView> {
    part()?;
    // Later mounts of the machine are visible here, but not the other way round.
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    let opened: Vec<OwnedFd> = shown
        .iter()
        .map(|shown| Ok(rustix::fs::open(&shown.from, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?))
        .collect::<io::Result<_>>()?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("quire", hidden, "tmpfs", flags, OPTIONS)?;
    for (shown, from) in shown.iter().zip(opened) {
        let from = PathBuf::from(format!("/proc/thread-self/fd/{}", from.as_fd().as_raw_fd()));
        if fs::metadata(&from)?.is_dir() {
            fs::create_dir_all(&shown.at)?;
        } else {
            File::create(&shown.at)?;
        }
        mount_bind_recursive(&from, &shown.at)?;
        if !shown.is_writable {
            mount_remount(&shown.at, MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID, c"")?;
        }
    }
    Ok(MountView(File::open("/proc/thread-self/ns/mnt")?.into()))
}
