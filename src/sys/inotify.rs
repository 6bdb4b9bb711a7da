//! Reports changes in folders (inotify(7)), without polling.

use std::collections::HashSet;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::io::unix::AsyncFd;

/// A set of watched folders.
#[derive(Debug)]
pub(crate) struct Inotify {
    descriptor: AsyncFd<OwnedFd>,
}

/// A watched folder, as the kernel numbers it.
pub(crate) type Watch = i32;

/// An event of a watched folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    /// Something in this folder was created, written, moved or removed.
    In(Watch, Entry),
    /// This folder is gone, and its watch with it.
    Gone(Watch),
    /// The queue overflowed: anything may have changed.
    Overflow,
}

/// An entry of a watched folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    /// Whether it is a folder.
    pub(crate) is_folder: bool,
}

impl Inotify {
    /// An empty set. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system has no more instances.
    #[expect(deprecated, reason = "its successor is unsafe; an owned descriptor keeps that one's promise")]
    pub(crate) fn new() -> io::Result<Self> {
        let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { descriptor: AsyncFd::new(descriptor)? })
    }

    /// Watches a folder. A folder that is watched already keeps its watch.
    ///
    /// # Errors
    /// The path does not exist or is not a folder.
    pub(crate) fn watch(&self, folder: &Path) -> io::Result<Watch> {
        self.watch_for(folder, WatchFlags::empty())
    }

    /// Watches a folder at its path: one that is moved is gone as well.
    ///
    /// # Errors
    /// The path does not exist or is not a folder.
    pub(crate) fn watch_place(&self, folder: &Path) -> io::Result<Watch> {
        self.watch_for(folder, WatchFlags::MOVE_SELF)
    }

    fn watch_for(&self, folder: &Path, more: WatchFlags) -> io::Result<Watch> {
        let flags = more
            | WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::EXCL_UNLINK;
        Ok(inotify::add_watch(self.descriptor.get_ref(), folder, flags)?)
    }

    /// Ends a watch; one whose folder is gone has ended.
    pub(crate) fn forget(&self, watch: Watch) {
        let _gone = inotify::remove_watch(self.descriptor.get_ref(), watch).is_err();
    }

    /// Waits until something happened, and returns all pending events, each entry once. Cancel-safe:
    /// nothing is lost.
    ///
    /// # Errors
    /// The descriptor fails, which only happens after an error of the kernel or of quire.
    pub(crate) async fn changes(&self) -> io::Result<Vec<Change>> {
        loop {
            let mut ready = self.descriptor.readable().await?;
            match read(self.descriptor.get_ref())? {
                changes if changes.is_empty() => ready.clear_ready(),
                changes => return Ok(changes),
            }
        }
    }
}

/// Reads pending events without waiting.
fn read(descriptor: &OwnedFd) -> io::Result<Vec<Change>> {
    let mut space = [MaybeUninit::uninit(); 16 * 1024];
    let mut reader = Reader::new(descriptor, &mut space);
    let (mut changes, mut seen) = (Vec::new(), HashSet::new());
    loop {
        match reader.next() {
            Ok(event) => {
                let change = if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                    Change::Overflow
                } else if event
                    .events()
                    .intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT | ReadFlags::MOVE_SELF)
                {
                    Change::Gone(event.wd())
                } else {
                    let name = event.file_name().map(|name| name.to_bytes().to_vec()).unwrap_or_default();
                    Change::In(
                        event.wd(),
                        Entry { name, is_folder: event.events().contains(ReadFlags::ISDIR) },
                    )
                };
                if seen.insert(change.clone()) {
                    changes.push(change);
                }
            }
            Err(rustix::io::Errno::AGAIN) => return Ok(changes),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if reader.is_buffer_empty() {
            return Ok(changes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn changes_in_a_folder_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let inotify = Inotify::new().unwrap();
        let watch = inotify.watch(folder.path()).unwrap();
        assert_eq!(inotify.watch(folder.path()).unwrap(), watch);
        std::fs::write(folder.path().join("x"), "1").unwrap();
        let entry = Entry { name: b"x".to_vec(), is_folder: false };
        assert_eq!(inotify.changes().await.unwrap(), [Change::In(watch, entry)]);
        std::fs::remove_dir_all(folder.path()).unwrap();
        let mut seen = Vec::new();
        while !seen.contains(&Change::Gone(watch)) {
            seen.extend(inotify.changes().await.unwrap());
        }
        assert!(inotify.watch(Path::new("/no/such/folder")).is_err());
    }
}
