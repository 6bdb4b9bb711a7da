//! Removes a folder with everything in it, however deep, wide or read-only it is.
//!
//! What can be removed is removed. Mounts are neither entered nor emptied: a step of root can leave a
//! mount of any folder of the machine in its workspace.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, chmod, fstat, openat, openat2, renameat, statat,
    unlinkat,
};
use rustix::io::Errno;

use super::folder::FOLDER;
use super::tree::{Place, Visit, walk};

/// How often a folder is processed again in which something new appeared.
const MAX_PASSES: usize = 3;

/// The names of folders that were moved up because they were too deep, followed by a number.
const MOVED: &str = ".quire-removing-";

/// What could not be removed.
#[derive(Debug, thiserror::Error)]
#[error("could not remove {}{}: {why}", path.display(), more(*count))]
pub(crate) struct Leftovers {
    /// The first path.
    pub(crate) path: PathBuf,
    /// How many names are left.
    pub(crate) count: usize,
    /// Why the first is left.
    pub(crate) why: io::Error,
}

impl Leftovers {
    pub(super) fn new(path: PathBuf, why: io::Error) -> Self {
        Self { path, count: 1, why }
    }

    /// The same error, with paths relative to a folder that contains these.
    pub(crate) fn below(self, folder: &Path) -> Self {
        Self { path: folder.join(self.path), ..self }
    }
}

fn more(count: usize) -> String {
    if count > 1 { format!(" and {} more", count - 1) } else { String::new() }
}

impl From<Leftovers> for io::Error {
    fn from(left: Leftovers) -> Self {
        Self::new(left.why.kind(), left)
    }
}

/// Removes a folder, also when folders in it are read-only: builds leave such folders. A missing folder is not an error.
/// When the path is a link, the link is removed. Blocks.
///
/// # Errors
/// What is left, and why.
pub(crate) fn remove_tree(folder: &Path) -> Result<(), Leftovers> {
    let Some((parent, name)) = folder.parent().zip(folder.file_name()) else {
        return Err(Leftovers::new(folder.to_owned(), io::ErrorKind::InvalidInput.into()));
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    match openat(CWD, parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(opened) => remove_below(opened.as_fd(), name).map_err(|left| left.below(parent)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(errno) => Err(Leftovers::new(folder.to_owned(), errno.into())),
    }
}

/// Removes the entry of this name in an opened folder, with everything in it.
pub(super) fn remove_below(at: BorrowedFd<'_>, name: &OsStr) -> Result<(), Leftovers> {
    let left = |errno: Errno| Leftovers::new(name.into(), errno.into());
    match unlinkat(at, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {} // a folder
        Err(Errno::BUSY) => return Err(Leftovers::new(name.into(), mounted())),
        Err(errno) => return Err(left(errno)),
    }
    let (mut passes, mut moved) = (0, 0);
    while passes < MAX_PASSES {
        let open = || openat(at, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
        let opened = open().or_else(|errno| unlock(at, name, errno).and_then(|()| open()));
        let folder = match opened {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(left(errno)),
        };
        if is_mounted(at, name) {
            return Err(Leftovers::new(name.into(), mounted()));
        }
        let mut removal = Removal { top: folder.as_fd(), moved, left: None };
        if let Err(error) = walk(folder.as_fd(), &mut removal) {
            removal.note(PathBuf::new(), error);
        }
        // A pass that moved something up has made the tree shallower, and does not count.
        passes += usize::from(removal.moved == moved);
        moved = removal.moved;
        if let Some(found) = removal.left {
            return Err(found.below(Path::new(name)));
        }
        match unlinkat(at, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => {} // something was made meanwhile
            Err(errno) => return Err(left(errno)),
        }
    }
    Err(left(Errno::NOTEMPTY))
}

/// Removes what is visited, and records what stays.
struct Removal<'a> {
    /// The folder that is being emptied.
    top: BorrowedFd<'a>,
    /// How many folders were moved up to it.
    moved: u64,
    left: Option<Leftovers>,
}

impl Removal<'_> {
    fn note(&mut self, path: PathBuf, error: io::Error) {
        match &mut self.left {
            Some(left) => left.count += 1,
            none => *none = Some(Leftovers::new(path, error)),
        }
    }

    fn unlink(&mut self, at: BorrowedFd<'_>, name: &OsStr, flags: AtFlags, place: &Place<'_>) {
        let unlinked = match unlinkat(at, name, flags) {
            Err(Errno::ACCESS) => make_writable(at).and_then(|()| unlinkat(at, name, flags)),
            other => other,
        };
        match unlinked {
            Ok(()) | Err(Errno::NOENT) => {}
            // What it contains was recorded already, or was created meanwhile and is for the next pass.
            Err(Errno::NOTEMPTY | Errno::EXIST) if flags == AtFlags::REMOVEDIR => {}
            Err(Errno::BUSY) => self.note(place.path_of(name), mounted()),
            Err(errno) => self.note(place.path_of(name), errno.into()),
        }
    }
}

impl Visit for Removal<'_> {
    fn file(&mut self, at: BorrowedFd<'_>, name: &OsStr, place: &Place<'_>) -> io::Result<()> {
        self.unlink(at, name, AtFlags::empty(), place);
        Ok(())
    }

    fn folder(&mut self, at: BorrowedFd<'_>, name: &OsStr, place: &Place<'_>) -> io::Result<()> {
        self.unlink(at, name, AtFlags::REMOVEDIR, place);
        Ok(())
    }

    fn deep(&mut self, at: BorrowedFd<'_>, name: &OsStr) -> io::Result<bool> {
        let there = format!("{MOVED}{}", self.moved);
        let is_moved = renameat(at, name, self.top, there).is_ok();
        self.moved += u64::from(is_moved);
        Ok(is_moved)
    }

    fn closed(
        &mut self,
        at: BorrowedFd<'_>,
        name: &OsStr,
        place: &Place<'_>,
        error: io::Error,
    ) -> io::Result<bool> {
        let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
        if errno == Errno::XDEV {
            self.note(place.path_of(name), mounted());
            return Ok(false);
        }
        if unlock(at, name, errno).is_ok() {
            return Ok(true);
        }
        self.note(place.path_of(name), error);
        Ok(false)
    }
}

