//! Information of the kernel about processes, and reaping.
//!
//! A number read here may belong to another process a moment later: to act on a process, open a
//! [`PidFd`](super::pidfd::PidFd) first and read afterwards.

use std::io::{self, Read as _};
use std::sync::{Arc, Mutex};

use rustix::fs::Mode;
pub use rustix::process::{Pid, Signal};
use rustix::process::{WaitStatus, set_child_subreaper};

/// One line of `/proc/<pid>/stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub(crate) pid: Pid,
    /// The name of its program, at most 15 bytes, not to be trusted.
    pub(crate) name: String,
    /// Whether it has ended and waits to be reaped.
    pub zombie: bool,
    /// Whether a signal has stopped it.
    pub(crate) halted: bool,
    /// Its parent; `None` for a process without one in this namespace.
    pub(crate) parent: Option<Pid>,
    /// Its process group; `None` when that is outside this namespace.
    pub(crate) group: Option<Pid>,
    /// The leader of its session; `None` when that is outside this namespace.
    pub(crate) session: Option<Pid>,
    /// When it started, in clock ticks since boot: with the number it names a process within one boot.
    pub(crate) started: u64,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Exit {
    /// The exit code as a shell counts it: 128 and the number of the signal.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// The signal that ended it.
    pub(crate) fn signal(self) -> Option<i32> {
        match self {
            Self::Code(_) => None,
            Self::Signal(signal) => Some(signal),
        }
    }
}

/// The calling process.
pub fn own_pid() -> Pid {
    rustix::process::getpid()
}

/// Reads the state of a process; `None` when it is gone.
pub fn look(pid: Pid) -> Option<Process> {
    parse_stat(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// When a process started, in clock ticks since boot; `None` when it is gone.
pub(crate) fn start_time(pid: Pid) -> Option<u64> {
    look(pid).map(|process| process.started)
}

/// The children of a process, as far as one pass finds them.
pub fn children(pid: Pid) -> Vec<Pid> {
    let by_parent = || all().into_iter().filter(|other| parent(*other) == Some(pid)).collect();
    listed_children(pid).unwrap_or_else(by_parent)
}

/// The children of a process as the kernel lists them; nothing where it does not (`CONFIG_PROC_CHILDREN`).
pub(crate) fn listed_children(pid: Pid) -> Option<Vec<Pid>> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Some(Vec::new()) };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        match std::fs::read(thread.path().join("children")) {
            Ok(list) => found.extend(list.split(|byte| *byte == b' ').filter_map(parse_pid)),
            // A thread that ended gave its children to another one.
            Err(_) if !thread.path().exists() => {}
            Err(_) => return None,
        }
    }
    Some(found)
}

/// All processes of the machine, as far as one pass finds them.
pub fn all() -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| parse_pid(entry.file_name().as_encoded_bytes())).collect()
}

/// Whether this is the command line of a process (proc(5): `cmdline`). It is not to be trusted: any process can be started
/// with any.
pub(crate) fn has_command(pid: Pid, words: &[&[u8]]) -> bool {
    let expected: Vec<u8> = words.iter().flat_map(|word| word.iter().copied().chain([0])).collect();
    let file = std::fs::File::open(format!("/proc/{}/cmdline", pid.as_raw_pid()));
    let mut read = Vec::new();
    let most = expected.len() as u64 + 1;
    let mut read_most = |file: std::fs::File| file.take(most).read_to_end(&mut read);
    file.is_ok_and(|file| read_most(file).is_ok()) && read == expected
}

/// Whether these are the arguments of a process, whatever its program is called. They are not to be trusted, either.
pub(crate) fn has_arguments(pid: Pid, words: &[&[u8]]) -> bool {
    let expected: Vec<u8> = words.iter().flat_map(|word| word.iter().copied().chain([0])).collect();
    let read = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_pid())).unwrap_or_default();
    let end = read.iter().position(|byte| *byte == 0).map_or(read.len(), |end| end + 1);
    read.get(end..).is_some_and(|arguments| arguments.starts_with(&expected))
}

/// Whether the environment that a process was started with has each of these `NAME=value` entries.
/// `false` for a process of another user, a zombie, and one that is gone.
pub fn environment_has(pid: Pid, entries: &[&[u8]]) -> bool {
    let Ok(block) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    entries.iter().all(|expected| block.split(|byte| *byte == 0).any(|entry| entry == *expected))
}

/// Gives the calling process a session keyring of its own, which is empty (keyctl(2): `KEYCTL_JOIN_SESSION_KEYRING`). Where
/// the kernel has no keyrings, or a filter of system calls forbids them, nothing needs to be left.
#[expect(unsafe_code, reason = "neither rustix nor std has keyctl")]
pub(crate) fn leave_keyrings() {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a system call with an anonymous keyring for a name; it touches no memory of this process.
    let _refused =
        unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
}

/// Makes the calling process the parent of every descendant whose own parent ends.
///
/// # Errors
/// The kernel is older than 3.4.
pub fn become_subreaper() -> io::Result<()> {
    set_child_subreaper(Some(own_pid())).map_err(io::Error::from)
}

