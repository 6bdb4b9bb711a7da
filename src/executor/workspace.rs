//! The workspace of a run: files below one folder, and nothing outside it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::process::{getegid, geteuid};

use super::environment::Environment;
use crate::sys::folder::Folder;
use crate::sys::remove_tree::remove_tree;
use crate::sys::user::Account;

/// The largest file that a script reads, in bytes.
const MAX_READ: u64 = 64 << 20;

/// The folders that git does not leave upwards when it looks for a repository.
const CEILINGS: &str = "GIT_CEILING_DIRECTORIES";

/// A folder whose files scripts read and write. Links that lead out of it are not followed (openat2(2):
/// `RESOLVE_BENEATH`).
#[derive(Debug, Clone)]
pub struct Workspace {
    path: PathBuf,
    owner: Option<Account>,
    /// Whether it stays when its run has ended.
    is_kept: bool,
    /// Whether files are wanted in it; copies share it.
    is_wanted: Arc<AtomicBool>,
    /// Held while files are put into it; copies share it.
    filling: Arc<Mutex<()>>,
}

impl Workspace {
    /// The workspace in this folder.
    pub fn new(path: PathBuf) -> Self {
        let is_wanted = Arc::new(AtomicBool::new(true));
        Self { path, owner: None, is_kept: false, is_wanted, filling: Arc::default() }
    }

    /// The workspace in this folder, which stays for the next run.
    pub(crate) fn kept(path: PathBuf) -> Self {
        Self { is_kept: true, ..Self::new(path) }
    }

    /// The same workspace, whose files belong to this user.
    #[must_use]
    pub(crate) fn of(self, owner: Option<Account>) -> Self {
        Self { owner, ..self }
    }

    /// The same workspace; what this says is whether files are wanted in it.
    #[must_use]
    pub(crate) fn wanted_while(self, is_wanted: Arc<AtomicBool>) -> Self {
        Self { is_wanted, ..self }
    }

