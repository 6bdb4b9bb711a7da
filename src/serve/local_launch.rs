//! Runners on this machine: the run's folder is locked, its control socket made, and both are handed to a process with the
//! assignment.

use std::io::{self, Read, Write};
use std::iter;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::launch::{Found, Launch, LaunchError, Launched, Leader, Led, Seen};
use super::run_folder;
use crate::config::DataDir;
use crate::journal::RunRecord;
use crate::model::Progress;
use crate::run::{
    Assignment, CONTROL_SOCKET, InheritedSocket, Lease as _, Pending, RunLock, RunSocket, Speculation,
    sweep_speculations,
};
use crate::store::RunRow;
use crate::sys::children;
use crate::sys::descriptors;
use crate::sys::folder_watches::{FolderWatches, WatchedFolder};
use crate::sys::handover;
use crate::sys::pidfd::{PidFd, wait_any};
use crate::sys::process::{Exit, Pid};
use crate::sys::socket;

/// How long a runner may take to read what it is given.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(5);

/// How long a template may take to copy itself.
const COPY_LIMIT: Duration = Duration::from_secs(1);

/// How long a push may take from its announcement to its run for what was prepared to be of use.
pub(super) const SPECULATION_LIMIT: Duration = Duration::from_secs(2);

/// How long a runner that did not take its run is waited for, once it was killed.
const KILL_LIMIT: Duration = Duration::from_secs(2);

/// How long a runner that has ended stays unreaped.
const REAP_AFTER: Duration = Duration::from_millis(50);

/// How often a journal is read that cannot be watched, and a process looked at that cannot be waited for.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Starts runners on this machine. One waits as a template of the others: to copy it costs less than to start a program.
pub(super) struct LocalLaunch {
    data: DataDir,
    /// The quire binary.
    binary: PathBuf,
    template: Mutex<Option<Runner>>,
    /// What may become the next run.
    speculation: Mutex<Option<Speculating>>,
    /// Made when the first run is followed.
    watches: Mutex<Option<FolderWatches>>,
}

/// A runner that prepares what may become a run, since then.
struct Speculating {
    what: Speculation,
    runner: Runner,
    since: Instant,
}

/// A runner process that waits for its run on a socket.
struct Runner {
    socket: UnixStream,
    process: PidFd,
}

impl LocalLaunch {
    pub(super) fn new(data: DataDir, binary: PathBuf) -> Self {
        Self {
            data,
            binary,
            template: Mutex::default(),
            speculation: Mutex::default(),
            watches: Mutex::default(),
        }
    }

    /// What watches the folders of runs; nothing while that is not possible.
    fn watches(&self) -> Option<FolderWatches> {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        if watches.is_none() {
            let made = FolderWatches::start();
            *watches = made
                .inspect_err(|error| tracing::debug!(%error, "runs cannot be watched; they are looked at"))
                .ok();
        }
        watches.clone()
    }

    /// A runner that this process did not start.
    fn found(&self, process: PidFd, run_dir: PathBuf) -> Led {
        let control = Box::new(RunSocket::new(run_dir.clone()));
        Led { leader: LocalRunner::new(process, run_dir, self.watches()), control }
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
        // One that died while it waited must not make the run fail.
        let waiting = self.prepared_for(given).into_iter();
        let copies = iter::once_with(|| self.copy_template()).flatten();
        match waiting.chain(copies).find_map(|runner| runner.take(given).ok()) {
            Some(taken) => Ok(Some(taken)),
            None => Runner::start(&self.binary)?.take(given).map(Some),
        }
    }

    /// The runner that has prepared this run.
    fn prepared_for(&self, given: &Assignment) -> Option<Runner> {
        let mut speculation = self.speculation.lock().unwrap_or_else(PoisonError::into_inner);
        speculation.take_if(|speculating| speculating.what.is_for(given)).map(|prepared| prepared.runner)
    }

