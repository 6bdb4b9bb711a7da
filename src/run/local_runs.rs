//! The folders of local runs (`quire ci run`): in the person's cache, neither in a working copy nor in its `.git`.
//!
//! A run has a folder `run-<n>` with a mark, which names the run, and a lock, which is held as long as its quire lives. The lock's
//! file is removed when the run has ended: where there is one that nobody holds, the run was killed, and the next run
//! removes what that left.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::control::CONTROL_SOCKET;
use super::lease::{Lease as _, Lost, RunLock};
use crate::container::{Engine, forget};
use crate::executor::{Workspace, sweep_run};
use crate::journal::{Fact, JournalSink as _, JournalWriter, RunRecord};
use crate::model::{InstanceId, Outcome, Reason, RunId, RunMark, chain, codes};
use crate::secret::Redactor;
use crate::sys::folder::Folder;
use crate::sys::lock::LockFile;
use crate::sys::random;
use crate::sys::remove_tree::remove_tree;
use crate::sys::user::own_uid;

/// How many local runs are kept.
const KEPT_RUNS: usize = 100;

/// How often a name for a new run is tried.
const MAX_ATTEMPTS: u64 = 10_000;

/// The longest mark, in bytes.
const MAX_MARK: u64 = 64 << 10;

/// The lock until it is held: whoever sweeps takes a lock of that name, and removes its folder.
const NEW_LOCK: &str = "lock.new";
const MARK: &str = "run.json";
const WORK: &str = "work";

/// What the environment says about a person's folders.
#[derive(Debug, Clone, Default)]
pub struct CacheHints {
    /// `XDG_CACHE_HOME`.
    pub(crate) cache: Option<OsString>,
    /// `HOME`.
    pub(crate) home: Option<OsString>,
    /// `TMPDIR`.
    pub(crate) temporary: Option<OsString>,
}

/// Why a local run has no folder.
#[derive(Debug, thiserror::Error)]
pub enum LocalRunError {
    /// No folder can be used.
    #[error("no cache folder for the run: {}", reasons.join("; "))]
    NoCache {
        /// Why each one cannot be used.
        reasons: Vec<String>,
    },
    /// The folder of the run could not be made.
    #[error("could not create a folder for the run in {}", folder.display())]
    Create {
        /// Where.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What the folder of a run says about it.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    v: u32,
    instance: String,
    run: String,
    /// The number of the folder in its file system: a copy of the folder is not the run's.
    inode: u64,
    /// The working copy, for people.
    working_copy: String,
}

const MARK_VERSION: u32 = 1;

/// The folder of all local runs of a person.
#[derive(Debug, Clone)]
pub struct LocalRuns {
    folder: PathBuf,
}

/// The folder of one local run, which is running until this is dropped.
#[derive(Debug)]
pub struct LocalRun {
    mark: RunMark,
    folder: PathBuf,
    /// Held until the process is gone.
    lock: LockFile,
}

impl LocalRuns {
    /// Chooses and makes the first of `$XDG_CACHE_HOME/quire`, `~/.cache/quire` and folders for temporary files that
    /// is this user's, can be written, and lies in none of these folders.
    ///
    /// # Errors
    /// Says why each cannot be used.
    pub(crate) fn open(hints: &CacheHints, not_in: &[PathBuf]) -> Result<Self, LocalRunError> {
        let absolute =
            |path: &Option<OsString>| path.as_ref().map(PathBuf::from).filter(|path| path.is_absolute());
        let cache =
            absolute(&hints.cache).into_iter().chain(absolute(&hints.home).map(|home| home.join(".cache")));
        let own = format!("quire-{}", own_uid());
        let temporary = absolute(&hints.temporary).into_iter().chain(["/tmp".into(), "/var/tmp".into()]);
        let candidates =
            cache.map(|cache| cache.join("quire")).chain(temporary.map(|folder| folder.join(&own)));
        let mut reasons = Vec::new();
        for folder in candidates {
            match usable(&folder, not_in) {
                Ok(folder) => return Ok(Self { folder }),
                Err(reason) => reasons.push(format!("{}: {reason}", folder.display())),
            }
        }
        Err(LocalRunError::NoCache { reasons })
    }