fn mounted() -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, "a file system is mounted here; unmount it")
}

/// Whether something is mounted at a name, including bind mounts of the same file system.
fn is_mounted(at: BorrowedFd<'_>, name: &OsStr) -> bool {
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    let opened = openat2(at, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve);
    matches!(opened, Err(Errno::XDEV))
}

/// Makes a folder that may not be entered accessible to its owner.
fn unlock(at: BorrowedFd<'_>, name: &OsStr, errno: Errno) -> Result<(), Errno> {
    if errno != Errno::ACCESS {
        return Err(errno);
    }
    let found = statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
        return Err(errno);
    }
    // By a descriptor: the name could be a link by now.
    let fd = openat(at, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::Directory {
        return Err(errno);
    }
    make_writable(fd.as_fd())
}

fn make_writable(folder: BorrowedFd<'_>) -> Result<(), Errno> {
    // A descriptor opened by O_PATH has no fchmod(2); its name in /proc has chmod(2).
    let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
    chmod(path, Mode::RWXU)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use rustix::fs::{Mode, mkdirat};

    use super::*;
    use crate::sys::folder::Folder;

    #[test]
    fn a_tree_deeper_than_any_path_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut here = Folder::open(folder.path()).unwrap();
        for _ in 0..5_000 {
            mkdirat(&here, "d", Mode::RWXU).unwrap();
            here = here.sub("d").unwrap();
        }
        drop(here.create_new("file", 0o600).unwrap());
        remove_tree(&folder.path().join("d")).unwrap();
        assert!(!folder.path().join("d").exists());
    }

    #[test]
    fn read_only_folders_go_and_what_links_lead_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (work, outside) = (folder.path().join("work"), folder.path().join("outside"));
        fs::create_dir_all(work.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        fs::write(work.join("a/b/file"), "x").unwrap();
        symlink(&outside, work.join("a/link")).unwrap();
        for read_only in ["a/b", "a"] {
            fs::set_permissions(work.join(read_only), fs::Permissions::from_mode(0o500)).unwrap();
        }
        remove_tree(&work).unwrap();
        remove_tree(&work).unwrap();
        assert!(!work.exists() && outside.join("kept").exists());
        symlink(&outside, &work).unwrap();
        remove_tree(&work).unwrap();
        assert!(fs::symlink_metadata(&work).is_err() && outside.join("kept").exists());
    }

    #[test]
    fn what_is_mounted_is_neither_entered_nor_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let (work, outside) = (folder.path().join("work"), folder.path().join("outside"));
        fs::create_dir_all(work.join("a/mounted")).unwrap();
        fs::create_dir_all(work.join("z")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        let target = work.join("a/mounted");
        if rustix::mount::mount_bind(&outside, &target).is_err() {
            println!("SKIPPED: this account cannot mount");
            return;
        }
        let left = remove_tree(&work);
        let top = remove_tree(&target);
        rustix::mount::unmount(&target, rustix::mount::UnmountFlags::DETACH).unwrap();
        let left = left.unwrap_err();
        assert_eq!((&left.path, left.count), (&target, 1));
        assert!(
            left.to_string().ends_with("work/a/mounted: a file system is mounted here; unmount it"),
            "{left}"
        );
        assert_eq!(top.unwrap_err().path, target);
        assert!(outside.join("kept").exists() && !work.join("z").exists());
        remove_tree(&work).unwrap();
    }
}
