//! What a runner does for a push before anybody knows whether it begins a run: while git moves the ref, it reads,
//! compiles and evaluates the pipeline and checks the commit out. Nothing of it is journaled or shown, and it is
//! removed when no run comes of it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, unlinkat};
use serde::{Deserialize, Serialize};

use super::assignment::Assignment;
use super::early_vm::{EarlyVm, ReadyPipeline};
use super::evaluate::Loaded;
use super::objects::{GitFolder, Objects as _, Pushed};
use super::order::RunLimits;
use crate::config::DataDir;
use crate::event::{RefUpdate, RefUpdateRecord};
use crate::forge::quarantine;
use crate::model::{CommitId, RepoName};
use crate::pipeline::PipelineFiles;
use crate::script::VmPulse;
use crate::sys::folder::Folder;
use crate::sys::lock::LockFile;
use crate::sys::random::unguessable;
use crate::sys::remove_tree::{Leftovers, remove_tree};

/// How long a run waits for an evaluation that began before it.
const EVALUATION_PATIENCE: Duration = Duration::from_millis(500);

/// What may become a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Speculation {
    git_dir: PathBuf,
    /// The objects that git has not taken over yet.
    quarantine: PathBuf,
    update: RefUpdateRecord,
    /// The folder of compiled pipelines.
    cache_dir: PathBuf,
    /// Where the commit is checked out until its run has a folder.
    folder: PathBuf,
    /// The memory of the VM, in bytes.
    vm_memory: usize,
}

impl Speculation {
    /// For a push that announced this update; nothing when no run begins with it, or what git says of its `objects` is not
    /// the name of such a folder.
    pub(crate) fn new(
        (data, limits): (&DataDir, &RunLimits),
        repo: &RepoName,
        update: &RefUpdate,
        objects: &str,
    ) -> Option<Self> {
        if update.new.is_zero() {
            return None;
        }
        let git_dir = data.repo(repo);
        let random = u64::from_ne_bytes(unguessable().ok()?);
        Some(Self {
            quarantine: quarantine(&git_dir, objects)?,
            git_dir,
            update: RefUpdateRecord::from(update),
            cache_dir: data.compiled(),
            folder: data.ahead().join(format!("{random:016x}")),
            vm_memory: limits.vm_memory,
        })
    }

    /// Whether this is what the run of an assignment needs.
    pub(crate) fn is_for(&self, given: &Assignment) -> bool {
        let Assignment { order, place, .. } = given;
        let is_same = |update: &RefUpdateRecord| update.has_same_value(&self.update);
        order.work.is_none()
            && place.kept.is_none()
            && place.git_dir == self.git_dir
            && order.limits.vm_memory == self.vm_memory
            && order.event.subject().is_some_and(is_same)
    }

