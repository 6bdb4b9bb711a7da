//! Runners on this machine: the run's folder is locked, its control socket made, and both are handed to a process with the
//! assignment.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;

use super::launch::{Found, Launch, LaunchError, Launched, Leader, Led, Seen};
use super::run_folder;
use crate::config::DataDir;
use crate::journal::RunRecord;
use crate::model::Progress;
use crate::run::{Assignment, CONTROL_SOCKET, InheritedSocket, Lease as _, Pending, RunLock, RunSocket};
use crate::store::RunRow;
use crate::sys::children;
use crate::sys::descriptors;
use crate::sys::handover;
use crate::sys::inotify::Inotify;
use crate::sys::pidfd::{PidFd, wait_any};
use crate::sys::process::{Exit, Pid};
use crate::sys::socket;

/// How long a runner may take to read what it is given.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(5);

/// How long a runner that did not take its run is waited for, once it was killed.
const KILL_LIMIT: Duration = Duration::from_secs(2);

/// How often a journal is read that cannot be watched, and a process looked at that cannot be waited for.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Starts runners on this machine. One is started ahead of time, which costs little.
pub(super) struct LocalLaunch {
    data: DataDir,
    /// The quire binary.
    binary: PathBuf,
    spare: Mutex<Option<Runner>>,
}

/// A runner process that waits for its run on a socket.
struct Runner {
    socket: UnixStream,
    process: PidFd,
}

impl LocalLaunch {
    pub(super) fn new(data: DataDir, binary: PathBuf) -> Self {
        Self { data, binary, spare: Mutex::default() }
    }

    /// Gives a run to a runner, unless it has begun before: the process, and the socket to it.
    pub(super) fn launch(&self, given: &Assignment) -> Result<Option<(PidFd, UnixStream)>, LaunchError> {
        let run_dir = given.place.run_dir.as_path();
        let folder = |source| LaunchError::Folder { path: run_dir.to_owned(), source };
        run_folder::clear_place(run_dir, &given.order.id).map_err(folder)?;
        if RunRecord::may_have_begun(run_dir).map_err(LaunchError::Journal)? {
            return Ok(None);
        }
        run_folder::prepare(run_dir).map_err(folder)?;
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A spare that died while it waited must not make the run fail.
        match spare.map(|runner| runner.take(given)) {
            Some(Ok(taken)) => Ok(Some(taken)),
            Some(Err(_)) | None => Runner::start(&self.binary)?.take(given).map(Some),
        }
    }
}

impl Launch for LocalLaunch {
    fn start(&self, given: &Assignment) -> Result<Launched, LaunchError> {
        let Some((process, socket)) = self.launch(given)? else { return Ok(Launched::Begun) };
        let run_dir = given.place.run_dir.clone();
        let led = match InheritedSocket::new(socket) {
            Ok(control) => Led { leader: LocalRunner::new(process, run_dir), control: Box::new(control) },
            Err(error) => {
                tracing::debug!(%error, "the inherited socket cannot be used; the run's own is");
                found(process, run_dir)
            }
        };
        Ok(Launched::Started(led))
    }

    fn find(&self, row: &RunRow) -> io::Result<Found> {
        let run_dir = self.data.run(&row.repo, row.number);
        let has_begun = || RunRecord::may_have_begun(&run_dir).map_err(io::Error::other);
        let lock = RunLock::of(&run_dir);
        if lock.is_held()? {
            // A runner that has just been given its run writes its id in a moment: its lock is held all the while.
            let Some(process) = lock.runner()? else { return Ok(Found::Hidden) };
            let has_slot = has_begun()?;
            return Ok(Found::Led { led: found(process, run_dir), has_slot });
        }
        // A step may have destroyed the journal; the index saw the run begin.
        let has_begun = row.state == Progress::Running || has_begun()?;
        Ok(if has_begun { Found::Gone } else { Found::Queued })
    }

    fn prepare(&self) -> Result<(), LaunchError> {
        let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare().as_ref().is_none_or(|runner| runner.process.is_dead()) {
            let runner = Runner::start(&self.binary)?;
            *spare() = Some(runner);
        }
        Ok(())
    }
}

/// A runner that this process did not start.
fn found(process: PidFd, run_dir: PathBuf) -> Led {
    let control = Box::new(RunSocket::new(run_dir.clone()));
    Led { leader: LocalRunner::new(process, run_dir), control }
}

impl Runner {
    /// Starts a runner that waits for its run.
    fn start(binary: &Path) -> Result<Self, LaunchError> {
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
        Ok(Self { socket, process })
    }

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
        let lock = RunLock::of(run_dir).claim().map_err(folder)?;
        let lock = lock.ok_or_else(|| LaunchError::Held(run_dir.to_owned()))?.into_fd();
        let control = socket::listen(&run_dir.join(CONTROL_SOCKET)).map_err(folder)?;
        let bytes = given.encode().map_err(LaunchError::Encode)?;
        let descriptors = [lock.as_fd(), control.as_fd()];
        self.socket.set_write_timeout(Some(HAND_OVER_LIMIT)).map_err(LaunchError::HandOver)?;
        handover::send(&self.socket, bytes.len() as u64, &descriptors).map_err(LaunchError::HandOver)?;
        (&self.socket).write_all(&bytes).map_err(LaunchError::HandOver)
    }
}

/// A runner on this machine that has its run.
struct LocalRunner {
    process: Arc<PidFd>,
    gone: Pending<'static, ()>,
    run_dir: PathBuf,
    /// Watches the folder; nothing while that is not possible.
    inotify: Option<Inotify>,
}

impl LocalRunner {
    fn new(process: PidFd, run_dir: PathBuf) -> Box<Self> {
        let process = Arc::new(process);
        let gone = Box::pin(death(Arc::clone(&process)));
        let inotify = watch(&run_dir);
        Box::new(Self { process, gone, run_dir, inotify })
    }

    /// Waits for a change in the folder, or for a while when it cannot be watched.
    async fn change(inotify: &mut Option<Inotify>, run_dir: &Path) {
        match inotify {
            Some(watching) => {
                if let Err(error) = watching.changes().await {
                    tracing::error!(%error, "a run cannot be watched any more");
                    *inotify = None;
                }
            }
            None => {
                tokio::time::sleep(LOOK_AGAIN).await;
                *inotify = watch(run_dir);
            }
        }
    }
}

impl Leader for LocalRunner {
    fn next(&mut self) -> Pending<'_, Seen> {
        Box::pin(async {
            tokio::select! {
                () = &mut self.gone => Seen::Gone,
                () = Self::change(&mut self.inotify, &self.run_dir) => Seen::Change,
            }
        })
    }

    fn kill(&self) {
        if let Err(error) = self.process.signal(Signal::KILL) {
            tracing::error!(%error, pid = %self.process.pid(), "a runner could not be killed");
        }
    }

    /// A runner that has ended its run well exits with 0.
    fn was_killed(&self) -> bool {
        children::reap_own(self.process.pid()).is_some_and(|exit| exit != Exit::Code(0))
    }
}

/// Waits until a process is gone, also when no descriptor is left to wait with.
async fn death(process: Arc<PidFd>) {
    while let Err(error) = process.dead().await {
        if process.is_dead() {
            return;
        }
        tracing::debug!(%error, "a runner cannot be waited for; it is looked at instead");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn watch(run_dir: &Path) -> Option<Inotify> {
    let made = Inotify::new().and_then(|inotify| inotify.watch(run_dir).map(|_| inotify));
    made.inspect_err(|error| tracing::debug!(%error, "a run cannot be watched; it is looked at instead")).ok()
}
