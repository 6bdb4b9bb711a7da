//! Giving a folder with all that is in it to another user, without following a link.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, openat, statat};

/// Folders inside each other, at most.
const MAX_DEPTH: usize = 512;

/// Gives a folder and everything below it to a user and a group. Blocking. Links are given themselves, never what they
/// lead to: each name is looked up in an opened folder, so that nobody can exchange one on the way.
///
/// # Errors
/// Something cannot be given away.
pub(super) fn give(folder: &Path, (user, group): (u32, u32)) -> io::Result<()> {
    let top = File::open(folder)?;
    let to = (Uid::from_raw(user), Gid::from_raw(group));
    give_below(top.as_fd(), to, MAX_DEPTH)?;
    chownat(&top, "", Some(to.0), Some(to.1), AtFlags::EMPTY_PATH)?;
    Ok(())
}

fn give_below(folder: BorrowedFd<'_>, to: (Uid, Gid), depth: usize) -> io::Result<()> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(io::Error::other("folders are nested too deep"));
    };
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if matches!(entry.file_type(), FileType::Directory | FileType::Unknown) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match openat(folder, name, flags, Mode::empty()) {
                Ok(below) => give_below(below.as_fd(), to, depth)?,
                // Gone since, or no folder after all.
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if is_shared(folder, name) {
            continue;
        }
        match chownat(folder, name, Some(to.0), Some(to.1), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether a file has another name, which may be outside: it is not given away.
fn is_shared(folder: BorrowedFd<'_>, name: &std::ffi::CStr) -> bool {
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