    /// Its form on the socket.
    ///
    /// # Errors
    /// A path in it is no text.
    pub(crate) fn encode(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// Reads what [`Self::encode`] gave.
    ///
    /// # Errors
    /// When the bytes are something else.
    pub(crate) fn decode(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}

/// Removes what no runner holds of the folder of speculations, and nothing else that may be there. Blocking.
pub(crate) fn sweep_speculations(data: &DataDir) {
    let Ok(ahead) = Folder::open_no_link(&data.ahead()) else { return };
    for name in ahead.entries().unwrap_or_default().into_iter().map(|entry| entry.name) {
        if !is_own_name(&name) {
            continue;
        }
        let lock = ahead.sub(&name).and_then(|folder| folder.open_file(LOCK));
        match lock.map(|file| LockFile::from_fd(file.into())) {
            Ok(Ok(_free)) => warn_of(ahead.remove_tree(&name)),
            Ok(Err(_)) => {}
            // One that is only just made, or of a runner that was killed then, is empty.
            Err(_) => drop(unlinkat(&ahead, &name, AtFlags::REMOVEDIR)),
        }
    }
}

/// Whether a folder has the name of one that [`Speculation::new`] makes up.
fn is_own_name(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.len() == 16 && bytes.iter().all(u8::is_ascii_hexdigit)
}

fn warn_of(removed: Result<(), Leftovers>) {
    if let Err(left) = removed {
        tracing::warn!(%left, "a checkout that no run needs could not be removed");
    }
}

/// The lock of a checkout, in its folder.
const LOCK: &str = "lock";

/// The files, in the folder of a checkout.
const FILES: &str = "files";

/// What a runner has prepared for a run. When this is dropped, nothing is left of it.
pub(crate) struct Prepared {
    what: Speculation,
    /// Whether the files are needed.
    is_wanted: Arc<AtomicBool>,
    loaded: mpsc::Receiver<Ready>,
    files: Checkout,
}

/// The files of a pipeline, and what was made of them.
pub(super) type Ready = (PipelineFiles, ReadyPipeline);

/// A commit on its way into a folder, whose files are moved to where a run needs them.
pub(crate) struct Checkout(mpsc::Receiver<Result<Ahead, String>>);

impl Prepared {
    /// Begins, on threads of its own.
    pub(crate) fn start(what: Speculation) -> Self {
        let is_wanted = Arc::new(AtomicBool::new(true));
        let (ready, loaded) = mpsc::sync_channel(1);
        let (checked_out, files) = mpsc::sync_channel(1);
        let (asked, still) = (what.clone(), Arc::clone(&is_wanted));
        // Without a thread, the run does it.
        let _not_prepared = thread::Builder::new().spawn(move || {
            let Ok(update) = asked.update.parse() else { return };
            let objects = Arc::new(GitFolder::with_objects_of(asked.git_dir, asked.quarantine));
            let Ok(files) = objects.pipeline_files(&update) else { return };
            if files.declaring().is_none() {
                return;
            }
            let folder = asked.folder;
            let _one_after_the_other = thread::Builder::new().spawn(move || {
                let ahead = Ahead::check_out(&folder, &objects, (&update, &still));
                let _nobody_waits = checked_out.send(ahead).is_err();
            });
            // The mistakes of a pipeline are found again by the run that shows them.
            if let Ok(made) = Loaded::new(&files, Some(&asked.cache_dir), &Arc::new(VmPulse::new())) {
                let early = EarlyVm::evaluate(&made, asked.vm_memory);
                let _nobody_waits = ready.send((files, (made, early))).is_err();
            }
        });
        Self { what, is_wanted, loaded, files: Checkout(files) }
    }

    /// The same, if it is what the run of an assignment needs.
    pub(crate) fn for_run(self, given: &Assignment) -> Option<Self> {
        self.what.is_for(given).then_some(self)
    }

    /// What says that the files are needed.
    pub(crate) fn is_wanted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_wanted)
    }

    /// The pipeline, unless something is wrong with it or it takes long, and the files.
    pub(super) fn into_parts(self) -> (Option<Ready>, Checkout) {
        (self.loaded.recv_timeout(EVALUATION_PATIENCE).ok(), self.files)
    }

    /// Waits until nothing is left of it. Blocking.
    pub(crate) fn abandon(self) {
        self.is_wanted.store(false, Ordering::Relaxed);
        drop(self.files.0.recv());
    }
}

impl Checkout {
    /// Moves the files to where the run needs them. Gives what its update, which began at the value `old`, is about, if that is
    /// known. Blocking.
    ///
    /// # Errors
    /// They are not there, and have to be written by the run.
    pub(super) fn move_to(self, into: &Path, old: CommitId) -> Result<Option<Pushed>, String> {
        let mut ahead = self.0.recv().map_err(|_| "there is no checkout".to_owned())??;
        let failed = |error: std::io::Error| format!("could not move {}: {error}", ahead.path.display());
        remove_tree(into).map_err(|left| failed(left.into()))?;
        fs::rename(ahead.path.join(FILES), into).map_err(failed)?;
        Ok(ahead.pushed.take().filter(|(from, _)| *from == old).map(|(_, pushed)| pushed))
    }
}

/// A folder with the files of a commit, which is removed with this.
struct Ahead {
    path: PathBuf,
    /// The folder that it is in.
    parent: Folder,
    /// As long as it is held, nobody else removes the folder.
    _lock: LockFile,
    /// What the update is about, and the old value that this depends on.
    pushed: Option<(CommitId, Pushed)>,
}

