//! Runs a program to its end and returns its output: with a deadline, a limit for each output, and its process group
//! killed when it has to end.
//!
//! The one way to run git, a container engine, cosign and the tools that `quire doctor` runs. Steps are not started here:
//! they have a session, a cgroup and an executor ([`super::spawn`]).

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};

use super::cancel_signal::CancelSignal;
use super::children;
use super::pidfd::{PidFd, wait_any};
use super::process::Exit;
use super::program_output::ProgramOutput;

/// The most of each output that [`Program::ask`] keeps, in bytes.
const MAX_REPLY: usize = 64 << 10;

/// How many reads of one output are made between two looks at the clock.
const MAX_READS: usize = 64;

/// What happens to an output of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// This many bytes are kept; the rest is read and dropped.
    Head(usize),
    /// All of it is kept; a program that writes more than this many bytes is killed.
    AtMost(usize),
    /// All of it is kept in a file without a name. Only for standard output.
    File,
}

/// What a program may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgramLimits<'a> {
    /// From its start to its end.
    pub(crate) time: Duration,
    /// Its standard output.
    pub(crate) stdout: Keep,
    /// Its standard error.
    pub(crate) stderr: Keep,
    /// Bytes of any one file that it or its children write.
    pub(crate) file_bytes: Option<u64>,
    /// Bytes of memory that each of its processes may map.
    pub(crate) memory_bytes: Option<u64>,
    /// Whether it is killed when the thread that started it ends. A program without this starts faster.
    pub(crate) ends_with_caller: bool,
    /// Whether processes of its group that outlive it are killed.
    pub(crate) kills_leftovers: bool,
    /// Kills it when the other end is dropped.
    pub(crate) cancel: Option<&'a CancelSignal>,
}

impl ProgramLimits<'_> {
    /// A deadline, and the first bytes of both outputs.
    pub(crate) fn new(time: Duration, head: usize) -> Self {
        let keep = Keep::Head(head);
        ProgramLimits {
            time,
            stdout: keep,
            stderr: keep,
            file_bytes: None,
            memory_bytes: None,
            ends_with_caller: false,
            kills_leftovers: true,
            cancel: None,
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProgramEnd {
    /// By itself, or by a signal that quire did not send.
    Exited(Exit),
    /// It was killed at its deadline.
    TimedOut,
    /// It was killed because it wrote more than [`Keep::AtMost`].
    TooMuchOutput,
    /// It was killed because its work was cancelled.
    Cancelled,
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) end: ProgramEnd,
    /// What was kept of its standard output; empty with [`Keep::File`].
    pub(crate) stdout: Vec<u8>,
    /// What was kept of its standard error.
    pub(crate) stderr: Vec<u8>,
    /// Its standard output with [`Keep::File`], at its start.
    pub(crate) file: Option<File>,
}

impl Finished {
    /// Its standard error as text, without white space around it.
    pub(crate) fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }
}

/// The output of a program that was run by [`Program::ask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Whether it exited with 0.
    pub(crate) is_ok: bool,
    /// Its standard output as text, without white space around it.
    pub(crate) stdout: String,
    /// Its standard error, likewise.
    pub(crate) stderr: String,
}

/// A program that can be run, in a process group of its own.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    input: Vec<u8>,
}