    /// Whether files are wanted in it.
    pub(crate) fn is_wanted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_wanted)
    }

    /// Has files put into it, unless none are wanted any more; whoever removes it waits until that is over. Blocking.
    pub(crate) fn filled_by<T>(&self, fill: impl FnOnce(&AtomicBool) -> T) -> Option<T> {
        let _filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_wanted.load(Ordering::Relaxed).then(|| fill(&self.is_wanted))
    }

    /// Waits until no file is put into it any more, and has none put into it later. Blocking.
    pub(crate) fn end_filling(&self) {
        self.is_wanted.store(false, Ordering::Relaxed);
        let _over = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The ids of the account that its files belong to.
    pub(crate) fn account(&self) -> (u32, u32) {
        let own = || (geteuid().as_raw(), getegid().as_raw());
        self.owner.as_ref().map_or_else(own, |owner| (owner.uid, owner.gid))
    }

    /// Reads a file. Blocking.
    ///
    /// # Errors
    /// When it is not there, is not a regular file, lies outside, or is larger than 64 MiB.
    pub(crate) fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let file = File::from(self.open(Path::new(path), OFlags::RDONLY | OFlags::NONBLOCK)?);
        let data = file.metadata()?;
        if !data.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        self.refuse_foreign(&data)?;
        let mut bytes = Vec::new();
        file.take(MAX_READ + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_READ {
            return Err(io::Error::other("it is larger than 64 MiB"));
        }
        Ok(bytes)
    }

    /// Writes a file and makes the folders on the way to it. Blocking.
    ///
    /// # Errors
    /// When it lies outside, or cannot be written.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = Path::new(path);
        let mut folder = PathBuf::new();
        for component in path.parent().into_iter().flat_map(Path::components) {
            folder.push(component);
            if matches!(component, Component::Normal(_)) {
                self.make_folder(&folder)?;
            }
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NONBLOCK;
        let mut file = match self.open(path, flags | OFlags::EXCL) {
            Ok(made) => {
                self.give_away(&made)?;
                File::from(made)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let file = File::from(self.open(path, flags)?);
                self.refuse_foreign(&file.metadata()?)?;
                file
            }
            Err(error) => return Err(error),
        };
        file.set_len(0)?;
        file.write_all(bytes)
    }

    /// Gives what was made for steps to their user.
    fn give_away(&self, made: &OwnedFd) -> io::Result<()> {
        let Some(owner) = &self.owner else { return Ok(()) };
        std::os::unix::fs::fchown(made, Some(owner.uid), Some(owner.gid))
    }

    /// Refuses another name of a file that the user of the steps need not be able to reach.
    pub(crate) fn refuse_foreign(&self, file: &fs::Metadata) -> io::Result<()> {
        let is_foreign = self.owner.as_ref().is_some_and(|owner| owner.uid != file.uid()) && file.nlink() > 1;
        if is_foreign {
            Err(io::Error::other("it is another user's file under another name"))
        } else {
            Ok(())
        }
    }

    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let parent =
            folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Some(name) = folder.file_name() else { return Ok(()) };
        let parent = self.open(parent, OFlags::PATH | OFlags::DIRECTORY)?;
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) if self.owner.is_some() => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                self.give_away(&rustix::fs::openat(&parent, name, flags, Mode::empty())?)
            }
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let root = File::open(&self.path)?;
        let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o644) } else { Mode::empty() };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&root, path, flags | OFlags::CLOEXEC, mode, resolve).map_err(
            |error| match error {
                rustix::io::Errno::XDEV => io::Error::other("it lies outside the workspace"),
                other => other.into(),
            },
        )
    }

    /// Keeps git in steps from finding a repository above the workspace: the pipeline did not ask for one that happens
    /// to be there, such as a home under git (git(1): `GIT_CEILING_DIRECTORIES`). Blocking.
    ///
    /// # Errors
    /// Nothing can be written next to the workspace.
    pub(crate) fn fence_git(&self, environment: &mut Environment) -> io::Result<()> {
        // Git compares real paths; each folder above is one, because one in which git starts is itself looked at.
        let real = self.path.parent().and_then(|above| above.canonicalize().ok());
        let above: BTreeSet<&Path> =
            self.path.ancestors().skip(1).chain(real.iter().flat_map(|path| path.ancestors())).collect();
        let is_listable = |path: &&Path| path.is_absolute() && !path.as_os_str().as_bytes().contains(&b':');
        let given = environment.get(CEILINGS).map(OsStr::to_owned);
        let mut ceilings = given.unwrap_or_default();
        for path in above.iter().filter(|path| is_listable(path)) {
            if !ceilings.is_empty() {
                ceilings.push(":");
            }
            ceilings.push(path);
        }
        if !above.iter().all(is_listable)
            && let Some(parent) = self.path.parent()
        {
            // A list that is divided by colons cannot name such a folder. This ends the search as well.
            match Folder::open(parent)?.create_new(".git", 0o644) {
                Ok(mut file) => file.write_all(b"gitdir: /nonexistent\n")?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        environment.set(CEILINGS, ceilings).map_err(io::Error::other)
    }

    /// Gives the workspace with all that is in it to a user and a group. Blocking.
    ///
    /// # Errors
    /// Something in it cannot be given away.
    pub(crate) fn give_to(&self, owner: (u32, u32)) -> io::Result<()> {
        super::ownership::give(&self.path, owner)
    }

    /// Removes the workspace with all that is in it, unless it is kept; no file comes after that. Blocking.
    ///
    /// # Errors
    /// When something in it cannot be removed.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.end_filling();
        if self.is_kept { Ok(()) } else { Ok(remove_tree(&self.path)?) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_inside_are_read_and_written() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::new(folder.path().join("work"));
        fs::create_dir(workspace.path()).unwrap();
        workspace.write("a/b/../c/x.txt", b"hello").unwrap();
        workspace.write("./y", b"1").unwrap();
        workspace.write("y", b"22").unwrap();
        assert_eq!(workspace.read("a/c/x.txt").unwrap(), b"hello");
        assert_eq!(workspace.read("y").unwrap(), b"22");
        workspace.remove().unwrap();
        workspace.remove().unwrap();
    }

    #[test]
    fn every_folder_above_is_a_ceiling_by_both_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::os::unix::fs::symlink(&real, real.join("link")).unwrap();
        let mut environment = Environment::default();
        environment.set(CEILINGS, "/own").unwrap();
        Workspace::new(real.join("link/work")).fence_git(&mut environment).unwrap();
        let ceilings: Vec<_> = std::env::split_paths(environment.get(CEILINGS).unwrap()).collect();
        for expected in [Path::new("/own"), Path::new("/"), &real, &real.join("link")] {
            assert!(ceilings.contains(&expected.to_owned()), "{expected:?} of {ceilings:?}");
        }
        assert!(!ceilings.contains(&real.join("link/work")) && !real.join(".git").exists());
    }

    #[test]
    fn nothing_outside_is_reached() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::new(folder.path().join("work"));
        fs::create_dir_all(workspace.path().join("d")).unwrap();
        fs::write(folder.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink("../secret", workspace.path().join("link")).unwrap();
        std::os::unix::fs::symlink(folder.path(), workspace.path().join("out")).unwrap();
        for path in ["../secret", "link", "out/secret", "/etc/passwd", "d/../../secret", "d", "", "no"] {
            assert!(workspace.read(path).is_err(), "{path}");
        }
        for path in ["../new", "link", "out/new", "/tmp/new", "d/../../new", "out/new/deep", "../new/deep"] {
            assert!(workspace.write(path, b"x").is_err(), "{path}");
        }
        assert_eq!(fs::read(folder.path().join("secret")).unwrap(), b"s");
        assert!(!folder.path().join("new").exists());
    }
}
