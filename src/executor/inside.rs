//! The first process of a sandbox: it starts the program, reaps what is left to it, and reports how the program ended.
//!
//! The report is lines on a pipe: `s` the sandbox is made; `f ERRNO` the program could not be started; `c CODE` or
//! `k SIGNAL` it has ended, and `+` when it left processes behind. As the init of its namespace this process ignores TERM,
//! and when it ends, all others of the sandbox are killed by the kernel: so it stays for as long as there are some.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::sys::pidfd::PidFd;
use crate::sys::process::{self, Exit};

/// The word by which the binary knows that it is inside.
pub const WORD: &str = "step-inside";

/// The longest report, in bytes; a longer one is not from quire.
const MAX_REPORT: usize = 64;

/// Leads the program in a sandbox: `FD PROGRAM NAME ARGS…`.
///
/// # Errors
/// The report cannot be written, or the arguments are not such.
#[expect(clippy::disallowed_methods, reason = "inside a sandbox nobody else starts processes")]
pub fn lead(mut args: impl Iterator<Item = OsString>) -> io::Result<()> {
    let fd = args.next().and_then(|fd| fd.to_str()?.parse::<RawFd>().ok()).filter(|fd| *fd > 2);
    let (Some(fd), Some(program), Some(name)) = (fd, args.next(), args.next()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // What the server's session keeps in the kernel's keyrings is not the step's.
    process::leave_keyrings();
    // The program shall not reach the report through this process.
    process::hide_memory()?;
    let mut report: File = process::take_descriptor(fd)?.into();
    report.write_all(b"s\n")?;
    let main = match Command::new(program).arg0(name).args(args).spawn() {
        Ok(child) => child.id(),
        Err(error) => {
            return writeln!(report, "f {}", error.raw_os_error().unwrap_or_default());
        }
    };
    while let Some((pid, exit)) = process::wait_for_child() {
        if u32::try_from(pid.as_raw_pid()) == Ok(main) {
            let left = if process::has_children() { "+" } else { "" };
            match exit {
                Exit::Code(code) => writeln!(report, "c {code} {left}")?,
                Exit::Signal(signal) => writeln!(report, "k {signal} {left}")?,
            }
        }
    }
    Ok(())
}

/// What the first process has said so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing: there may be no sandbox.
    Nothing,
    /// The sandbox is there.
    Made,
    /// The program could not be started.
    Refused { errno: i32 },
    /// The program has ended.
    Ended { exit: Exit, left_some: bool },
}

/// The reading end of the report.
#[derive(Debug)]
pub(super) struct Report {
    pipe: pipe::Receiver,
    seen: Vec<u8>,
}

impl Report {
    pub(super) fn new(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self { pipe: pipe::Receiver::from_owned_fd(pipe)?, seen: Vec::new() })
    }

    /// Waits until the program has ended; when it left nothing behind, until the sandbox has.
    pub(super) async fn ended(&mut self, sandbox: &PidFd) -> io::Result<()> {
        let mut buffer = [0; MAX_REPORT];
        while !matches!(parse(&self.seen), Said::Ended { left_some: true, .. }) {
            match self.pipe.read(&mut buffer).await? {
                0 => return sandbox.dead().await,
                count => self.take(&buffer, count),
            }
        }
        Ok(())
    }

    /// What was said, when nobody says anything any more.
    pub(super) fn last(&mut self) -> Said {
        let mut buffer = [0; MAX_REPORT];
        while let Ok(count @ 1..) = self.pipe.try_read(&mut buffer) {
            self.take(&buffer, count);
        }
        parse(&self.seen)
    }

    fn take(&mut self, buffer: &[u8], count: usize) {
        self.seen.extend(buffer.iter().take(count));
        self.seen.truncate(MAX_REPORT);
    }
}

/// Reads a report; a line counts once it has its end.
fn parse(report: &[u8]) -> Said {
    let text = String::from_utf8_lossy(report);
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    let mut said = Said::Nothing;
    for line in lines {
        let mut words = line.split(' ');
        let (kind, number) = (words.next(), words.next().and_then(|word| word.parse::<i32>().ok()));
        let left_some = words.next() == Some("+");
        said = match (kind, number) {
            (Some("s"), _) => Said::Made,
            (Some("f"), Some(errno)) => Said::Refused { errno },
            (Some("c"), Some(code)) => Said::Ended { exit: Exit::Code(code), left_some },
            (Some("k"), Some(signal)) => Said::Ended { exit: Exit::Signal(signal), left_some },
            (_, _) => said,
        };
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_its_last_whole_line_says() {
        let ended = |exit, left_some| Said::Ended { exit, left_some };
        for (report, said) in [
            ("", Said::Nothing),
            ("s", Said::Nothing),
            ("s\n", Said::Made),
            ("s\nc 7 ", Said::Made),
            ("s\nc 7 \n", ended(Exit::Code(7), false)),
            ("s\nk 15 +\n", ended(Exit::Signal(15), true)),
            ("s\nf 2\n", Said::Refused { errno: 2 }),
            ("s\nx y\n", Said::Made),
        ] {
            assert_eq!(parse(report.as_bytes()), said, "{report:?}");
        }
    }
}
