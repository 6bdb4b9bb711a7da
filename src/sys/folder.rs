//! A folder that was opened once: everything below it is reached from its descriptor, and no link on the way is
//! followed.
//!
//! Any process of quire's account – every step on the host – can put a link, a FIFO or a device where quire
//! expects a folder or a file. A path that is looked up from the root follows it; a [`Folder`] does not. Names are
//! resolved by openat2(2) with `RESOLVE_BENEATH`, `RESOLVE_NO_SYMLINKS` and `RESOLVE_NO_MAGICLINKS`. Everything
//! here blocks.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2, statat,
    symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::remove_tree::{Leftovers, remove_below};

/// No link is followed, and nothing outside is reached.
pub(crate) const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// How a folder is opened.
pub(super) const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What a name in a folder is, without following it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    Folder,
    /// A symbolic link, whatever its target.
    Link,
    /// A FIFO, a socket or a device.
    Other,
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The name, without its folder.
    pub(crate) name: OsString,
    /// What it is.
    pub(crate) kind: Kind,
}

/// An opened folder. Paths given to its methods are relative to it.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
}

impl Folder {
    /// Opens a folder that is trusted: links on the way to it are followed.
    ///
    /// # Errors
    /// It is missing, is not a folder, or may not be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { fd: openat(CWD, path, FOLDER, Mode::empty())? })
    }

    /// Opens a folder by its path. The last name must not be a link; those before it are trusted.
    ///
    /// # Errors
    /// It is missing, is a link or not a folder, or may not be read.
    pub(crate) fn open_no_link(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(outside)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Self::open(parent.unwrap_or(Path::new(".")))?.sub(name)
    }

    /// Opens a folder below this one.
    ///
    /// # Errors
    /// It is missing, is not a folder, is outside, or a link leads to it.
    pub(crate) fn sub(&self, path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self { fd: self.open_with(path.as_ref(), FOLDER, Mode::empty())? })
    }

    /// Opens a regular file for reading. A FIFO or a device is refused without waiting for it.
    ///
    /// # Errors
    /// It is missing, is not a regular file, is outside, or a link leads to it.
    pub(crate) fn open_file(&self, path: impl AsRef<Path>) -> io::Result<File> {
        regular(self.open_with(path.as_ref(), READ, Mode::empty())?)
    }

    /// Reads a regular file of at most `most` bytes.
    ///
    /// # Errors
    /// As [`Folder::open_file`]; or it is larger.
    pub(crate) fn read(&self, path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_file(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {most} bytes")));
        }
        Ok(bytes)
    }

    /// Creates a file and opens it for reading and writing. The name must be free: not even a link may exist.
    ///
    /// # Errors
    /// `AlreadyExists`, or it cannot be created.
    pub(crate) fn create_new(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(self.open_with(path.as_ref(), flags, Mode::from_raw_mode(mode))?.into())
    }

    /// Opens a regular file for reading and for writing at its end, and creates it with this mode when it is missing.
    ///
    /// # Errors
    /// It is not a regular file, is outside, or a link leads to it.
    pub(crate) fn append(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK | OFlags::CLOEXEC;
        regular(self.open_with(path.as_ref(), flags, Mode::from_raw_mode(mode))?)
    }

    /// Creates a folder with missing parents, and opens it.
    ///
    /// # Errors
    /// A parent is not a folder, or one cannot be created.
    pub(crate) fn make_dirs(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<Self> {
        let mut here = self.sub(".")?;
        for component in path.as_ref().components() {
            let Component::Normal(name) = component else {
                if component == Component::CurDir {
                    continue;
                }
                return Err(outside());
            };
            match mkdirat(&here.fd, name, Mode::from_raw_mode(mode)) {
                Ok(()) | Err(Errno::EXIST) => here = here.sub(name)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(here)
    }

    /// Creates a symbolic link.
    ///
    /// # Errors
    /// `AlreadyExists`, or it cannot be created.
    pub(crate) fn link(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> io::Result<()> {
        let (parent, name) = self.parent_of(path.as_ref())?;
        Ok(symlinkat(target.as_ref(), &parent, name)?)
    }

    /// What is at a path; `None` when nothing exists.
    ///
    /// # Errors
    /// It cannot be accessed.
    pub(crate) fn kind(&self, path: impl AsRef<Path>) -> io::Result<Option<Kind>> {
        let found = match self.parent_of(path.as_ref()) {
            Ok((parent, name)) => kind_at(parent.as_fd(), name),
            Err(error) => Err(error),
        };
        match found {
            Ok(kind) => Ok(Some(kind)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All names in this folder, unordered.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for found in Dir::read_from(&self.fd)? {
            let found = found?;
            let name = OsStr::from_bytes(found.file_name().to_bytes());
            if let Some(kind) = listed_kind(self.fd.as_fd(), name, found.file_type())? {
                entries.push(Entry { name: name.to_owned(), kind });
            }
        }
        Ok(entries)
    }

    /// Removes a name that is not a folder. A link itself is removed.
    ///
    /// # Errors
    /// It is missing, or cannot be removed.
    pub(crate) fn remove_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let (parent, name) = self.parent_of(path.as_ref())?;
        Ok(unlinkat(&parent, name, AtFlags::empty())?)
    }

    /// Removes whatever is at a path, with everything in it. Not an error when nothing exists.
    ///
    /// # Errors
    /// What is left, and why.
    pub(crate) fn remove_tree(&self, path: impl AsRef<Path>) -> Result<(), Leftovers> {
        let path = path.as_ref();
        match self.parent_of(path) {
            Ok((parent, name)) => remove_below(parent.as_fd(), name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Leftovers::new(path.to_owned(), error)),
        }
    }

    /// The parent folder of a name, and the name.
    fn parent_of<'a>(&self, path: &'a Path) -> io::Result<(Self, &'a OsStr)> {
        let name = path.file_name().ok_or_else(outside)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Ok((self.sub(parent.unwrap_or(Path::new(".")))?, name))
    }

    fn open_with(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        openat2(&self.fd, path, flags, mode, BENEATH).map_err(|errno| match errno {
            Errno::XDEV => outside(),
            Errno::LOOP => io::Error::new(io::ErrorKind::InvalidData, "symbolic links are not followed here"),
            Errno::NXIO | Errno::NODEV => not_regular(),
            other => other.into(),
        })
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// How a file is opened for reading: without waiting for the other end of a FIFO.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Opens a regular file by its path for reading. The last name must not be a link; those before it are trusted.
///
/// # Errors
/// It is missing, or is not a regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let name = path.file_name().ok_or_else(not_regular)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Folder::open(parent.unwrap_or(Path::new(".")))?.open_file(name)
}

/// The same file, if it is a regular one.
fn regular(fd: OwnedFd) -> io::Result<File> {
    if FileType::from_raw_mode(fstat(&fd)?.st_mode) == FileType::RegularFile {
        Ok(fd.into())
    } else {
        Err(not_regular())
    }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a regular file")
}

fn outside() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the path leads out of the folder")
}

/// The kind of a listed name; `None` for the folder itself, its parent, and names that have disappeared.
pub(super) fn listed_kind(at: BorrowedFd<'_>, name: &OsStr, listed: FileType) -> io::Result<Option<Kind>> {
    if name == "." || name == ".." {
        return Ok(None);
    }
    if listed != FileType::Unknown {
        return Ok(Some(kind_of(listed)));
    }
    match kind_at(at, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        looked_at => looked_at.map(Some),
    }
}

fn kind_at(at: BorrowedFd<'_>, name: &OsStr) -> io::Result<Kind> {
    Ok(kind_of(FileType::from_raw_mode(statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)))
}

fn kind_of(found: FileType) -> Kind {
    match found {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link,
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::mknodat;

    use super::*;

    #[test]
    fn no_link_is_followed_and_nothing_outside_is_reached() {
        let outer = tempfile::tempdir().unwrap();
        let inside = outer.path().join("inside");
        fs::create_dir_all(inside.join("a")).unwrap();
        fs::write(outer.path().join("outside"), "outside").unwrap();
        fs::write(inside.join("a/file"), "file").unwrap();
        symlink("a", inside.join("to-a")).unwrap();
        symlink("a/file", inside.join("to-file")).unwrap();
        symlink("../outside", inside.join("out")).unwrap();
        symlink(outer.path(), inside.join("up")).unwrap();
        symlink("/proc/self/cwd", inside.join("magic")).unwrap();
        let folder = Folder::open(&inside).unwrap();
        assert_eq!(folder.read("a/file", 4).unwrap(), b"file");
        assert!(folder.read("a/file", 3).is_err(), "one byte above the limit");
        for path in
            ["to-a/file", "to-file", "out", "up/outside", "../outside", "magic/x", "/etc/passwd", "a", ""]
        {
            assert!(folder.open_file(path).is_err(), "{path} is read");
            assert!(folder.append(path, 0o600).is_err(), "{path} is appended to");
            assert!(folder.create_new(path, 0o600).is_err(), "{path} is created");
        }
        for path in ["to-a/new", "up/new", "../new", "/tmp/new", "out/new"] {
            assert!(folder.make_dirs(path, 0o700).is_err(), "{path} is made");
            assert!(folder.link("x", path).is_err(), "{path} is made");
            assert!(folder.create_new(path, 0o600).is_err(), "{path} is made");
            assert!(folder.remove_file(path).is_err(), "{path} is removed");
        }
        folder.remove_tree("up").unwrap();
        assert_eq!(folder.kind("up").unwrap(), None);
        assert_eq!(folder.kind("out").unwrap(), Some(Kind::Link));
        assert_eq!(fs::read(outer.path().join("outside")).unwrap(), b"outside");
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_waits() {
        let outer = tempfile::tempdir().unwrap();
        let folder = Folder::open(outer.path()).unwrap();
        mknodat(&folder, "fifo", FileType::Fifo, Mode::RWXU, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(outer.path().join("socket")).unwrap();
        symlink("/dev/zero", outer.path().join("zero")).unwrap();
        folder.make_dirs("dir", 0o700).unwrap();
        for name in ["fifo", "socket", "zero", "dir"] {
            assert!(folder.open_file(name).is_err(), "{name}");
            assert!(folder.append(name, 0o600).is_err(), "{name}");
            assert!(open_regular(&outer.path().join(name)).is_err(), "{name}");
        }
        let mut kinds: Vec<_> =
            folder.entries().unwrap().into_iter().map(|entry| (entry.name, entry.kind)).collect();
        kinds.sort_by(|a, b| a.0.cmp(&b.0));
        let expected =
            [("dir", Kind::Folder), ("fifo", Kind::Other), ("socket", Kind::Other), ("zero", Kind::Link)];
        assert_eq!(kinds, expected.map(|(name, kind)| (name.into(), kind)));
    }

    #[test]
    fn folders_on_the_way_are_made_once() {
        let outer = tempfile::tempdir().unwrap();
        let folder = Folder::open(outer.path()).unwrap();
        let deep = folder.make_dirs("a/./b/c", 0o700).unwrap();
        drop(deep.create_new("file", 0o600).unwrap());
        assert!(folder.make_dirs("a/b/c/file", 0o700).is_err());
        folder.make_dirs("a/b/c", 0o700).unwrap();
        folder.remove_tree("a").unwrap();
        folder.remove_tree("a").unwrap();
        assert!(folder.entries().unwrap().is_empty());
    }
}
