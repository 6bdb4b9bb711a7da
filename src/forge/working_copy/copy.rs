//! Copies what `git add -A` would commit of a working copy.
//!
//! Both sides are reached from the descriptor of their root, and no link on the way is followed: a link is copied as
//! a link, and nothing below it is read. Files are created exclusively. So nothing outside the
//! destination is ever opened for writing, whatever the working copy contains or changes into meanwhile.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::ops::Range;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat2, readlinkat};
use rustix::io::Errno;

use super::copy_error::CopyError;
use super::listing::{LIST, Listed, Staged, parse_listing};
use super::opened::git;
use crate::sys::folder::{BENEATH, Folder};
use crate::sys::git_command::GitError;

/// How many files may be copied.
const MAX_ENTRIES: usize = 2_000_000;

/// How many bytes may be copied.
const MAX_BYTES: u64 = 32 << 30;

/// The unit in which `stat` counts the allocated blocks of a file.
const BLOCK: u64 = 512;

/// After how many bytes the copy checks whether it was cancelled.
const CHUNK: u64 = 64 << 20;

/// The most objects that one git process reads from the index.
const OBJECTS: usize = 1_000;

/// Copies what `git add -A` would commit of a working copy into an empty folder: tracked and untracked files that are
/// not ignored, as they are now. Submodules and other repositories become empty folders. Changes nothing in the
/// working copy. After an error the folder is partly filled. Blocks.
///
/// # Errors
/// A file could not be copied, or the copy was cancelled.
pub(crate) fn copy_working_copy(root: &Path, into: &Path, is_wanted: &AtomicBool) -> Result<(), CopyError> {
    let failed = |what| move |source| CopyError::Git { what, source };
    let listed = git(root).args(LIST).run().map_err(failed("list the files"))?;
    let listed = parse_listing(&listed)?;
    if listed.len() > MAX_ENTRIES {
        return Err(too_much());
    }
    let from = Folder::open(root).map_err(|source| CopyError::read(root, source))?;
    let into = Folder::open(into).map_err(|source| CopyError::write(into, source))?;
    let trust = Trust::ask(root).map_err(failed("read its configuration"))?;
    let mut copy = Copy { from, into, trust, is_wanted, bytes: 0 };
    let (pinned, present): (Vec<_>, Vec<_>) =
        listed.into_iter().partition(|listed| listed.staged.as_ref().is_some_and(|staged| staged.is_pinned));
    for listed in &present {
        copy.path(listed)?;
    }
    for batch in pinned.chunks(OBJECTS) {
        copy.pinned(root, batch)?;
    }
    Ok(())
}

fn too_much() -> CopyError {
    CopyError::TooMuch { entries: MAX_ENTRIES, bytes: MAX_BYTES }
}

/// Which properties of a file git takes from the file system, and not from the index.
#[derive(Debug, Clone, Copy)]
struct Trust {
    /// Whether a file is executable (`core.fileMode`).
    mode: bool,
    /// Whether it is a link (`core.symlinks`).
    links: bool,
}

impl Trust {
    fn ask(root: &Path) -> Result<Self, GitError> {
        let pattern = r"^core\.(filemode|symlinks)$";
        let listed = match git(root).args(["config", "-z", "--type=bool", "--get-regexp", pattern]).run() {
            // Neither setting is set.
            Err(GitError::Failed { exit: 1, .. }) => Vec::new(),
            listed => listed?,
        };
        let mut trust = Self { mode: true, links: true };
        for record in listed.split(|byte| *byte == 0) {
            match record {
                b"core.filemode\ntrue" => trust.mode = true,
                b"core.filemode\nfalse" => trust.mode = false,
                b"core.symlinks\ntrue" => trust.links = true,
                b"core.symlinks\nfalse" => trust.links = false,
                _ => {}
            }
        }
        Ok(trust)
    }
}

/// A copy in progress.
struct Copy<'a> {
    from: Folder,
    into: Folder,
    trust: Trust,
    is_wanted: &'a AtomicBool,
    bytes: u64,
}