    /// Ends what was prepared and has not become a run for long.
    fn end_speculation(&self) {
        let is_old = |speculating: &mut Speculating| speculating.since.elapsed() >= SPECULATION_LIMIT;
        let old = self.speculation.lock().unwrap_or_else(PoisonError::into_inner).take_if(is_old);
        if let Some(Speculating { runner, .. }) = old {
            runner.dismiss();
        }
        sweep_speculations(&self.data);
    }

    /// A copy of the template; nothing when there is none, or it cannot be copied any more.
    fn copy_template(&self) -> Option<Runner> {
        let mut template = self.template.lock().unwrap_or_else(PoisonError::into_inner);
        match template.as_ref()?.copy() {
            Ok(runner) => Some(runner),
            Err(error) => {
                tracing::warn!(%error, "the template of runners does not answer; another is started");
                template.take()?.end();
                None
            }
        }
    }
}

impl Launch for LocalLaunch {
    fn start(&self, given: &Assignment) -> Result<Launched, LaunchError> {
        let Some((process, socket)) = self.launch(given)? else { return Ok(Launched::Begun) };
        let run_dir = given.place.run_dir.clone();
        let led = match InheritedSocket::new(socket) {
            Ok(control) => {
                Led { leader: LocalRunner::new(process, run_dir, self.watches()), control: Box::new(control) }
            }
            Err(error) => {
                tracing::debug!(%error, "the inherited socket cannot be used; the run's own is");
                self.found(process, run_dir)
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
            return Ok(Found::Led { led: self.found(process, run_dir), has_slot });
        }
        // A step may have destroyed the journal; the index saw the run begin.
        let has_begun = row.state == Progress::Running || has_begun()?;
        Ok(if has_begun { Found::Gone } else { Found::Queued })
    }

    fn prepare(&self) -> Result<(), LaunchError> {
        self.end_speculation();
        let template = || self.template.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dead) = template().take_if(|runner| runner.process.is_dead()) {
            dead.end();
        }
        if template().is_none() {
            let runner = Runner::start(&self.binary)?;
            let limit = Some(COPY_LIMIT);
            runner.socket.set_write_timeout(limit).map_err(LaunchError::Spawn)?;
            runner.socket.set_read_timeout(limit).map_err(LaunchError::Spawn)?;
            *template() = Some(runner);
        }
        Ok(())
    }

    fn speculate(&self, what: &Speculation) {
        let mut speculation = self.speculation.lock().unwrap_or_else(PoisonError::into_inner);
        // One at a time: the machine may have other things to do.
        if speculation.is_some() {
            return;
        }
        let Some(runner) = self.copy_template() else { return };
        match runner.prepare(what) {
            Ok(()) => {
                *speculation = Some(Speculating { what: what.clone(), runner, since: Instant::now() });
            }
            Err(error) => {
                tracing::debug!(%error, "a run is not prepared ahead of time");
                runner.end();
            }
        }
    }

