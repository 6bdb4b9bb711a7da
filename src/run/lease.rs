//! The right to lead a run: one process has it at a time, and only that one writes the journal of the run.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::control::Pending;
use crate::journal::JOURNAL;
use crate::sys::lock::{self, LockFile};
use crate::sys::pidfd::PidFd;
use crate::sys::process;

/// How the command line of a runner reads.
const RUNNER: [&[u8]; 2] = [b"quire", b"runner"];

/// How often a runner looks whether its run still has a folder.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Why the right to lead a run was lost, once it is. Whoever has lost it stops, and writes no end.
pub type Lost = Pending<'static, String>;

/// The right to lead one run.
///
/// One claim is there at a time. It is given back when it is dropped, and when the process that has it is gone, however that
/// ends. An implementation whose claims expire renews them by itself until then.
pub(crate) trait Lease: Send + Sync {
    /// What whoever leads the run has.
    type Claim: Send;

    /// Claims the run; `None` while it is claimed.
    ///
    /// # Errors
    /// Whether it is claimed cannot be said.
    fn claim(&self) -> io::Result<Option<Self::Claim>>;

    /// Whether it is claimed.
    ///
    /// # Errors
    /// That cannot be said.
    fn is_held(&self) -> io::Result<bool>;

    /// Waits until a claim is lost.
    fn lost(&self, claim: &Self::Claim) -> Lost;
}

/// The lock in the folder of a run.
#[derive(Debug, Clone)]
pub(crate) struct RunLock {
    run_dir: PathBuf,
}

impl RunLock {
    /// Its name in the folder.
    pub(crate) const NAME: &str = "lock";

    /// The lock of the run in this folder.
    pub(crate) fn of(run_dir: &Path) -> Self {
        Self { run_dir: run_dir.to_owned() }
    }

    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        self.run_dir.join(Self::NAME)
    }

    /// The live runner that holds the lock, as far as its file says. What is written there can be any process: only one that is
    /// a runner is taken for it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn runner(&self) -> io::Result<Option<PidFd>> {
        let Some(pid) = lock::holder_pid(&self.path())? else { return Ok(None) };
        let Some(process) = PidFd::open(pid)? else { return Ok(None) };
        let is_runner = process::has_command(pid, &RUNNER) && !process.is_dead();
        Ok((is_runner && self.is_held()?).then_some(process))
    }
}

impl Lease for RunLock {
    type Claim = LockFile;

    fn claim(&self) -> io::Result<Option<LockFile>> {
        LockFile::try_acquire(&self.path())
    }

    fn is_held(&self) -> io::Result<bool> {
        lock::is_held(&self.path())
    }

    /// A lock is lost with its folder only. What is written then goes nowhere, and no error says so: the journal is open. No
    /// instance of inotify is spent on it, of which an account has few.
    fn lost(&self, _claim: &LockFile) -> Lost {
        let journal = self.run_dir.join(JOURNAL);
        Box::pin(async move {
            loop {
                tokio::time::sleep(LOOK_AGAIN).await;
                if !journal.exists() {
                    return "the run's folder is gone".to_owned();
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::{Arc, Mutex};
    use std::task::Poll;

    use super::*;

    /// A lease in memory: a claim is what is left of it.
    struct MemoryLease(Mutex<std::sync::Weak<()>>);

    impl Lease for MemoryLease {
        type Claim = Arc<()>;

        fn claim(&self) -> io::Result<Option<Arc<()>>> {
            let mut claimed = self.0.lock().unwrap();
            let claim = claimed.upgrade().is_none().then(Arc::default);
            claim.iter().for_each(|claim| *claimed = Arc::downgrade(claim));
            Ok(claim)
        }

        fn is_held(&self) -> io::Result<bool> {
            Ok(self.0.lock().unwrap().upgrade().is_some())
        }

        fn lost(&self, _claim: &Arc<()>) -> Lost {
            Box::pin(std::future::pending())
        }
    }

    /// What every lease promises.
    async fn expect_one_claim(lease: &impl Lease) {
        assert!(!lease.is_held().unwrap());
        let claim = lease.claim().unwrap().unwrap();
        assert!(lease.is_held().unwrap() && lease.claim().unwrap().is_none());
        let mut lost = lease.lost(&claim);
        let is_lost = poll_fn(|context| Poll::Ready(lost.as_mut().poll(context).is_ready())).await;
        assert!(!is_lost && lease.is_held().unwrap());
        drop(claim);
        assert!(!lease.is_held().unwrap() && lease.claim().unwrap().is_some());
    }

    #[tokio::test]
    async fn a_run_is_claimed_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let lock = RunLock::of(folder.path());
        expect_one_claim(&lock).await;
        expect_one_claim(&MemoryLease(Mutex::default())).await;
        // The holder that the file names is no runner.
        lock.claim().unwrap().unwrap().write_own_pid().unwrap();
        assert!(lock.runner().unwrap().is_none());
    }

    #[tokio::test]
    async fn the_lock_of_a_run_is_lost_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let run_dir = folder.path().join("7");
        std::fs::create_dir(&run_dir).unwrap();
        std::fs::write(run_dir.join(JOURNAL), "").unwrap();
        let lock = RunLock::of(&run_dir);
        let claim = lock.claim().unwrap().unwrap();
        let lost = tokio::spawn(lock.lost(&claim));
        // A step can replace the file: the lock is another one's then, and this one is held.
        std::fs::remove_file(lock.path()).unwrap();
        std::fs::remove_dir_all(&run_dir).unwrap();
        assert_eq!(lost.await.unwrap(), "the run's folder is gone");
    }
}