    /// Makes the folder of a new run, and removes the oldest ones that have ended. Blocking.
    ///
    /// # Errors
    /// Says what the system refused.
    pub(crate) fn create(&self, working_copy: &Path) -> Result<LocalRun, LocalRunError> {
        let failed = |source| LocalRunError::Create { folder: self.folder.clone(), source };
        // The id of the run is new, so that nothing else can have its mark.
        let mark = RunMark { instance: random::instance_id(), run: random::run_id() };
        let (made, lock) = self.prepare(mark, working_copy).map_err(failed)?;
        let mut numbers = self.numbers().map_err(failed)?;
        let first = numbers.last().copied().unwrap_or_default() + 1;
        for number in first..first + MAX_ATTEMPTS {
            let folder = self.folder.join(format!("run-{number}"));
            // A run's folder is never empty, so that none is replaced.
            match fs::rename(&made, &folder) {
                Ok(()) => {
                    numbers.push(number);
                    self.prune(&numbers);
                    return Ok(LocalRun { mark, folder, lock });
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                    ) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(io::ErrorKind::AlreadyExists.into()))
    }

    /// A folder that is complete before it has a run's name: nobody sees one whose lock is not held yet.
    fn prepare(&self, mark: RunMark, working_copy: &Path) -> io::Result<(PathBuf, LockFile)> {
        let made = self.folder.join(format!("new-{}", mark.run));
        DirBuilder::new().mode(0o700).create(&made)?;
        let lock = Self::mark(&made, mark, working_copy).inspect_err(|_| {
            let _the_next_run_removes_it = remove_tree(&made).is_err();
        })?;
        Ok((made, lock))
    }

    /// Locks a new folder and says who owns it.
    fn mark(made: &Path, mark: RunMark, working_copy: &Path) -> io::Result<LockFile> {
        let mut lock = LockFile::try_acquire(&made.join(NEW_LOCK))?.ok_or(io::ErrorKind::WouldBlock)?;
        lock.write_own_pid()?;
        fs::rename(made.join(NEW_LOCK), made.join(RunLock::NAME))?;
        let text = Mark {
            v: MARK_VERSION,
            instance: mark.instance.to_string(),
            run: mark.run.to_string(),
            inode: fs::symlink_metadata(made)?.ino(),
            working_copy: working_copy.to_string_lossy().into_owned(),
        };
        fs::write(made.join(MARK), serde_json::to_vec(&text)?)?;
        Ok(lock)
    }

    fn numbers(&self) -> io::Result<Vec<u64>> {
        let entries = fs::read_dir(&self.folder)?;
        let mut numbers: Vec<u64> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("run-")?.parse::<u32>().ok())
            .map(u64::from)
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn prune(&self, numbers: &[u64]) {
        let old = numbers.get(..numbers.len().saturating_sub(KEPT_RUNS)).unwrap_or_default();
        for folder in old.iter().map(|number| self.folder.join(format!("run-{number}"))) {
            // One that is running keeps its folder.
            if !folder.join(RunLock::NAME).exists() {
                let _another_run_removes_it_as_well = remove_tree(&folder).is_err();
            }
        }
    }

    /// Removes what runs have left that were killed: processes, containers, secrets in memory, workspaces. Says what
    /// could not be removed. Blocking.
    pub(crate) fn sweep(&self, engine: &BTreeMap<OsString, OsString>) -> Vec<String> {
        let mut problems = Vec::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name();
            let starts = |prefix| name.to_str().is_some_and(|name| name.starts_with(prefix));
            let (is_run, is_new) = (starts("run-"), starts("new-"));
            if (is_run || is_new)
                && let Ok(Some(lock)) = LockFile::try_acquire_existing(&entry.path().join(RunLock::NAME))
            {
                if is_run {
                    problems.extend(settle(&entry.path(), engine));
                } else {
                    // It never had a run's name, so that nothing was started in it.
                    problems.extend(remove_tree(&entry.path()).err().map(|left| left.to_string()));
                }
                drop(lock);
            }
        }
        problems
    }
}

/// A folder for local runs below this one, when it is available.
fn usable(folder: &Path, not_in: &[PathBuf]) -> Result<PathBuf, String> {
    let there = folder.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let (above, real) = there.ok_or("it has no folder above it")?;
    let missing = folder.strip_prefix(above).map_err(|error| error.to_string())?;
    let real = real.join(missing);
    if let Some(outer) = not_in.iter().find(|outer| real.starts_with(outer)) {
        return Err(format!("it lies in {}", outer.display()));
    }
    let owner = |path: &Path| fs::metadata(path).map(|data| data.uid()).map_err(|error| error.to_string());
    // With `sudo`, the home may be that of the person, who could not remove what root makes there.
    if own_uid() == 0 && missing.components().next().is_some() && owner(above)? != 0 {
        return Err("it belongs to somebody else".to_owned());
    }
    let make = |path: &Path| {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| error.to_string())
    };
    make(&real)?;
    let found = fs::symlink_metadata(&real).map_err(|error| error.to_string())?;
    if !found.is_dir() || found.uid() != own_uid() || found.mode() & 0o022 != 0 {
        return Err("it is not a folder that only this user can write".to_owned());
    }
    let runs = real.join("ci");
    make(&runs)?;
    rustix::fs::access(&runs, rustix::fs::Access::WRITE_OK).map_err(|error| error.to_string())?;
    Ok(runs)
}

