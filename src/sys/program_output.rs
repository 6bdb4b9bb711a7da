//! A program that is run to its end for its answer: with a deadline, and a limit on what it may say.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, kill_process_group};

use super::process::Exit;
use super::spawn::{Child, Launch, spawn};

/// How a program has ended.
#[derive(Debug)]
pub struct Answer {
    /// Its exit; nothing when it did not end in time and was killed.
    pub exit: Option<Exit>,
    /// The first bytes of its standard output.
    pub stdout: Vec<u8>,
    /// The first bytes of its standard error.
    pub stderr: Vec<u8>,
}

/// Runs a program in a session of its own and waits until it has ended; at the deadline it is killed, and at the end
/// what is left of its group. Of each output `most` bytes are kept, and the rest is read and forgotten. Blocking.
///
/// # Errors
/// When it cannot be started or followed.
pub fn answer(launch: Launch<'_>, deadline: Duration, most: usize) -> io::Result<Answer> {
    let end = Instant::now() + deadline;
    let mut child = spawn(launch)?;
    let outputs = child.outputs.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let followed = follow(&child, outputs, end, most);
    // Also what it left behind when it ended by itself; its number is kept until it is reaped.
    let _gone = kill_process_group(child.pid(), Signal::KILL);
    if !matches!(followed, Ok((true, _))) {
        let mut ended = [PollFd::new(&child.process, PollFlags::IN)];
        while poll(&mut ended, None) == Err(rustix::io::Errno::INTR) {}
    }
    let exit = child.reap();
    let (in_time, [stdout, stderr]) = followed?;
    Ok(Answer { exit: exit.filter(|_| in_time), stdout, stderr })
}

/// Reads until the process has ended and its pipes are empty, or the time is over.
fn follow(
    child: &Child,
    outputs: [OwnedFd; 2],
    end: Instant,
    most: usize,
) -> io::Result<(bool, [Vec<u8>; 2])> {
    for output in &outputs {
        rustix::io::ioctl_fionbio(output, true)?;
    }
    let mut pipes = outputs.map(|output| Some(File::from(output)));
    let mut kept = [Vec::new(), Vec::new()];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let ended = {
            let mut fds = vec![PollFd::new(&child.process, PollFlags::IN)];
            fds.extend(
                pipes.iter().flatten().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)),
            );
            match poll(&mut fds, Some(&timespec(left))) {
                Ok(0) => return Ok((false, kept)),
                Ok(_) => fds.first().is_some_and(|process| !process.revents().is_empty()),
                Err(rustix::io::Errno::INTR) => false,
                Err(error) => return Err(error.into()),
            }
        };
        for (pipe, kept) in pipes.iter_mut().zip(&mut kept) {
            if !drain(pipe.as_mut(), kept, most)? {
                *pipe = None;
            }
        }
        if ended {
            return Ok((true, kept));
        }
        if left.is_zero() {
            return Ok((false, kept));
        }
    }
}

/// Reads what is there; whether more can come.
fn drain(pipe: Option<&mut File>, kept: &mut Vec<u8>, most: usize) -> io::Result<bool> {
    let Some(pipe) = pipe else { return Ok(false) };
    let mut buffer = [0; 8192];
    // A program that never stops writing must not keep its reader from the clock.
    for _ in 0..64 {
        match pipe.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => {
                let room = most.saturating_sub(kept.len()).min(count);
                kept.extend_from_slice(buffer.get(..room).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn sh(script: &str, deadline: Duration) -> Answer {
        let args = vec!["sh".into(), "-c".into(), script.into()];
        let launch = Launch {
            program: "/bin/sh".into(),
            args,
            env: vec![("PATH".as_ref(), "/usr/bin:/bin".as_ref())],
            cwd: Path::new("/"),
            has_input: false,
            cgroup: None,
            transition: None,
            kept: None,
        };
        answer(launch, deadline, 10).unwrap()
    }

    #[test]
    fn a_program_answers_with_exit_and_outputs() {
        let said = sh("echo yes; echo no >&2; exit 3", Duration::from_secs(20));
        assert_eq!(
            (said.exit.map(Exit::code), said.stdout, said.stderr),
            (Some(3), b"yes\n".into(), b"no\n".into())
        );
        let said = sh("head -c 1000000 /dev/zero; echo end >&2", Duration::from_secs(20));
        assert_eq!(
            (said.exit.map(Exit::code), said.stdout, said.stderr),
            (Some(0), vec![0; 10], b"end\n".into())
        );
    }

    #[test]
    fn one_that_hangs_is_killed_with_its_children() {
        let said = sh("echo begun; sleep 600 & sleep 600", Duration::from_millis(1000));
        assert_eq!((said.exit, said.stdout), (None, b"begun\n".into()));
        let said = sh("yes", Duration::from_millis(50));
        assert_eq!((said.exit, said.stdout.len()), (None, 10));
    }
}
