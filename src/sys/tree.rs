//! Walks everything below a folder: without recursion, with a bounded number of descriptors however deep it
//! is, without following links and without entering mounts.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::fs::{Dir, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2};

use super::folder::{FOLDER, Kind, listed_kind};

/// How many folders on the path of a walk are kept open. From deeper ones it returns by `..`, which costs more the
/// deeper it is: the kernel resolves all the way up.
const MAX_OPEN: usize = 64;

/// The longest path that is built for a message, in bytes: a tree may be deeper than any path can be long.
const MAX_SHOWN_PATH: usize = 512;

/// What is done with the names in a tree. An error from a method ends the walk.
pub(crate) trait Visit {
    /// A name that is not a folder.
    fn file(&mut self, at: BorrowedFd<'_>, name: &OsStr, place: &Place<'_>) -> io::Result<()>;

    /// A folder, after everything in it.
    fn folder(&mut self, at: BorrowedFd<'_>, name: &OsStr, place: &Place<'_>) -> io::Result<()>;

    /// A folder too deep to be walked cheaply. `true`: it was moved elsewhere, and is not entered here.
    fn deep(&mut self, _at: BorrowedFd<'_>, _name: &OsStr) -> io::Result<bool> {
        Ok(false)
    }

    /// A folder that cannot be entered. `true`: try once more.
    fn closed(
        &mut self,
        at: BorrowedFd<'_>,
        name: &OsStr,
        place: &Place<'_>,
        error: io::Error,
    ) -> io::Result<bool>;
}

/// The position of a walk.
pub(crate) struct Place<'a>(&'a [Level]);

impl Place<'_> {
    /// The path of a name here, relative to the start of the walk; shortened when it is too long to be shown.
    pub(crate) fn path_of(&self, name: &OsStr) -> PathBuf {
        let mut path = PathBuf::new();
        for level in self.0.iter().skip(1) {
            path.push(&level.name);
            if path.as_os_str().len() > MAX_SHOWN_PATH {
                path.push("…");
                break;
            }
        }
        path.push(name);
        path
    }
}

/// One folder on the path of the walk.
struct Level {
    name: OsString,
    /// The folder, unless too many are open.
    open: Option<OwnedFd>,
    /// Its identity: device and inode.
    id: (u64, u64),
    /// The folders in it that have not been entered yet.
    rest: Vec<OsString>,
}

/// Visits everything below a folder, each folder after its contents. The folder itself is not visited.
///
/// # Errors
/// A folder cannot be read, was moved meanwhile, or the visitor fails.
pub(crate) fn walk(top: BorrowedFd<'_>, visitor: &mut dyn Visit) -> io::Result<()> {
    let mut here = openat(top, ".", FOLDER, Mode::empty())?;
    let mut levels = vec![Level { name: OsString::new(), open: None, id: id(&here)?, rest: Vec::new() }];
    list(&here, &mut levels, visitor)?;
    loop {
        let is_deep = levels.len() >= MAX_OPEN;
        let Some(level) = levels.last_mut() else { return Ok(()) };
        if let Some(name) = level.rest.pop() {
            if is_deep && visitor.deep(here.as_fd(), &name)? {
                continue;
            }
            if let Some(inside) = enter(&here, &name, &levels, visitor)? {
                let outer = std::mem::replace(&mut here, inside);
                if let Some(level) = levels.last_mut().filter(|_| !is_deep) {
                    level.open = Some(outer);
                }
                levels.push(Level { name, open: None, id: id(&here)?, rest: Vec::new() });
                list(&here, &mut levels, visitor)?;
            }
            continue;
        }
        let Some(done) = levels.pop() else { return Ok(()) };
        let Some(parent) = levels.last_mut() else { return Ok(()) };
        here = match parent.open.take() {
            Some(open) => open,
            None => parent_of(&here, parent.id)?,
        };
        visitor.folder(here.as_fd(), &done.name, &Place(&levels))?;
    }
}

/// Opens the parent of a folder, which must be the one that the walk came from.
fn parent_of(here: &OwnedFd, expected: (u64, u64)) -> io::Result<OwnedFd> {
    let up = openat(here, "..", FOLDER.union(OFlags::NOFOLLOW), Mode::empty())?;
    if id(&up)? == expected { Ok(up) } else { Err(io::Error::other("a folder was moved during the walk")) }
}

/// Visits the files of a folder and records its folders.
fn list(here: &OwnedFd, levels: &mut [Level], visitor: &mut dyn Visit) -> io::Result<()> {
    let mut folders = Vec::new();
    for found in Dir::read_from(here)? {
        let found = found?;
        let name = OsStr::from_bytes(found.file_name().to_bytes());
        match listed_kind(here.as_fd(), name, found.file_type())? {
            None => {}
            Some(Kind::Folder) => folders.push(name.to_owned()),
            Some(_) => visitor.file(here.as_fd(), name, &Place(levels))?,
        }
    }
    if let Some(level) = levels.last_mut() {
        level.rest = folders;
    }
    Ok(())
}

fn enter(
    here: &OwnedFd,
    name: &OsStr,
    levels: &[Level],
    visitor: &mut dyn Visit,
) -> io::Result<Option<OwnedFd>> {
    let mut is_second = false;
    loop {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        match openat2(here, name, FOLDER, Mode::empty(), resolve) {
            Ok(inside) => return Ok(Some(inside)),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(errno) => {
                let is_again = visitor.closed(here.as_fd(), name, &Place(levels), errno.into())?;
                if is_second || !is_again {
                    return Ok(None);
                }
                is_second = true;
            }
        }
    }
}

fn id(folder: &OwnedFd) -> io::Result<(u64, u64)> {
    let Stat { st_dev, st_ino, .. } = fstat(folder)?;
    Ok((st_dev, st_ino))
}