    fn rest(&self) {
        // One that is being copied is not at rest.
        if let Ok(template) = self.template.try_lock()
            && let Some(runner) = &*template
        {
            // One that is gone is noticed when it is needed.
            let _gone = handover::send(&runner.socket, 0, &[]).is_err();
        }
    }
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
                .env_clear()
                .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
                .stdout(Stdio::null())
                .stderr(Stdio::inherit())
                .spawn()?;
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let pid = pid.ok_or_else(|| io::Error::other("the runner has no process id"))?;
            Ok((pid, ()))
        };
        let (pid, ()) = children::start(spawn).map_err(LaunchError::Spawn)?;
        // Before it has anything to do.
        descriptors::restore_for(pid).map_err(LaunchError::Spawn)?;
        Self::of(socket, pid).map_err(LaunchError::Spawn)
    }

    /// Has it copied. The copy is a child of this process, too, and waits for its run.
    fn copy(&self) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        let copy = || {
            handover::send(&self.socket, 0, &[theirs.as_fd()])?;
            let mut number = [0; 4];
            (&self.socket).read_exact(&mut number)?;
            let pid = Pid::from_raw(i32::from_be_bytes(number));
            Ok((pid.ok_or_else(|| io::Error::other("it could not be copied"))?, ()))
        };
        let (pid, ()) = children::start(copy)?;
        Self::of(socket, pid)
    }

    fn of(socket: UnixStream, pid: Pid) -> io::Result<Self> {
        let process = PidFd::open(pid)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { socket, process })
    }

    /// Has it prepare what may become its run.
    fn prepare(&self, what: &Speculation) -> io::Result<()> {
        let bytes = what.encode()?;
        self.socket.set_write_timeout(Some(COPY_LIMIT))?;
        handover::send(&self.socket, bytes.len() as u64, &[])?;
        (&self.socket).write_all(&bytes)
    }

    /// Lets it end, without a run.
    fn dismiss(self) {
        // A runner without a socket has nothing to wait for.
        let _gone = self.socket.shutdown(Shutdown::Both).is_err();
        wait_any(&[&self.process], KILL_LIMIT);
        self.end();
    }

    /// Kills it.
    fn end(self) {
        let _gone = self.process.signal(Signal::KILL).is_err();
        wait_any(&[&self.process], KILL_LIMIT);
        children::reap_own(self.process.pid());
    }

    /// Gives the runner its run: the run's lock is held at every moment. One that does not take it is
    /// killed, because it may have the lock.
    fn take(self, given: &Assignment) -> Result<(PidFd, UnixStream), LaunchError> {
        match self.give(given) {
            Ok(()) => Ok((self.process, self.socket)),
            Err(error) => {
                self.end();
                Err(error)
            }
        }
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
    watches: Option<FolderWatches>,
    /// The folder; nothing while it cannot be watched.
    folder: Option<WatchedFolder>,
}

impl LocalRunner {
    fn new(process: PidFd, run_dir: PathBuf, watches: Option<FolderWatches>) -> Box<Self> {
        let process = Arc::new(process);
        let gone = Box::pin(death(Arc::clone(&process)));
        let folder = watch(watches.as_ref(), &run_dir);
        Box::new(Self { process, gone, run_dir, watches, folder })
    }
}

/// Waits for a change in a folder, or for a while when it cannot be watched.
async fn change(folder: &mut Option<WatchedFolder>, run_dir: &Path, watches: Option<&FolderWatches>) {
    match folder {
        Some(watched) => {
            if let Err(error) = watched.changed().await {
                tracing::debug!(%error, path = %run_dir.display(), "a run cannot be watched any more");
                *folder = None;
            }
        }
        None => {
            tokio::time::sleep(LOOK_AGAIN).await;
            *folder = watch(watches, run_dir);
        }
    }
}

impl Leader for LocalRunner {
    fn next(&mut self) -> Pending<'_, Seen> {
        Box::pin(async {
            tokio::select! {
                () = &mut self.gone => Seen::Gone,
                () = change(&mut self.folder, &self.run_dir, self.watches.as_ref()) => Seen::Change,
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
        let exit = self.process.exit();
        if children::is_own(self.process.pid()) {
            reap_later(Arc::clone(&self.process));
        }
        exit.is_some_and(|exit| exit != Exit::Code(0))
    }
}

/// Reaps a runner in a moment. Its last thread may still be leaving the kernel, which would wait for it, on the processor, as
/// long as another process has its turn.
fn reap_later(process: Arc<PidFd>) {
    tokio::spawn(async move {
        tokio::time::sleep(REAP_AFTER).await;
        children::reap_own(process.pid());
    });
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

fn watch(watches: Option<&FolderWatches>, run_dir: &Path) -> Option<WatchedFolder> {
    let watched = watches?.watch(run_dir);
    watched
        .inspect_err(|error| tracing::debug!(%error, "a run cannot be watched; it is looked at instead"))
        .ok()
}