impl Program {
    /// A program by its path, or by a name that is searched in `PATH`, with the environment of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that does it")]
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.process_group(0);
        Self { command, input: Vec::new() }
    }

    /// Adds arguments.
    #[must_use]
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Empties the environment.
    #[must_use]
    pub(crate) fn clean(mut self) -> Self {
        self.command.env_clear();
        self
    }

    /// Sets variables.
    #[must_use]
    pub(crate) fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.command.envs(variables);
        self
    }

    /// Removes variables.
    #[must_use]
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        for name in names {
            self.command.env_remove(name);
        }
        self
    }

    /// Starts it in this folder.
    #[must_use]
    pub(crate) fn cwd(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Gives it these bytes on its standard input, which is empty otherwise.
    #[must_use]
    pub(crate) fn input(mut self, bytes: &[u8]) -> Self {
        self.input = bytes.to_vec();
        self
    }

    /// Asks a program of this machine for information: the beginning of both outputs, as text.
    ///
    /// # Errors
    /// It was not found, could not be started, or was killed at its deadline.
    pub(crate) fn ask(self, deadline: Duration) -> io::Result<Reply> {
        let limits = ProgramLimits { kills_leftovers: false, ..ProgramLimits::new(deadline, MAX_REPLY) };
        let finished = self.envs([("LC_ALL", "C.UTF-8")]).run(&limits)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match finished.end {
            ProgramEnd::Exited(exit) => Ok(Reply {
                is_ok: exit.code() == 0,
                stdout: text(&finished.stdout),
                stderr: text(&finished.stderr),
            }),
            ProgramEnd::TimedOut | ProgramEnd::TooMuchOutput | ProgramEnd::Cancelled => {
                let message = format!("timed out after {} s", deadline.as_secs());
                Err(io::Error::new(io::ErrorKind::TimedOut, message))
            }
        }
    }

    /// Runs it to its end within limits. Blocking.
    ///
    /// # Errors
    /// It could not be started or waited for.
    pub(crate) fn run(mut self, limits: &ProgramLimits<'_>) -> io::Result<Finished> {
        self.command.stdin(self.stdin()?);
        let mut file = None;
        let stdout = if limits.stdout == Keep::File {
            let kept = file.insert(tempfile::tempfile()?);
            self.command.stdout(kept.try_clone()?);
            Output::closed()
        } else {
            let (ours, theirs) = io::pipe()?;
            self.command.stdout(theirs);
            Output::new(ours.into(), limits.stdout)?
        };
        let (ours, theirs) = io::pipe()?;
        self.command.stderr(theirs);
        let mut outputs = [stdout, Output::new(ours.into(), limits.stderr)?];
        if limits.ends_with_caller {
            tie(&mut self.command);
        }
        let process = self.start()?;
        // Before it has a child, or anything to write.
        limit(&process, Resource::Fsize, limits.file_bytes);
        limit(&process, Resource::As, limits.memory_bytes);
        // The writing ends that are still open here.
        drop(self);
        let followed = follow(&process, &mut outputs, limits);
        if limits.kills_leftovers || !matches!(followed, Ok(None)) {
            // Its leader is not reaped yet, so the number is still this group's.
            let _gone = kill_process_group(process.pid(), Signal::KILL);
        }
        let exit = reap(&process);
        let [stdout, stderr] = outputs.map(|output| output.bytes);
        if let Some(file) = &mut file {
            file.rewind()?;
        }
        Ok(Finished { end: followed?.unwrap_or(ProgramEnd::Exited(exit)), stdout, stderr, file })
    }

    /// A file instead of a pipe: no thread is needed to feed it.
    fn stdin(&self) -> io::Result<Stdio> {
        if self.input.is_empty() {
            return Ok(Stdio::null());
        }
        let mut stdin = tempfile::tempfile()?;
        stdin.write_all(&self.input)?;
        stdin.rewind()?;
        Ok(stdin.into())
    }

    /// Starts it and returns its standard output, which is read while it runs. Its standard error is dropped.
    ///
    /// # Errors
    /// It could not be started.
    pub(crate) fn stream(mut self, time: Duration, memory_bytes: u64) -> io::Result<ProgramOutput> {
        self.command.stdin(self.stdin()?).stderr(Stdio::null());
        let (ours, theirs) = io::pipe()?;
        self.command.stdout(theirs);
        let process = self.start()?;
        limit(&process, Resource::As, Some(memory_bytes));
        Ok(ProgramOutput::new(process, ours.into(), time))
    }

    fn start(&mut self) -> io::Result<PidFd> {
        let (_, process) = children::start(|| {
            let child = self.command.spawn()?;
            let pid =
                i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
            // A child keeps its number until it is reaped, and only `reap_own` reaps it.
            let process = PidFd::open(pid)?.ok_or(io::ErrorKind::NotFound)?;
            Ok((pid, process))
        })?;
        Ok(process)
    }
}