impl Copy<'_> {
    /// Copies what is at a path now. A path that has disappeared is skipped.
    fn path(&mut self, listed: &Listed) -> Result<(), CopyError> {
        self.check_wanted()?;
        let path = &listed.path;
        let Some((found, stat)) = self.find(path)? else { return Ok(()) };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => {
                let target = readlinkat(&found, "", Vec::new());
                let target = target.map_err(|source| CopyError::read(path, source))?;
                self.link(path, OsStr::from_bytes(target.as_bytes()))
            }
            FileType::RegularFile => self.file(listed, &found, stat),
            FileType::Directory if listed.is_repository => self.make_folder(path).map(|_| ()),
            // The file was replaced by a folder: the files in the folder are listed by themselves.
            FileType::Directory => Ok(()),
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Err(CopyError::Special(path.clone())),
        }
    }

    fn check_wanted(&self) -> Result<(), CopyError> {
        if self.is_wanted.load(Ordering::Relaxed) { Ok(()) } else { Err(CopyError::Stopped) }
    }

    /// The entry at a path of the working copy, not opened yet; `None` where a file or a link has taken the place of a folder.
    fn find(&self, path: &Path) -> Result<Option<(OwnedFd, Stat)>, CopyError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match openat2(&self.from, path, flags, Mode::empty(), BENEATH) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(source) => return Err(CopyError::read(path, source)),
        };
        let stat = fstat(&found).map_err(|source| CopyError::read(path, source))?;
        Ok(Some((found, stat)))
    }

    fn file(&mut self, listed: &Listed, found: &OwnedFd, stat: Stat) -> Result<(), CopyError> {
        let path = &listed.path;
        // The same file that was found, even if it was renamed meanwhile.
        let from = File::open(format!("/proc/self/fd/{}", found.as_raw_fd()));
        let mut from = from.map_err(|source| CopyError::read(path, source))?;
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        // Only allocated blocks are copied.
        self.count(size.min(u64::try_from(stat.st_blocks).unwrap_or_default().saturating_mul(BLOCK)))?;
        if !self.trust.links && listed.staged.as_ref().is_some_and(Staged::is_link) {
            let mut target = Vec::new();
            from.take(size).read_to_end(&mut target).map_err(|source| CopyError::read(path, source))?;
            return self.link(path, OsStr::from_bytes(&target));
        }
        let is_executable = if self.trust.mode {
            stat.st_mode & 0o100 != 0
        } else {
            listed.staged.as_ref().is_some_and(Staged::is_executable)
        };
        let mut to = self.create(path, is_executable)?;
        let mut at = 0;
        // At most the size found above: a file that keeps growing would never end.
        while let Some(data) = next_data(&from, at).filter(|data| data.start < size) {
            at = data.start;
            let place = io::SeekFrom::Start(at);
            from.seek(place).map_err(|source| CopyError::read(path, source))?;
            to.seek(place).map_err(|source| CopyError::write(path, source))?;
            while at < data.end.min(size) {
                self.check_wanted()?;
                let part = (data.end.min(size) - at).min(CHUNK);
                let copied = io::copy(&mut (&mut from).take(part), &mut to);
                match copied.map_err(|source| CopyError::write(path, source))? {
                    // The file was truncated meanwhile.
                    0 => return Ok(()),
                    copied => at += copied,
                }
            }
        }
        to.set_len(size).map_err(|source| CopyError::write(path, source))
    }

    fn count(&mut self, size: u64) -> Result<(), CopyError> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > MAX_BYTES { Err(too_much()) } else { Ok(()) }
    }

    fn link(&self, path: &Path, target: &OsStr) -> Result<(), CopyError> {
        let (folder, name) = self.parent_of(path)?;
        folder.link(target, name).map_err(|source| CopyError::write(path, source))
    }

    fn create(&self, path: &Path, is_executable: bool) -> Result<File, CopyError> {
        let (folder, name) = self.parent_of(path)?;
        let mode = if is_executable { 0o755 } else { 0o644 };
        folder.create_new(name, mode).map_err(|source| CopyError::write(path, source))
    }

    /// Creates the missing folders of a path in the destination, and returns the last folder and the last part of the path.
    fn parent_of<'a>(&self, path: &'a Path) -> Result<(Folder, &'a Path), CopyError> {
        let folder = self.make_folder(path.parent().unwrap_or(Path::new("")))?;
        Ok((folder, path.file_name().map_or(path, Path::new)))
    }

    /// Creates a folder of the destination, with missing parents.
    fn make_folder(&self, path: &Path) -> Result<Folder, CopyError> {
        self.into.make_dirs(path, 0o755).map_err(|source| CopyError::write(path, source))
    }
}

