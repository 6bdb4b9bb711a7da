//! Giving a folder with all that is in it to another user, without following a link.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Uid, chownat, statat};
use rustix::io::Errno;

use crate::sys::folder::Folder;
use crate::sys::tree::{Place, Visit, walk};

/// Gives a folder and everything below it to a user and a group. Blocking. Links are given themselves, never what they
/// lead to: each name is looked up in an opened folder, so that nobody can exchange one on the way. What is mounted
/// there is left alone.
///
/// # Errors
/// Something cannot be given away.
pub(super) fn give(folder: &Path, (user, group): (u32, u32)) -> io::Result<()> {
    let top = Folder::open(folder)?;
    let mut to = NewOwner(Uid::from_raw(user), Gid::from_raw(group));
    walk(top.as_fd(), &mut to)?;
    chownat(&top, "", Some(to.0), Some(to.1), AtFlags::EMPTY_PATH)?;
    Ok(())
}

/// Who gets what is visited.
struct NewOwner(Uid, Gid);

impl NewOwner {
    fn give(&self, at: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
        match chownat(at, name, Some(self.0), Some(self.1), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Visit for NewOwner {
    fn file(&mut self, at: BorrowedFd<'_>, name: &OsStr, _: &Place<'_>) -> io::Result<()> {
        if is_shared(at, name) { Ok(()) } else { self.give(at, name) }
    }

    fn folder(&mut self, at: BorrowedFd<'_>, name: &OsStr, _: &Place<'_>) -> io::Result<()> {
        self.give(at, name)
    }

    fn closed(&mut self, _: BorrowedFd<'_>, _: &OsStr, _: &Place<'_>, error: io::Error) -> io::Result<bool> {
        match Errno::from_io_error(&error) {
            // No folder after all, or another file system.
            Some(Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(false),
            _ => Err(error),
        }
    }
}

/// Whether a file has another name, which may be outside: it is not given away.
fn is_shared(folder: BorrowedFd<'_>, name: &OsStr) -> bool {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|found| {
        FileType::from_raw_mode(found.st_mode) == FileType::RegularFile && found.st_nlink > 1
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn a_folder_is_given_away_and_what_its_links_lead_to_is_not() {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED: only root can give files away");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().join("work");
        std::fs::create_dir_all(work.join("a/b")).unwrap();
        std::fs::write(work.join("a/b/file"), "x").unwrap();
        std::fs::write(folder.path().join("outside"), "x").unwrap();
        symlink("../outside", work.join("link")).unwrap();
        symlink("..", work.join("up")).unwrap();
        std::fs::hard_link(folder.path().join("outside"), work.join("a/shared")).unwrap();
        give(&work, (1234, 5678)).unwrap();
        let owner = |path: &Path| {
            let found = std::fs::symlink_metadata(path).unwrap();
            (found.uid(), found.gid())
        };
        for path in ["", "a", "a/b", "a/b/file", "link", "up"] {
            assert_eq!(owner(&work.join(path)), (1234, 5678), "{path}");
        }
        assert_eq!(owner(&folder.path().join("outside")), (0, 0));
        assert_eq!(owner(folder.path()), (0, 0));
    }
}
