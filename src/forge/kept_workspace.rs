//! The working folder of a watch that is kept from run to run: a real repository with the commit of the run checked out.
//!
//! Files that git does not track stay, as `git reset --hard` leaves them, so that builds are incremental and what a compose
//! file mounts is still there. Where steps are isolated from the server's account, `.git` is their work and is not trusted: it
//! is made anew for each run, with the index and the submodules of the old one.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::model::{CommitId, RefName, chain};
use crate::sys::git_command::GitCommand;
use crate::sys::lock::LockFile;
use crate::sys::remove_tree::remove_tree;

/// How many commits an isolated workspace has: it is fetched anew for each run.
const ISOLATED_DEPTH: &str = "--depth=50";

/// The pause between two tries to get the folder that another run has.
const LOCK_PAUSE: Duration = Duration::from_millis(200);

/// Settings of every git command: nothing is run but git itself.
const SETTINGS: [&str; 7] = [
    "protocol.file.allow=always",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// The upload-pack of the copy gives any commit: a run need not be of the tip.
const UPLOAD_PACK: &str = "--upload-pack=git -c uploadpack.allowAnySHA1InWant=true upload-pack";

/// A kept workspace, before a run.
#[derive(Debug, Clone)]
pub(crate) struct KeptWorkspace {
    /// The folder.
    pub(crate) path: PathBuf,
    /// The bare copy that quire fetches into.
    pub(crate) copy: PathBuf,
    /// The address that it was fetched from.
    pub(crate) url: String,
    /// Whether the steps are isolated from the account of the server.
    pub(crate) is_isolated: bool,
}

/// Removes the kept workspace of a watch.
///
/// # Errors
/// Something in it cannot be removed.
pub(super) fn remove_kept(path: &Path) -> io::Result<()> {
    remove_tree(path)?;
    let lock = PathBuf::from([path.as_os_str(), OsStr::new(".lock")].into_iter().collect::<OsString>());
    match fs::remove_file(lock) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The folder, held for one run.
#[derive(Debug)]
pub(crate) struct HeldWorkspace {
    _lock: LockFile,
}

impl KeptWorkspace {
    /// Waits until no other run has the folder. Blocking.
    ///
    /// # Errors
    /// The lock cannot be used, or the run is not wanted any more.
    pub(crate) fn hold(&self, is_wanted: &AtomicBool) -> Result<HeldWorkspace, String> {
        let failed = |error: io::Error| format!("{}: {error}", self.path.display());
        fs::create_dir_all(self.path.parent().unwrap_or(&self.path)).map_err(failed)?;
        let lock = self.beside("lock");
        while is_wanted.load(Ordering::Relaxed) {
            if let Some(lock) = LockFile::try_acquire(&lock).map_err(failed)? {
                return Ok(HeldWorkspace { _lock: lock });
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        Err("the run is not wanted any more".to_owned())
    }

    /// Checks out a commit as the tip of its branch. Blocking.
    ///
    /// # Errors
    /// What git says, or what could not be written.
    pub(crate) fn check_out(&self, commit: CommitId, ref_name: &RefName) -> Result<(), String> {
        let failed = |error: io::Error| format!("{}: {error}", self.path.display());
        std::os::unix::fs::DirBuilderExt::mode(fs::DirBuilder::new().recursive(true), 0o700)
            .create(&self.path)
            .map_err(failed)?;
        match self.try_to_check_out(self.is_isolated, commit, ref_name) {
            // A step has broken what is in `.git`, or a kill has.
            Err(_) if !self.is_isolated => self.try_to_check_out(true, commit, ref_name),
            done => done,
        }
    }

    fn try_to_check_out(&self, is_anew: bool, commit: CommitId, ref_name: &RefName) -> Result<(), String> {
        let failed = |error: io::Error| format!("{}: {error}", self.path.display());
        let old = if is_anew { self.set_aside().map_err(failed)? } else { None };
        if !self.git_dir().join("HEAD").is_file() {
            self.git(&["init", "--quiet", "--template="])?;
        }
        if let Some(old) = old {
            self.take_over(&old).map_err(failed)?;
        }
        self.fetch(commit, ref_name)?;
        let reset = || self.git(&["reset", "--quiet", "--hard", &commit.to_string()]);
        // An index that cannot be used is one without entries: all files are written then.
        let reset = reset().or_else(|_| {
            drop(fs::remove_file(self.git_dir().join("index.lock")));
            drop(fs::remove_file(self.git_dir().join("index")));
            reset()
        });
        reset.map(drop)
    }

    /// A path next to the folder; no watch has a name that ends so.
    fn beside(&self, end: &str) -> PathBuf {
        PathBuf::from(
            [self.path.as_os_str(), OsStr::new("."), OsStr::new(end)].into_iter().collect::<OsString>(),
        )
    }

    fn git_dir(&self) -> PathBuf {
        self.path.join(".git")
    }

    /// Moves the old `.git` out of the workspace; nothing when there is none.
    fn set_aside(&self) -> io::Result<Option<PathBuf>> {
        let old = self.beside("old.lock");
        remove_tree(&old)?;
        match fs::rename(self.git_dir(), &old) {
            Ok(()) => Ok(Some(old)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes the index and the submodules of the old `.git`, when they are a file and a folder, and removes the rest.
    fn take_over(&self, old: &Path) -> io::Result<()> {
        if fs::symlink_metadata(old)?.is_dir() {
            let is = |name: &str, fits: fn(&fs::Metadata) -> bool| {
                fs::symlink_metadata(old.join(name)).is_ok_and(|there| fits(&there))
            };
            let moved = [
                ("index", is("index", fs::Metadata::is_file)),
                ("modules", is("modules", fs::Metadata::is_dir)),
            ];
            for (name, _) in moved.into_iter().filter(|(_, is_usable)| *is_usable) {
                fs::rename(old.join(name), self.git_dir().join(name))?;
            }
        }
        Ok(remove_tree(old)?)
    }

    /// Brings the commit in, and sets the branch, its remote and `origin`.
    fn fetch(&self, commit: CommitId, ref_name: &RefName) -> Result<(), String> {
        let (commit, branch, copy) = (commit.to_string(), ref_name.short(), self.copy.to_string_lossy());
        let mut fetch = vec!["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", UPLOAD_PACK];
        if self.is_isolated {
            fetch.push(ISOLATED_DEPTH);
        }
        let address = format!("file://{copy}");
        self.git(&[fetch.as_slice(), &[address.as_str(), commit.as_str()]].concat())?;
        let (head, remote) = (format!("refs/heads/{branch}"), format!("refs/remotes/origin/{branch}"));
        self.git(&["symbolic-ref", "HEAD", &head])?;
        self.git(&["update-ref", "--no-deref", &head, &commit])?;
        self.git(&["update-ref", "--no-deref", &remote, &commit])?;
        self.git(&["config", "remote.origin.url", &self.url])?;
        self.git(&["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]).map(drop)
    }

    fn git(&self, args: &[&str]) -> Result<Vec<u8>, String> {
        let git = GitCommand::in_repo(&self.git_dir()).arg("--work-tree").arg(&self.path);
        let git = SETTINGS.iter().fold(git, |git, setting| git.args(["-c", setting]));
        git.args(args).run().map_err(|error| chain(&error))
    }
}