/// Settles a run that was killed, whose lock is held by this process now. Gives what could not be removed.
fn settle(run_dir: &Path, engine: &BTreeMap<OsString, OsString>) -> Vec<String> {
    let Ok(folder) = Folder::open(run_dir) else { return Vec::new() };
    let mark = folder.read(MARK, MAX_MARK).ok().and_then(|bytes| serde_json::from_slice::<Mark>(&bytes).ok());
    let inode = fs::symlink_metadata(run_dir).map(|data| data.ino()).unwrap_or_default();
    let Some(mark) = mark.filter(|mark| mark.v == MARK_VERSION && mark.inode == inode) else {
        return Vec::new();
    };
    let Some((instance, run)) = InstanceId::parse(&mark.instance).ok().zip(RunId::parse(&mark.run).ok())
    else {
        return Vec::new();
    };
    let mut problems = end_all(RunMark { instance, run }, run_dir, engine);
    problems.extend(folder.remove_tree(WORK).err().map(|left| left.below(run_dir).to_string()));
    let has_ended = RunRecord::try_read(run_dir).is_ok_and(|record| record.outcome.is_some());
    if !has_ended {
        let reason = Reason::new(codes::INTERRUPTED, "quire was killed before the run had ended");
        let end = Fact::run_ended((Outcome::Interrupted, Some(reason))).redacted(&Redactor::none());
        let written = JournalWriter::open(run_dir).and_then(|mut journal| journal.append(end));
        problems.extend(written.err().map(|error| chain(&error)));
    }
    if problems.is_empty() {
        release(run_dir);
    }
    problems
}

/// Ends the processes and containers of a run, and removes what they had in memory. Gives what is left.
fn end_all(mark: RunMark, run_dir: &Path, engine: &BTreeMap<OsString, OsString>) -> Vec<String> {
    let mut left: Vec<String> = sweep_run(&mark).survivors;
    // A journal that cannot be read may name some.
    if RunRecord::try_read(run_dir).map_or(true, |record| !record.images.is_empty())
        && let Err(error) = Engine::find(engine).and_then(|engine| engine.sweep(mark))
    {
        left.push(chain(&error));
    }
    left.extend(forget(mark).err().map(|error| error.to_string()));
    left
}

/// Reports that nothing is left of a run but its record.
fn release(run_dir: &Path) {
    let _never_made = fs::remove_file(run_dir.join(CONTROL_SOCKET)).is_err();
    let _gone_with_its_folder = fs::remove_file(run_dir.join(RunLock::NAME)).is_err();
}

impl LocalRun {
    /// The mark of what it starts.
    pub(crate) fn mark(&self) -> RunMark {
        self.mark
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Ends what is left of a run that does not end by itself, and says what could not be ended. Blocking.
    pub(crate) fn end_by_force(&self, engine: &BTreeMap<OsString, OsString>) -> Vec<String> {
        end_all(self.mark, &self.folder, engine)
    }

    /// What says that its folder is gone.
    pub(crate) fn lost(&self) -> Lost {
        RunLock::of(&self.folder).lost(&self.lock)
    }

    /// Its workspace, which is not made yet.
    pub(crate) fn workspace(&self) -> Workspace {
        Workspace::new(self.folder.join(WORK))
    }
}

impl Drop for LocalRun {
    fn drop(&mut self) {
        match self.workspace().remove() {
            Ok(()) => release(&self.folder),
            // The next run tries again.
            Err(error) => tracing::warn!(%error, "the workspace could not be removed"),
        }
    }
}