impl Ahead {
    fn check_out(
        path: &Path,
        objects: &GitFolder,
        (update, is_wanted): (&RefUpdate, &AtomicBool),
    ) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("could not make {}: {error}", path.display());
        // Only its last two names are not those of the operator: no link is followed there.
        let above = path.parent().unwrap_or(path);
        let (name, above_name) =
            (path.file_name().unwrap_or_default(), above.file_name().unwrap_or_default());
        let data = Folder::open(above.parent().unwrap_or(above)).map_err(failed)?;
        let parent = data.make_dirs(above_name, 0o700).map_err(failed)?;
        let folder = parent.make_dirs(name, 0o700).map_err(failed)?;
        let lock = folder.create_new(LOCK, 0o600).and_then(|file| LockFile::from_fd(file.into()));
        let mut ahead = Self { path: path.to_owned(), parent, _lock: lock.map_err(failed)?, pushed: None };
        objects.check_out(update.new, &path.join(FILES), is_wanted)?;
        // What cannot be read then, the run reads again.
        ahead.pushed = objects.pushed(update).ok().map(|pushed| (update.old, pushed));
        Ok(ahead)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Some(name) = self.path.file_name() {
            warn_of(self.parent.remove_tree(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::model::RefName;

    #[test]
    fn what_is_not_a_checkout_of_a_runner_that_is_gone_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (data, elsewhere) = (folder.path().join("data"), folder.path().join("elsewhere"));
        let [gone, held, empty] = ["0123456789abcdef", "0123456789abcde0", "0123456789abcde1"];
        for made in [gone, held, empty, "photos"] {
            fs::create_dir_all(elsewhere.join(made).join("files")).unwrap();
        }
        fs::remove_dir(elsewhere.join(empty).join("files")).unwrap();
        fs::write(elsewhere.join(gone).join(LOCK), "").unwrap();
        let _held = LockFile::try_acquire(&elsewhere.join(held).join(LOCK)).unwrap().unwrap();
        fs::create_dir(&data).unwrap();
        let (data, count) = (DataDir::new(&data), || fs::read_dir(&elsewhere).unwrap().count());
        std::os::unix::fs::symlink(&elsewhere, data.ahead()).unwrap();
        sweep_speculations(&data);
        assert_eq!(count(), 4, "a link was followed");
        let objects = GitFolder::new(folder.path().to_owned());
        let (old, new) = (CommitId::from_bytes([0; 20]), CommitId::from_bytes([1; 20]));
        let update = RefUpdate { ref_name: RefName::parse(b"refs/heads/main").unwrap(), old, new };
        let path = data.ahead().join("0123456789abcde2");
        assert!(Ahead::check_out(&path, &objects, (&update, &AtomicBool::new(true))).is_err());
        assert_eq!(count(), 4, "a link was followed");
        fs::remove_file(data.ahead()).unwrap();
        fs::rename(&elsewhere, data.ahead()).unwrap();
        sweep_speculations(&data);
        let left = |name: &str| data.ahead().join(name).is_dir();
        assert!(left(held) && left("photos") && !left(gone) && !left(empty));
    }

    #[test]
    fn only_a_folder_of_incoming_objects_of_the_repository_is_read() {
        let (data, repo) = (DataDir::new("/data"), RepoName::parse("app").unwrap());
        let (old, new) = (CommitId::from_bytes([0; 20]), CommitId::from_bytes([1; 20]));
        let update = RefUpdate { ref_name: RefName::parse(b"refs/heads/main").unwrap(), old, new };
        let limits = RunLimits::of(&Limits::default());
        let of = |quarantine: &str| Speculation::new((&data, &limits), &repo, &update, quarantine);
        for name in ["", "/", "..", "/etc", "objects", "pack", "x/incoming-1/..", "tmp_objdir-1/pack"] {
            assert_eq!(of(name), None, "{name}");
        }
        let made = of("/elsewhere/objects/tmp_objdir-incoming-a1").unwrap();
        assert_eq!(made.quarantine, Path::new("/data/repos/app.git/objects/tmp_objdir-incoming-a1"));
        assert_eq!(Speculation::decode(&made.encode().unwrap()).unwrap(), made);
        let deletion = RefUpdate { old: new, new: old, ..update.clone() };
        assert_eq!(Speculation::new((&data, &limits), &repo, &deletion, "incoming-1"), None);
    }
}
