//! A folder in memory for what must not reach a disk: the secrets of a container.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use rustix::fs::statfs;

use crate::model::RunMark;
use crate::sys::exchanged_mount::{Exchange, ExchangedMount, detach};
use crate::sys::remove_tree::remove_tree;

/// Where folders in memory are made.
const SHM: &str = "/dev/shm";

/// The magic number of tmpfs (statfs(2)).
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Where a folder in memory has the mount of another folder.
const MOUNT: &str = "mount";

/// A folder in memory, gone when this is dropped.
#[derive(Debug)]
pub(crate) struct MemoryFolder {
    path: PathBuf,
    mount: Option<ExchangedMount>,
}

/// The folder of everything in memory that belongs to a run.
fn of_run(mark: RunMark) -> PathBuf {
    Path::new(SHM).join(format!("quire-{mark}"))
}

impl MemoryFolder {
    /// Makes a folder that only this user can enter.
    ///
    /// # Errors
    /// It cannot be made, or not in memory.
    pub(crate) fn create(mark: RunMark, name: &str) -> io::Result<Self> {
        if u64::try_from(statfs(SHM)?.f_type).ok() != Some(TMPFS_MAGIC) {
            return Err(io::Error::other(format!("{SHM} is not in memory")));
        }
        let top = of_run(mark);
        match DirBuilder::new().mode(0o700).create(&top) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Somebody else's folder with our name is not used.
                let found = fs::symlink_metadata(&top)?;
                let own = std::os::unix::fs::MetadataExt::uid(&found) == rustix::process::geteuid().as_raw();
                if !found.is_dir() || !own {
                    return Err(error);
                }
            }
            made => made?,
        }
        let path = top.join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path, mount: None })
    }

    /// Shows a folder in this one with two users and two groups exchanged, and gives its path.
    ///
    /// # Errors
    /// It cannot be mounted so.
    pub(crate) fn exchanged(
        &mut self,
        folder: &Path,
        users: Exchange,
        groups: Exchange,
    ) -> io::Result<PathBuf> {
        // The folder above is mounted: where the engine does not see the mount, it finds nothing there.
        let (Some(above), Some(name)) = (folder.parent(), folder.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let at = self.path.join(MOUNT);
        DirBuilder::new().mode(0o700).create(&at)?;
        self.mount = Some(ExchangedMount::new(above, &at, users, groups)?);
        Ok(at.join(name))
    }

    /// Writes a file that only this user can read, and gives its path.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.write_all(bytes)?;
        Ok(path)
    }

    /// Writes a file for whoever gets to see it, and gives its path.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn file_for_all(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.file(name, bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444))?;
        Ok(path)
    }

    /// Writes files into a folder of this one: for one user alone when that user is known, otherwise readable for whoever
    /// gets to see the folder. Gives the folder's path.
    ///
    /// # Errors
    /// They cannot be written.
    pub(crate) fn files_for(
        &self,
        name: &str,
        files: &[(String, Vec<u8>)],
        owner: Option<(u32, u32)>,
    ) -> io::Result<PathBuf> {
        let folder = self.path.join(name);
        DirBuilder::new().mode(0o700).create(&folder)?;
        for (name, bytes) in files {
            let path = folder.join(name);
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.write_all(bytes)?;
            give(&path, owner, (0o400, 0o444))?;
        }
        give(&folder, owner, (0o500, 0o555))?;
        Ok(folder)
    }
}

/// Gives something to its user, with the first mode; without one, to all with the second.
fn give(path: &Path, owner: Option<(u32, u32)>, (own, all): (u32, u32)) -> io::Result<()> {
    let given = match owner {
        Some((user, group)) => chown(path, Some(user), Some(group)).is_ok(),
        None => false,
    };
    // Without the right to give files away, as rootless: the folder above is closed to everybody else on the host.
    fs::set_permissions(path, fs::Permissions::from_mode(if given { own } else { all }))
}

impl Drop for MemoryFolder {
    fn drop(&mut self) {
        drop(self.mount.take());
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(%error, "a folder in memory could not be removed");
        }
        // The last one removes the run's.
        if let Some(top) = self.path.parent() {
            let _others_use_it = fs::remove_dir(top);
        }
    }
}

/// Removes what a run whose runner died left in memory. Blocking.
///
/// # Errors
/// It is there and cannot be removed.
pub(crate) fn forget(mark: RunMark) -> io::Result<()> {
    for left in fs::read_dir(of_run(mark)).into_iter().flatten().flatten() {
        let _nothing_is_mounted = detach(&left.path().join(MOUNT));
    }
    Ok(remove_tree(&of_run(mark))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::random;

    #[test]
    fn secrets_are_in_memory_for_one_user_and_gone_with_the_folder() {
        let run = RunMark { instance: random::instance_id(), run: random::run_id() };
        let copy = RunMark { instance: random::instance_id(), run: run.run };
        let memory = MemoryFolder::create(run, "a-1").unwrap();
        let file = memory.file("env", b"A=b").unwrap();
        let files = [("token".to_owned(), b"s3cret".to_vec())];
        let folder = memory.files_for("secrets", &files, None).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&folder.join("token")), mode(&folder)), (0o600, 0o444, 0o555));
        assert_eq!(mode(&of_run(run)), 0o700, "nobody else on the host gets there");
        let own = Some((rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()));
        let folder = memory.files_for("own", &files, own).unwrap();
        assert_eq!((mode(&folder.join("token")), mode(&folder)), (0o400, 0o500));
        drop(memory);
        assert!(!of_run(run).exists());
        std::mem::forget(MemoryFolder::create(run, "b").unwrap());
        forget(copy).unwrap();
        assert!(of_run(run).exists(), "a copy of the data folder removes nothing of the original");
        forget(run).unwrap();
        forget(run).unwrap();
        assert!(!of_run(run).exists());
    }
}