/// Reaps the children that have ended and that nothing here waits for; see [`super::children`].
pub(crate) fn reap_all() -> Vec<(Pid, Exit)> {
    let children = children(own_pid()).into_iter();
    children.filter_map(|pid| super::children::reap_adopted(pid).map(|exit| (pid, exit))).collect()
}

/// Waits until a child has ended, and reaps it; `None` when no child is left. For a process that has no runtime.
pub(crate) fn wait_for_child() -> Option<(Pid, Exit)> {
    loop {
        match rustix::process::wait(rustix::process::WaitOptions::empty()) {
            Ok(Some((pid, status))) => return Some((pid, exit_of(status))),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

/// Whether a child exists, alive or not reaped.
pub(crate) fn has_children() -> bool {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::All, options).is_ok()
}

/// How many threads this process has.
pub(super) fn thread_count() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}

/// Closes the memory of this process to others of the same user (prctl(2): `PR_SET_DUMPABLE`).
///
/// # Errors
/// The kernel does not.
pub(crate) fn hide_memory() -> io::Result<()> {
    let nobody = rustix::process::DumpableBehavior::NotDumpable;
    rustix::process::set_dumpable_behavior(nobody).map_err(io::Error::from)
}

/// Takes over a descriptor that this process was started with, and closes it to the processes that it starts.
///
/// # Errors
/// No descriptor has this number.
#[expect(unsafe_code, reason = "the parent process has passed this number to us")]
pub(crate) fn take_descriptor(number: std::os::fd::RawFd) -> io::Result<std::os::fd::OwnedFd> {
    use rustix::io::{FdFlags, fcntl_setfd};
    // SAFETY: the number is used for one system call, which fails when nothing is open there.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, as the call has shown, and nothing else in this process has it.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(number) })
}

/// Reaps one child, if it is one and has ended.
pub(super) fn reap(pid: Pid) -> Option<Exit> {
    use rustix::process::{WaitOptions, waitpid};
    let (_, status) = waitpid(Some(pid), WaitOptions::NOHANG).ok()??;
    Some(exit_of(status))
}

fn exit_of(status: WaitStatus) -> Exit {
    match status.terminating_signal() {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Code(status.exit_status().unwrap_or_default()),
    }
}

fn parent(pid: Pid) -> Option<Pid> {
    look(pid)?.parent
}

/// Reads the decimal number of a process.
pub(super) fn parse_pid(text: &[u8]) -> Option<Pid> {
    let number: i32 = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
    if number > 0 { Pid::from_raw(number) } else { None }
}

/// Parses `/proc/<pid>/stat`. The name is in parentheses and may contain any byte, also `)`: the last one counts.
fn parse_stat(line: &[u8]) -> Option<Process> {
    let open = line.iter().position(|byte| *byte == b'(')?;
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let fields: Vec<&[u8]> = line.get(close + 2..)?.split(|byte| *byte == b' ').collect();
    let number = |index: usize| std::str::from_utf8(fields.get(index)?).ok()?.trim().parse::<u64>().ok();
    Some(Process {
        pid: parse_pid(line.get(..open)?)?,
        name: String::from_utf8_lossy(line.get(open + 1..close)?).into_owned(),
        zombie: matches!(fields.first()?, [b'Z' | b'X' | b'x']),
        halted: fields.first()? == b"T",
        parent: parse_pid(fields.get(1)?),
        group: parse_pid(fields.get(2)?),
        session: parse_pid(fields.get(3)?),
        started: number(19)?,
    })
}

/// Makes the files that this process and those that it starts create from now on readable to their account alone.
pub(crate) fn keep_files_private() {
    rustix::process::umask(Mode::from_raw_mode(0o077));
}

/// Checks that the system has this many threads more for this process.
///
/// # Errors
/// It has not.
pub(crate) fn expect_threads(count: usize) -> io::Result<()> {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let start = |_| {
        let gate = Arc::clone(&gate);
        std::thread::Builder::new().spawn(move || drop(gate.lock()))
    };
    let started: io::Result<Vec<_>> = (0..count).map(start).collect();
    drop(closed);
    started?.into_iter().for_each(|thread| drop(thread.join()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = b"71 (a) Z 1 (b) S 7 71 70 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 987654 8 9\n";
        let process = parse_stat(line).unwrap();
        assert_eq!(process.name, "a) Z 1 (b");
        assert_eq!((process.parent, process.session), (Pid::from_raw(7), Pid::from_raw(70)));
        assert!(!process.zombie && !process.halted);
        assert!(parse_stat(b"71 (a) T 7 71 70 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 987654 8 9\n").unwrap().halted);
        assert_eq!(process.started, 987_654);
    }

    #[test]
    fn damaged_lines_are_rejected() {
        for line in [&b""[..], b"1", b"1 (", b"1 (a)", b"1 (a) S", b"x (a) S 1 1 1 0", b") ("] {
            assert_eq!(parse_stat(line), None);
        }
    }

    #[test]
    fn the_calling_process_can_be_seen() {
        let own = look(own_pid()).unwrap();
        assert_eq!(own.pid, own_pid());
        assert_eq!(start_time(own_pid()), Some(own.started));
        assert!(all().contains(&own_pid()));
    }
}
