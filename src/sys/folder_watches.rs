//! One instance of inotify for all who watch a folder for a while: to close an instance takes the kernel some 15 ms, to end a
//! watch nothing.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::inotify::{Change, Inotify, Watch};

/// Watches folders. Clones share the instance.
#[derive(Debug, Clone)]
pub(crate) struct FolderWatches {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    inotify: Inotify,
    /// Who watches each folder. Locked while a watch is made or removed, so that its number means one folder.
    bells: Mutex<HashMap<Watch, Vec<Arc<Bell>>>>,
}

/// What rings when a folder changes.
#[derive(Debug, Default)]
struct Bell {
    changed: Notify,
    is_blind: AtomicBool,
}

/// A folder that is watched until this is dropped.
#[derive(Debug)]
pub(crate) struct WatchedFolder {
    watches: FolderWatches,
    watch: Watch,
    bell: Arc<Bell>,
}

/// Nothing is seen of the folder any more: it is gone, or the instance has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the folder is not watched any more")]
pub(crate) struct Blind;

impl FolderWatches {
    /// Begins to pass on what changes. Needs a tokio runtime, as long as which it lasts.
    ///
    /// # Errors
    /// When the system has no more instances.
    pub(crate) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared { inotify: Inotify::new()?, bells: Mutex::default() });
        let passing = Arc::clone(&shared);
        drop(tokio::spawn(async move {
            while let Ok(changes) = passing.inotify.changes().await {
                changes.iter().for_each(|change| passing.ring(change));
            }
            passing.bells().drain().for_each(|(_, bells)| bells.iter().for_each(|bell| bell.blind()));
        }));
        Ok(Self { shared })
    }

    /// Watches a folder.
    ///
    /// # Errors
    /// The path does not exist or is not a folder, or the system allows no more watches.
    pub(crate) fn watch(&self, folder: &Path) -> io::Result<WatchedFolder> {
        let mut bells = self.shared.bells();
        let watch = self.shared.inotify.watch(folder)?;
        let bell = Arc::<Bell>::default();
        bells.entry(watch).or_default().push(Arc::clone(&bell));
        Ok(WatchedFolder { watches: self.clone(), watch, bell })
    }
}

impl Shared {
    fn ring(&self, change: &Change) {
        let mut bells = self.bells();
        match change {
            Change::In(watch, _) => {
                bells.get(watch).into_iter().flatten().for_each(|bell| bell.changed.notify_one());
            }
            Change::Gone(watch) => {
                bells.remove(watch).into_iter().flatten().for_each(|bell| bell.blind());
            }
            Change::Overflow => bells.values().flatten().for_each(|bell| bell.changed.notify_one()),
        }
    }

    fn bells(&self) -> MutexGuard<'_, HashMap<Watch, Vec<Arc<Bell>>>> {
        self.bells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell {
    fn blind(&self) {
        self.is_blind.store(true, Ordering::Release);
        self.changed.notify_one();
    }
}

impl WatchedFolder {
    /// Waits until something in the folder was created, written, moved or removed since the last time. Cancel-safe.
    ///
    /// # Errors
    /// It is not watched any more.
    pub(crate) async fn changed(&self) -> Result<(), Blind> {
        self.bell.changed.notified().await;
        if self.bell.is_blind.load(Ordering::Acquire) { Err(Blind) } else { Ok(()) }
    }
}

impl Drop for WatchedFolder {
    fn drop(&mut self) {
        let shared = &self.watches.shared;
        let mut bells = shared.bells();
        let Some(others) = bells.get_mut(&self.watch) else { return };
        others.retain(|bell| !Arc::ptr_eq(bell, &self.bell));
        if others.is_empty() {
            bells.remove(&self.watch);
            shared.inotify.forget(self.watch);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn each_who_watches_a_folder_sees_its_changes_until_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (folder.path().join("here"), folder.path().join("there"));
        [&here, &there].into_iter().for_each(|path| fs::create_dir(path).unwrap());
        let watches = FolderWatches::start().unwrap();
        assert!(watches.watch(&folder.path().join("none")).is_err());
        let (one, two, other) =
            (watches.watch(&here).unwrap(), watches.watch(&here).unwrap(), watches.watch(&there).unwrap());
        fs::write(here.join("a"), "1").unwrap();
        assert_eq!((one.changed().await, two.changed().await), (Ok(()), Ok(())));
        drop(two);
        fs::write(here.join("a"), "2").unwrap();
        assert_eq!(one.changed().await, Ok(()));
        drop(other);
        let other = watches.watch(&there).unwrap();
        fs::remove_dir_all(&there).unwrap();
        while other.changed().await.is_ok() {}
        drop((one, other));
        assert!(watches.shared.bells().is_empty());
    }
}
