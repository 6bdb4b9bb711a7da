//! Processes held by descriptor: a signal sent through one cannot reach a later process with the same number.

use std::borrow::Borrow;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::process::Exit;

/// One process, whatever happens to its number.
#[derive(Debug)]
pub(crate) struct PidFd {
    pid: Pid,
    fd: OwnedFd,
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl PidFd {
    /// Opens a process; `None` when no process has this number.
    ///
    /// # Errors
    /// The system has no descriptors left, or no pidfds.
    pub(crate) fn open(pid: Pid) -> io::Result<Option<Self>> {
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(Self { pid, fd })),
            Err(Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal; `false` when the process is gone.
    ///
    /// # Errors
    /// The process belongs to another user.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<bool> {
        match pidfd_send_signal(&self.fd, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the process has ended, reaped or not.
    pub(crate) fn is_dead(&self) -> bool {
        wait_any(&[self], Duration::ZERO)
    }

    /// Whether the process is a child that a signal has killed and that is not reaped.
    pub(crate) fn was_killed(&self) -> bool {
        matches!(self.exit(), Some(Exit::Signal(_)))
    }

    /// How the process has ended, if it is a child and is not reaped.
    pub(crate) fn exit(&self) -> Option<Exit> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::PidFd(self.fd.as_fd()), options).ok()??;
        let code = status.exit_status().map(Exit::Code);
        code.or_else(|| status.terminating_signal().map(Exit::Signal))
    }

    /// Reaps the process, if it is a child and has ended; says whether.
    pub(crate) fn reap(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        matches!(waitid(WaitId::PidFd(self.fd.as_fd()), options), Ok(Some(_)))
    }

    /// Waits until the process has ended, reaped or not. Nothing is left behind when cancelled.
    ///
    /// # Errors
    /// The descriptor could not be watched.
    #[expect(deprecated, reason = "its successor is unsafe; a borrowed descriptor keeps that one's promise")]
    pub(crate) async fn dead(&self) -> io::Result<()> {
        let watched = AsyncFd::with_interest(self.fd.as_fd(), Interest::READABLE)?;
        let _ready = watched.readable().await?;
        Ok(())
    }
}

/// Blocks until one of the processes has ended, at most for `limit`; says whether one has.
pub(crate) fn wait_any<P: Borrow<PidFd>>(processes: &[P], limit: Duration) -> bool {
    let fds = processes.iter().map(|process| PollFd::new(&process.borrow().fd, PollFlags::IN));
    let mut fds: Vec<_> = fds.collect();
    let limit = Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    matches!(poll(&mut fds, Some(&limit)), Ok(ended) if ended > 0)
}

/// Blocks until all of the processes have ended, at most for `limit`; returns those still running.
pub(crate) fn wait_all<P: Borrow<PidFd>>(mut processes: Vec<P>, limit: Duration) -> Vec<P> {
    let started = Instant::now();
    loop {
        processes.retain(|process| !process.borrow().is_dead());
        let left = limit.saturating_sub(started.elapsed());
        if processes.is_empty() || left.is_zero() {
            return processes;
        }
        wait_any(&processes, left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::own_pid;

    #[test]
    fn a_live_process_is_distinguished_from_a_missing_one() {
        assert!(!PidFd::open(own_pid()).unwrap().unwrap().is_dead());
        // Above the largest possible pid_max.
        assert!(PidFd::open(Pid::from_raw(1 << 30).unwrap()).unwrap().is_none());
    }
}
