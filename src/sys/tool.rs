//! Asking a program of the machine something: with a deadline, a limit on what it says, and nothing on its input.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::pidfd::{PidFd, wait_any};

/// The most of each stream that is kept, in bytes.
const MAX_SAID: u64 = 64 * 1024;

/// What a program said, and whether it was content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Whether it exited with 0.
    pub is_ok: bool,
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub complaint: String,
}

/// Runs a program that is found in `PATH`, to its end or to the deadline, at which its process group is killed.
///
/// # Errors
/// When there is no such program, it could not be started, or it did not end in time.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn ask<A: AsRef<OsStr>>(program: &str, args: &[A], deadline: Duration) -> io::Result<Said> {
    // Files instead of pipes: no reader can be the reason that the program waits.
    let (mut output, mut complaint) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut child = Command::new(program)
        .args(args)
        .env("LC_ALL", "C.UTF-8")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(complaint.try_clone()?)
        .spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    let in_time = match PidFd::open(pid) {
        Ok(Some(process)) => wait_any(&[process], deadline),
        Ok(None) => true,
        Err(error) => {
            child.kill()?;
            child.wait()?;
            return Err(error);
        }
    };
    if !in_time {
        // It may have ended by now, which is as good: it is not reaped, so the number is still its own.
        let _gone = kill_process_group(pid, Signal::KILL).is_err();
    }
    let status = child.wait()?;
    if !in_time {
        return Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {} s", deadline.as_secs()),
        ));
    }
    Ok(Said { is_ok: status.success(), output: read(&mut output)?, complaint: read(&mut complaint)? })
}

fn read(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(MAX_SAID).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_answer_fail_hang_and_are_missing() {
        let sh = |text: &str, millis| ask("sh", &["-c", text], Duration::from_millis(millis));
        let said = sh("echo out; echo err >&2; exit 3", 40_000).unwrap();
        assert_eq!((said.is_ok, said.output.as_str(), said.complaint.as_str()), (false, "out", "err"));
        assert_eq!(sh("sleep 60", 20).unwrap_err().kind(), io::ErrorKind::TimedOut);
        let missing = ask("quire-no-such-program", &[""; 0], Duration::from_secs(1)).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
