//! A folder seen with the ids of two accounts exchanged (mount_setattr(2): `MOUNT_ATTR_IDMAP`).
//!
//! What belongs to the one account on disk belongs to the other one there, and what the other one creates there
//! belongs to the first on disk. Nothing on disk changes, so any number of accounts can work on a folder at once.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags, move_mount, open_tree, unmount};

use super::children;
use super::pidfd::{PidFd, wait_any};
use super::process::Pid;

/// How long the process that holds a new user namespace may take to end: it only closes a pipe.
const HOLDER_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Two ids that are exchanged: the one on disk, and the one that is seen.
pub(crate) type Exchange = (u32, u32);

/// The mount of a folder. Dropping it detaches the mount; what still uses it keeps it.
#[derive(Debug)]
pub(crate) struct ExchangedMount(PathBuf);

impl ExchangedMount {
    /// Mounts `folder` at `at`, which is an empty folder. What is mounted below `folder` is not seen. Blocking.
    ///
    /// # Errors
    /// This process may not mount, or the kernel or the file system of the folder cannot exchange ids.
    pub(crate) fn new(folder: &Path, at: &Path, users: Exchange, groups: Exchange) -> io::Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(CWD, folder, flags)?;
        set_ids(&tree, &user_namespace(&map(users), &map(groups))?)?;
        move_mount(&tree, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        Ok(Self(at.to_owned()))
    }
}

impl Drop for ExchangedMount {
    fn drop(&mut self) {
        if let Err(error) = detach(&self.0) {
            tracing::warn!(%error, "a mount of a workspace could not be removed");
        }
    }
}

/// Detaches what is mounted at a path. Blocking.
///
/// # Errors
/// Nothing is mounted there, or this process may not do it.
pub(crate) fn detach(at: &Path) -> io::Result<()> {
    Ok(unmount(at, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?)
}

/// All ids as they are, but two of them exchanged, as lines of `uid_map` (user_namespaces(7)).
fn map((one, other): Exchange) -> String {
    let (low, high) = (one.min(other), one.max(other));
    let parts = if low == high {
        vec![(0, 0, u32::MAX)]
    } else {
        // The last id of all is no id.
        vec![
            (0, 0, low),
            (low, high, 1),
            (low + 1, low + 1, high - low - 1),
            (high, low, 1),
            (high.saturating_add(1), high.saturating_add(1), u32::MAX - high.saturating_add(1)),
        ]
    };
    let parts = parts.iter().filter(|(_, _, count)| *count > 0);
    parts.map(|(from, to, count)| format!("{from} {to} {count}\n")).collect()
}

/// A user namespace with these maps.
fn user_namespace(users: &str, groups: &str) -> io::Result<OwnedFd> {
    let (theirs, ours) = io::pipe()?;
    let (pid, ()) = children::start(|| Ok((hold_namespace((theirs.as_raw_fd(), ours.as_raw_fd()))?, ())))?;
    let folder = PathBuf::from(format!("/proc/{}", Pid::as_raw(Some(pid))));
    let made = fs::write(folder.join("uid_map"), users)
        .and_then(|()| fs::write(folder.join("gid_map"), groups))
        .and_then(|()| File::open(folder.join("ns/user")));
    // Without a writer it ends.
    drop(ours);
    if let Some(holder) = PidFd::open(pid)? {
        wait_any(&[holder], HOLDER_LIMIT);
    }
    children::reap_own(pid);
    Ok(made?.into())
}

/// Starts a process in a user namespace of its own, which ends when nothing can be written into the pipe any more.
#[expect(unsafe_code, reason = "the standard library starts no process that runs no program")]
fn hold_namespace((read, write): (i32, i32)) -> io::Result<Pid> {
    let flags = libc::c_long::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child has a copy of all memory, as after fork(2), and makes system calls only.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match pid {
        // SAFETY: system calls on descriptors and memory of the child alone.
        0 => unsafe {
            let mut byte = 0_u8;
            libc::close(write);
            libc::read(read, (&raw mut byte).cast(), 1);
            libc::_exit(0)
        },
        pid => i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(io::Error::last_os_error),
    }
}

#[expect(unsafe_code, reason = "rustix does not have this system call")]
fn set_ids(tree: &OwnedFd, namespace: &OwnedFd) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::try_from(namespace.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?,
    };
    let size = size_of_val(&attributes);
    // SAFETY: a system call on descriptors that are open and on memory that lives until it returns.
    let answer = unsafe {
        let (tree, empty) = (tree.as_raw_fd(), c"".as_ptr());
        libc::syscall(libc::SYS_mount_setattr, tree, empty, libc::AT_EMPTY_PATH, &raw const attributes, size)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, chown};

    use super::*;

    #[test]
    fn two_ids_change_places_and_every_other_stays() {
        assert_eq!(map((0, 1000)), "0 1000 1\n1 1 999\n1000 0 1\n1001 1001 4294966294\n");
        assert_eq!(map((7, 6)), "0 0 6\n6 7 1\n7 6 1\n8 8 4294967287\n");
        assert_eq!(map((5, 5)), "0 0 4294967295\n");
    }

    #[test]
    fn what_one_account_owns_is_seen_as_the_others_and_the_other_way_round() {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED: only root can mount");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (work, seen) = (folder.path().join("work"), folder.path().join("seen"));
        fs::create_dir(&work).unwrap();
        fs::create_dir(&seen).unwrap();
        fs::write(work.join("own"), "x").unwrap();
        let mount = match ExchangedMount::new(&work, &seen, (0, 1234), (0, 77)) {
            Ok(mount) => mount,
            Err(error) => {
                println!("SKIPPED: this file system cannot exchange ids: {error}");
                return;
            }
        };
        let owner = |path: PathBuf| {
            let found = fs::metadata(path).unwrap();
            (found.uid(), found.gid())
        };
        assert_eq!(owner(seen.join("own")), (1234, 77));
        fs::write(work.join("given"), "x").unwrap();
        chown(seen.join("given"), Some(0), Some(5)).unwrap();
        assert_eq!(owner(work.join("given")), (1234, 5));
        drop(mount);
        assert!(fs::read_dir(&seen).unwrap().next().is_none());
    }
}
