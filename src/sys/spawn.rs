//! Starts a step's process: own session, own cgroup, nothing inherited but what is given.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{FdFlags, fcntl_setfd};

use super::children;
use super::clone_into::{Birth, Born};
use super::pidfd::PidFd;
use super::process::{Exit, Pid};
use super::signals;
use super::transition::{self, Transition};

/// What to start.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    /// The path of the program, relative to `cwd`; not searched in `PATH`.
    pub(crate) program: PathBuf,
    /// The arguments, including the program's name as the first.
    pub(crate) args: Vec<OsString>,
    /// The complete environment.
    pub(crate) env: Vec<(&'a std::ffi::OsStr, &'a std::ffi::OsStr)>,
    /// The working directory.
    pub(crate) cwd: &'a Path,
    /// Whether its standard input is a pipe; otherwise it is `/dev/null`.
    pub(crate) has_input: bool,
    /// The opened folder of the cgroup to start in. A process that may not join it is started without.
    pub(crate) cgroup: Option<OwnedFd>,
    /// The account that it runs as; quire's own account by default.
    pub(crate) transition: Option<&'a Transition>,
    /// A descriptor that the program gets in addition to the first three, under its own number.
    pub(crate) kept: Option<OwnedFd>,
}

/// A started process, to be reaped with [`Child::reap`]; the owner has to stop and reap it.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) process: PidFd,
    /// The writing end of its standard input, if it has one.
    pub(crate) stdin: Option<OwnedFd>,
    /// The reading ends of its standard output and standard error.
    pub(crate) outputs: Option<[OwnedFd; 2]>,
}

impl Child {
    /// Its number, which no other process gets before this one is reaped.
    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Reaps it, if it has ended.
    pub(crate) fn reap(&self) -> Option<Exit> {
        children::reap_own(self.pid())
    }
}

/// Starts a process as the leader of a session without a terminal.
///
/// # Errors
/// The errors of `fork`, `chdir` and `exec`; a NUL byte in an argument is [`io::ErrorKind::InvalidInput`]; and errors of changing
/// to another account, which have no number.
pub(crate) fn spawn(launch: Launch<'_>) -> io::Result<Child> {
    start(launch).map_err(transition::explain)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that does it")]
fn start(launch: Launch<'_>) -> io::Result<Child> {
    if let Some(cgroup) = &launch.cgroup
        && let Some(child) = born_in(&launch, cgroup.as_fd())?
    {
        return Ok(child);
    }
    let mut args = launch.args.into_iter();
    let mut command = Command::new(&launch.program);
    command.arg0(args.next().unwrap_or_else(|| launch.program.into_os_string()));
    command.args(args).env_clear().envs(launch.env).current_dir(launch.cwd);
    command.stdin(if launch.has_input { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let procs =
        launch.cgroup.and_then(|folder| openat(folder, "cgroup.procs", OFlags::WRONLY, Mode::empty()).ok());
    let cwd = CString::new(launch.cwd.as_os_str().as_bytes())?;
    enter_session(&mut command, procs, (launch.transition.cloned(), cwd), launch.kept);
    let (_, (process, mut child)) = children::start(|| {
        let mut child = command.spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
        match PidFd::open(pid) {
            Ok(Some(process)) => Ok((pid, (process, child))),
            failed => {
                child.kill()?;
                child.wait()?;
                Err(failed.err().unwrap_or_else(|| io::ErrorKind::NotFound.into()))
            }
        }
    })?;
    let (stdout, stderr) = child.stdout.take().zip(child.stderr.take()).ok_or(io::ErrorKind::BrokenPipe)?;
    Ok(Child {
        process,
        stdin: child.stdin.take().map(OwnedFd::from),
        outputs: Some([stdout.into(), stderr.into()]),
    })
}

/// Starts the process in its cgroup, if the kernel can; `None` otherwise.
fn born_in(launch: &Launch<'_>, cgroup: BorrowedFd<'_>) -> io::Result<Option<Child>> {
    let birth = Birth::new(launch)?;
    let (stdin, feed) = if launch.has_input {
        let (theirs, ours) = io::pipe()?;
        (OwnedFd::from(theirs), Some(OwnedFd::from(ours)))
    } else {
        (OwnedFd::from(std::fs::File::open("/dev/null")?), None)
    };
    let ((stdout, out), (stderr, err)) = (io::pipe()?, io::pipe()?);
    let started = children::start(|| {
        let stdio = [stdin, out.into(), err.into()];
        match birth.start(stdio, cgroup, &INHERITED)? {
            Born::NotHere => Err(io::ErrorKind::Unsupported.into()),
            Born::Child(pid) => {
                let process = PidFd::open(pid)?.ok_or(io::ErrorKind::NotFound)?;
                Ok((pid, process))
            }
        }
    });
    match started {
        Ok((_, process)) => {
            Ok(Some(Child { process, stdin: feed, outputs: Some([stdout.into(), stderr.into()]) }))
        }
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the child leave the session, and with it the terminal, join the cgroup, and close what quire inherited.
#[expect(unsafe_code, reason = "the one place where code runs between fork and exec")]
fn enter_session(
    command: &mut Command,
    cgroup: Option<OwnedFd>,
    (transition, cwd): (Option<Transition>, CString),
    kept: Option<OwnedFd>,
) {
    // Found before the fork.
    let inherited: &'static [RawFd] = &INHERITED;
    let enter = move || {
        rustix::process::setsid()?;
        signals::reset();
        if let Some(procs) = &cgroup {
            // Where joining is not allowed, descendants are found by descent and mark only.
            let _not_allowed = rustix::io::write(procs, b"0");
        }
        inherited.iter().copied().for_each(close_at_exec);
        if let Some(kept) = &kept {
            fcntl_setfd(kept, FdFlags::empty())?;
        }
        transition.as_ref().map_or(Ok(()), |transition| transition.perform(&cwd))
    };
    // SAFETY: the closure makes system calls only: it neither allocates nor takes a lock.
    unsafe { command.pre_exec(enter) };
}

/// The descriptors beyond the standard three that this process was itself started with and that exec leaves open.
/// What it opens later is closed at exec.
static INHERITED: LazyLock<Vec<RawFd>> = LazyLock::new(|| {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| *number > 2 && !closes_at_exec(*number)).collect()
});

/// Keeps what this process has inherited from all processes that it starts: a lock of the shell that started the server is
/// not its runners'.
pub(crate) fn keep_inherited() {
    INHERITED.iter().copied().for_each(close_at_exec);
}

#[expect(unsafe_code, reason = "the numbers of inherited descriptors belong to nobody")]
fn close_at_exec(number: RawFd) {
    // SAFETY: the number is not -1, and is used for one system call. Had it been closed, that fails; had it been
    // given to another file, that one is closed at exec already.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    let _closed_already = fcntl_setfd(fd, FdFlags::CLOEXEC);
}

fn closes_at_exec(number: RawFd) -> bool {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    // The descriptor of the listing itself is closed by now, and has no flags.
    flags.is_none_or(|flags| flags & OFlags::CLOEXEC.bits() != 0)
}
