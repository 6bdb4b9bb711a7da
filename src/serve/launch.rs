//! Starts runners: locks the run's folder, makes its control socket, and hands both over with the spec.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::run_folder;
use crate::journal::{JournalReadError, RunRecord};
use crate::run::{Assignment, CONTROL_SOCKET};
use crate::sys::children;
use crate::sys::descriptors;
use crate::sys::handover;
use crate::sys::lock::LockFile;
use crate::sys::pidfd::{PidFd, wait_any};
use crate::sys::process::Pid;
use crate::sys::socket;

/// Why a run has no runner.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaunchError {
    /// The run's folder could not be prepared.
    #[error("could not prepare the folder of the run {path}")]
    Folder { path: PathBuf, source: io::Error },
    /// Another process holds the run's lock.
    #[error("another process leads the run in {0}")]
    Held(PathBuf),
    /// The process could not be started.
    #[error("could not start a runner")]
    Spawn(#[source] io::Error),
    /// It did not take its run.
    #[error("could not hand the run to its runner")]
    HandOver(#[source] io::Error),
    /// What an earlier attempt has written cannot be read.
    #[error(transparent)]
    Journal(JournalReadError),
    /// The spec cannot be sent.
    #[error("could not describe the run")]
    Encode(#[source] serde_json::Error),
}

/// How long a runner may take to read what it is given.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(5);

/// How long a runner that did not take its run is waited for, once it was killed.
const KILL_LIMIT: Duration = Duration::from_secs(2);

impl LaunchError {
    /// Whether another attempt may succeed: everything but a run that cannot be described.
    pub(super) fn is_for_now(&self) -> bool {
        match self {
            Self::Folder { .. } | Self::Held(_) | Self::Spawn(_) | Self::HandOver(_) | Self::Journal(_) => {
                true
            }
            Self::Encode(_) => false,
        }
    }
}

/// What became of a run that was to get a runner.
#[derive(Debug)]
pub(super) enum Launched {
    /// It has one: the process, and the socket to it.
    Started(PidFd, UnixStream),
    /// Its journal says that it has begun before, so it must not begin again.
    Begun,
}

/// A runner process that waits for its run on a socket.
#[derive(Debug)]
pub(super) struct Runner {
    socket: UnixStream,
    pub(super) process: PidFd,
}

/// Starts a runner that waits for its run. It costs little, so one is started ahead of time.
pub(super) fn start_runner(binary: &Path) -> Result<Runner, LaunchError> {
    let (socket, theirs) = UnixStream::pair().map_err(LaunchError::Spawn)?;
    let spawn = || {
        #[expect(clippy::disallowed_methods, reason = "the one place that starts runners")]
        let mut command = Command::new(binary);
        let child = command
            .arg0("quire")
            .arg("runner")
            .current_dir("/")
            .env_clear()
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .process_group(0)
            .spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the runner has no process id"))?;
        Ok((pid, ()))
    };
    let (pid, ()) = children::start(spawn).map_err(LaunchError::Spawn)?;
    // Before it has anything to do.
    descriptors::restore_for(pid).map_err(LaunchError::Spawn)?;
    let process = PidFd::open(pid).map_err(LaunchError::Spawn)?;
    let process = process.ok_or_else(|| LaunchError::Spawn(io::ErrorKind::NotFound.into()))?;
    Ok(Runner { socket, process })
}

/// Gives a run to the spare runner, or to a new one. Blocking.
pub(super) fn launch(
    spare: Option<Runner>,
    binary: &Path,
    given: &Assignment,
) -> Result<Launched, LaunchError> {
    let run_dir = given.place.run_dir.as_path();
    let folder = |source| LaunchError::Folder { path: run_dir.to_owned(), source };
    run_folder::clear_place(run_dir, &given.order.id).map_err(folder)?;
    if RunRecord::may_have_begun(run_dir).map_err(LaunchError::Journal)? {
        return Ok(Launched::Begun);
    }
    run_folder::prepare(run_dir).map_err(folder)?;
    // A spare that died while it waited must not make the run fail.
    let taken = match spare.map(|runner| runner.take(given)) {
        Some(Ok(taken)) => Ok(taken),
        Some(Err(_)) | None => start_runner(binary)?.take(given),
    };
    taken.map(|(process, socket)| Launched::Started(process, socket))
}

impl Runner {
    /// Gives the runner its run: the run's lock is held at every moment. One that does not take it is
    /// killed, because it may have the lock.
    fn take(self, given: &Assignment) -> Result<(PidFd, UnixStream), LaunchError> {
        let taken = self.give(given);
        if taken.is_err() {
            let _gone = self.process.signal(Signal::KILL).is_err();
            wait_any(&[&self.process], KILL_LIMIT);
        }
        taken.map(|()| (self.process, self.socket))
    }

    fn give(&self, given: &Assignment) -> Result<(), LaunchError> {
        let run_dir = given.place.run_dir.as_path();
        let folder = |source| LaunchError::Folder { path: run_dir.to_owned(), source };
        let lock = LockFile::try_acquire(&run_dir.join("lock")).map_err(folder)?;
        let lock = lock.ok_or_else(|| LaunchError::Held(run_dir.to_owned()))?.into_fd();
        let control = socket::listen(&run_dir.join(CONTROL_SOCKET)).map_err(folder)?;
        let bytes = given.encode().map_err(LaunchError::Encode)?;
        let descriptors = [lock.as_fd(), control.as_fd()];
        self.socket.set_write_timeout(Some(HAND_OVER_LIMIT)).map_err(LaunchError::HandOver)?;
        handover::send(&self.socket, bytes.len() as u64, &descriptors).map_err(LaunchError::HandOver)?;
        (&self.socket).write_all(&bytes).map_err(LaunchError::HandOver)
    }
}
