//! The output of a program that is read while it runs. Nothing of it is kept: a reader that stops reading stops the program.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, kill_process_group};

use super::pidfd::PidFd;
use super::program::{reap, timespec};

/// The standard output of a program. The program is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct ProgramOutput {
    process: PidFd,
    pipe: File,
    end: Instant,
    is_reaped: bool,
}

impl ProgramOutput {
    /// The output of a process that was just started, which has this much time.
    pub(super) fn new(process: PidFd, pipe: OwnedFd, time: Duration) -> Self {
        Self { process, pipe: pipe.into(), end: Instant::now() + time, is_reaped: false }
    }

    /// Reads at most this many bytes; none at the end of a program that has succeeded. Blocking.
    ///
    /// # Errors
    /// The program has failed, or its time is over.
    pub(crate) fn read(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(most);
        while bytes.len() < most && !self.is_reaped {
            let left = self.end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let mut fds = [PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::IN)];
            match poll(&mut fds, Some(&timespec(left))) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            let begun = bytes.len();
            bytes.resize(most, 0);
            // A pipe that is ready gives what it has.
            let count = self.pipe.read(bytes.get_mut(begun..).unwrap_or_default());
            bytes.truncate(begun + *count.as_ref().unwrap_or(&0));
            if count? == 0 {
                self.finish()?;
                break;
            }
        }
        Ok(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.is_reaped = true;
        let exit = reap(&self.process);
        if exit.code() == 0 { Ok(()) } else { Err(io::Error::other(format!("exit code {}", exit.code()))) }
    }
}

impl Drop for ProgramOutput {
    fn drop(&mut self) {
        if !self.is_reaped {
            // Its leader is not reaped yet, so the number is still this group's.
            let _gone = kill_process_group(self.process.pid(), Signal::KILL);
            let _exit = reap(&self.process);
        }
    }
}
