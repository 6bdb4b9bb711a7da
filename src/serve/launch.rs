//! Starts runners: locks the run's folder, makes its control socket, and hands both over with the spec.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{CONTROL_SOCKET, RunSpec};
use crate::sys::children;
use crate::sys::descriptors;
use crate::sys::handover;
use crate::sys::lock::LockFile;
use crate::sys::pidfd::PidFd;
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
    /// The spec cannot be sent.
    #[error("could not describe the run")]
    Encode(#[source] serde_json::Error),
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

impl Runner {
    /// Gives the runner its run: there is no moment without a holder of the run's lock.
    pub(super) fn take(self, spec: &RunSpec) -> Result<PidFd, LaunchError> {
        let run_dir = Path::new(&spec.run_dir);
        let folder = |source| LaunchError::Folder { path: run_dir.to_owned(), source };
        fs::create_dir_all(run_dir).map_err(folder)?;
        let lock = LockFile::try_acquire(&run_dir.join("lock")).map_err(folder)?;
        let lock = lock.ok_or_else(|| LaunchError::Held(run_dir.to_owned()))?.into_fd();
        let control = socket::listen(&run_dir.join(CONTROL_SOCKET)).map_err(folder)?;
        let bytes = spec.encode().map_err(LaunchError::Encode)?;
        let descriptors = [lock.as_fd(), control.as_fd()];
        handover::send(&self.socket, bytes.len() as u64, &descriptors).map_err(LaunchError::HandOver)?;
        (&self.socket).write_all(&bytes).map_err(LaunchError::HandOver)?;
        Ok(self.process)
    }
}