/// Copies the files that git commits as they are in its index.
impl Copy<'_> {
    fn pinned(&mut self, root: &Path, batch: &[Listed]) -> Result<(), CopyError> {
        self.check_wanted()?;
        let mut pinned = Vec::new();
        for listed in batch {
            let Some(staged) = listed.staged.as_ref().filter(|_| self.is_free(&listed.path)) else {
                continue;
            };
            if listed.is_repository {
                self.make_folder(&listed.path)?;
            } else {
                pinned.push((&listed.path, staged));
            }
        }
        let ids: String = pinned.iter().map(|(_, staged)| format!("{}\n", staged.object)).collect();
        let read = git(root).args(["cat-file", "--batch"]).run_to_file(ids.as_bytes());
        let read = read.map_err(|source| CopyError::Git { what: "read files of its index", source })?;
        let mut objects = BufReader::new(read);
        for (path, staged) in pinned {
            self.object(path, staged, &mut objects)?;
        }
        Ok(())
    }

    /// Whether a path of the destination can be created: an entry of the working copy may have taken its place.
    fn is_free(&self, path: &Path) -> bool {
        matches!(self.into.kind(path), Ok(None))
    }

    /// Writes the next object of `git cat-file --batch`: `ID TYPE SIZE`, the content, a line break.
    fn object(&mut self, path: &Path, staged: &Staged, from: &mut BufReader<File>) -> Result<(), CopyError> {
        let unread = |source: io::Error| CopyError::read(path, source);
        let mut head = String::new();
        from.read_line(&mut head).map_err(unread)?;
        let mut words = head.trim_end().split(' ').skip(1);
        let (Some("blob"), Some(Ok(size))) = (words.next(), words.next().map(str::parse::<u64>)) else {
            return Err(unread(io::Error::other(format!("git cannot read the object: {}", head.trim_end()))));
        };
        self.count(size)?;
        if staged.is_link() {
            let mut target = Vec::new();
            from.take(size).read_to_end(&mut target).map_err(unread)?;
            self.link(path, OsStr::from_bytes(&target))?;
        } else {
            let mut to = self.create(path, staged.is_executable())?;
            let written = io::copy(&mut from.take(size), &mut to).and_then(|_| to.flush());
            written.map_err(|source| CopyError::write(path, source))?;
        }
        from.read_exact(&mut [0]).map_err(unread)
    }
}

/// The next part of a file with data. On a file system that does not report holes, this is the rest of the file.
fn next_data(file: &File, at: u64) -> Option<Range<u64>> {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
        Ok(start) => {
            let end = rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(start)).unwrap_or(u64::MAX);
            Some(start..end)
        }
        Err(Errno::NXIO) => None,
        Err(_) => Some(at..u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::sys::git_command::GitCommand;

    #[test]
    fn a_link_in_the_destination_is_never_followed() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        for folder in ["copy/data", "outside"] {
            fs::create_dir_all(path(folder)).unwrap();
        }
        GitCommand::new().args(["init", "-q"]).arg(path("copy")).run().unwrap();
        for file in ["copy/data/x", "copy/y", "outside/x", "outside/y"] {
            fs::write(path(file), file).unwrap();
        }
        for (link, target) in [("data", "outside"), ("y", "outside/y"), ("y", "outside/new")] {
            let _empty = fs::remove_dir_all(path("into")).is_err();
            fs::create_dir(path("into")).unwrap();
            symlink(path(target), path("into").join(link)).unwrap();
            let error = copy_working_copy(&path("copy"), &path("into"), &AtomicBool::new(true)).unwrap_err();
            assert!(matches!(error, CopyError::Write { .. }), "{error}");
        }
        assert_eq!(fs::read_to_string(path("outside/x")).unwrap(), "outside/x");
        assert_eq!(fs::read_to_string(path("outside/y")).unwrap(), "outside/y");
        assert!(!path("outside/new").exists());
    }

    #[test]
    fn the_holes_of_a_sparse_file_are_not_written() {
        use std::os::unix::fs::{FileExt as _, MetadataExt as _};
        let (place, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        GitCommand::new().args(["init", "-q"]).arg(place.path()).run().unwrap();
        let sparse = File::create(place.path().join("sparse")).unwrap();
        sparse.write_all_at(b"begin", 0).unwrap();
        sparse.write_all_at(b"middle", 5 << 30).unwrap();
        // More than may be copied.
        sparse.set_len(MAX_BYTES + 4097).unwrap();
        copy_working_copy(place.path(), into.path(), &AtomicBool::new(true)).unwrap();
        let copy = File::open(into.path().join("sparse")).unwrap();
        let found = copy.metadata().unwrap();
        assert_eq!(found.len(), MAX_BYTES + 4097);
        assert!(found.blocks() * BLOCK < 1 << 20, "{} blocks", found.blocks());
        let mut bytes = [0; 12];
        copy.read_exact_at(&mut bytes, (5 << 30) - 3).unwrap();
        assert_eq!(&bytes, b"\0\0\0middle\0\0\0");
        copy.read_exact_at(&mut bytes[..5], 0).unwrap();
        assert_eq!(&bytes[..5], b"begin");
    }

    #[test]
    fn a_cancelled_copy_stops() {
        let place = tempfile::tempdir().unwrap();
        GitCommand::new().args(["init", "-q"]).arg(place.path()).run().unwrap();
        fs::write(place.path().join("x"), "x").unwrap();
        let into = tempfile::tempdir().unwrap();
        let error = copy_working_copy(place.path(), into.path(), &AtomicBool::new(false)).unwrap_err();
        assert!(matches!(error, CopyError::Stopped));
        assert_eq!(fs::read_dir(into.path()).unwrap().count(), 0);
    }
}