/// Sets a limit of a program that has just been started. One that has ended already needs none.
fn limit(process: &PidFd, resource: Resource, bytes: Option<u64>) {
    if let Some(bytes) = bytes {
        let most = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        let _ended = prlimit(Some(process.pid()), resource, most).is_err();
    }
}

/// Waits for the end of a process that was started here.
pub(super) fn reap(process: &PidFd) -> Exit {
    loop {
        if let Some(exit) = children::reap_own(process.pid()) {
            return exit;
        }
        wait_any(&[process], Duration::from_secs(1));
    }
}

/// Makes the process end with the thread that starts it.
#[expect(unsafe_code, reason = "the signal is chosen between fork and exec")]
fn tie(command: &mut Command) {
    let enter = || Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?);
    // SAFETY: the closure makes one system call: it neither allocates nor takes a lock.
    unsafe { command.pre_exec(enter) };
}

/// One output of a process, and what is kept of it.
struct Output {
    pipe: Option<File>,
    bytes: Vec<u8>,
    keep: Keep,
}

impl Output {
    fn new(pipe: OwnedFd, keep: Keep) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Self { pipe: Some(pipe.into()), bytes: Vec::new(), keep })
    }

    fn closed() -> Self {
        Self { pipe: None, bytes: Vec::new(), keep: Keep::File }
    }

    /// Reads what is available; false when it exceeds the limit.
    fn read(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 8192];
        // A program that never stops writing must not keep its reader from checking the clock.
        for _ in 0..MAX_READS {
            let Some(pipe) = &mut self.pipe else { return Ok(true) };
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    let most = match self.keep {
                        Keep::AtMost(most) if self.bytes.len() + count > most => return Ok(false),
                        Keep::AtMost(most) | Keep::Head(most) => most,
                        Keep::File => 0,
                    };
                    let room = most.saturating_sub(self.bytes.len()).min(count);
                    self.bytes.extend(buffer.iter().take(room));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Reads until the process has ended, or until it has to be killed; returns why.
fn follow(
    process: &PidFd,
    outputs: &mut [Output; 2],
    limits: &ProgramLimits<'_>,
) -> io::Result<Option<ProgramEnd>> {
    let end = Instant::now() + limits.time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut fds = vec![PollFd::new(process, PollFlags::IN)];
        let pipes = outputs.iter().filter_map(|output| output.pipe.as_ref());
        fds.extend(pipes.map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
        fds.extend(limits.cancel.map(|cancel| PollFd::new(cancel, PollFlags::IN)));
        match poll(&mut fds, Some(&timespec(left))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
        let has_ended = is_ready(fds.first());
        let is_cancelled = limits.cancel.is_some() && is_ready(fds.last());
        for output in &mut *outputs {
            if !output.read()? {
                return Ok(Some(ProgramEnd::TooMuchOutput));
            }
        }
        if has_ended {
            return Ok(None);
        }
        if is_cancelled {
            return Ok(Some(ProgramEnd::Cancelled));
        }
        if left.is_zero() {
            return Ok(Some(ProgramEnd::TimedOut));
        }
    }
}

pub(super) fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::cancel_signal::cancel_pair;

    const LONG: Duration = Duration::from_secs(30);

    fn sh(script: &str) -> Program {
        Program::new("sh").args(["-c", script])
    }

    fn head(script: &str, time: Duration) -> (Option<i32>, Vec<u8>, Vec<u8>) {
        let done = sh(script).run(&ProgramLimits::new(time, 10)).unwrap();
        let exit = if let ProgramEnd::Exited(exit) = done.end { Some(exit.code()) } else { None };
        (exit, done.stdout, done.stderr)
    }

    fn strict(script: &str, time: Duration) -> ProgramEnd {
        let (stdout, stderr) = (Keep::AtMost(4096), Keep::AtMost(4096));
        let limits = ProgramLimits {
            stdout,
            stderr,
            file_bytes: Some(8192),
            ends_with_caller: true,
            ..ProgramLimits::new(time, 0)
        };
        sh(script).run(&limits).unwrap().end
    }

    #[test]
    fn a_program_answers_with_exit_and_outputs() {
        assert_eq!(head("echo yes; echo no >&2; exit 3", LONG), (Some(3), b"yes\n".into(), b"no\n".into()));
        let loud = head("head -c 1000000 /dev/zero; echo end >&2", LONG);
        assert_eq!(loud, (Some(0), vec![0; 10], b"end\n".into()));
        let reply = sh("echo out; echo err >&2; exit 3").ask(LONG).unwrap();
        assert_eq!((reply.is_ok, &*reply.stdout, &*reply.stderr), (false, "out", "err"));
        let missing = Program::new("quire-no-such-program").ask(LONG).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn input_and_a_file_of_output_are_passed_through() {
        let limits = ProgramLimits { stdout: Keep::File, ..ProgramLimits::new(LONG, 10) };
        let done = Program::new("cat").input(&[b'x'; 100_000]).run(&limits).unwrap();
        let mut text = Vec::new();
        done.file.unwrap().read_to_end(&mut text).unwrap();
        assert_eq!((text, done.stdout), (vec![b'x'; 100_000], Vec::new()));
        let done = Program::new("cat").run(&ProgramLimits::new(LONG, 10)).unwrap();
        assert_eq!(done.stdout, b"");
    }

    #[test]
    fn a_hanging_program_is_killed_with_its_children() {
        assert_eq!(
            head("echo begun; sleep 600 & sleep 600", Duration::from_millis(1000)),
            (None, b"begun\n".into(), Vec::new())
        );
        assert_eq!(head("yes", Duration::from_millis(50)).0, None);
        let hung = sh("sleep 60").ask(Duration::from_millis(20)).unwrap_err();
        assert_eq!(hung.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_program_that_hangs_floods_or_fills_the_disk_is_killed() {
        let exit =
            |end| if let ProgramEnd::Exited(exit) = end { Some((exit.code(), exit.signal())) } else { None };
        assert_eq!(exit(strict("echo why >&2; exit 3", LONG)), Some((3, None)));
        assert_eq!(strict("sleep 60", Duration::from_millis(30)), ProgramEnd::TimedOut);
        assert_eq!(strict("while :; do echo much; done", LONG), ProgramEnd::TooMuchOutput);
        assert_eq!(strict("while :; do echo much >&2; done", LONG), ProgramEnd::TooMuchOutput);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f").display().to_string();
        let filled = exit(strict(&format!("sleep 0.1; exec head -c 9000 /dev/zero >{file}"), LONG));
        assert_eq!(filled.unwrap().1, Some(Signal::XFSZ.as_raw()));
        assert_eq!(exit(strict(&format!("head -c 8192 /dev/zero >{file}"), LONG)), Some((0, None)));
    }

    #[test]
    fn leftover_and_cancelled_programs_end_at_once() {
        let started = Instant::now();
        assert!(matches!(strict("sleep 60 & exit 0", LONG), ProgramEnd::Exited(_)));
        let (cancel, signal) = cancel_pair().unwrap();
        drop(cancel);
        let limits = ProgramLimits { cancel: Some(&signal), ..ProgramLimits::new(LONG, 10) };
        assert_eq!(sh("sleep 60").run(&limits).unwrap().end, ProgramEnd::Cancelled);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
