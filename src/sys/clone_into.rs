//! Starts a process inside a cgroup (clone3(2): `CLONE_INTO_CGROUP`).
//!
//! Moving a process into a cgroup after the fork makes the kernel wait until no fork or exec is in progress anywhere, about ten
//! milliseconds for the first step of a run; being created in the cgroup costs nothing. The standard library cannot do
//! this, so this is the one place that forks by itself. Between fork and exec the child only makes system calls. A child that
//! stays the same user shares the memory of this process until then.

use std::ffi::{CString, OsStr, c_char, c_long};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use super::process::Pid;
use super::signals;
use super::spawn::Launch;
use super::transition::Transition;

/// The flag that names the cgroup (linux/sched.h); the constant of `libc` is too narrow.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The arguments of clone3(2), in its first published size with a cgroup.
#[repr(C)]
#[derive(Default)]
pub(super) struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

impl CloneArgs {
    /// A copy of the process with these flags, and a signal of its parent.
    pub(super) fn of_flags(flags: u64) -> Self {
        Self { flags, ..Self::default() }
    }
}

/// Everything that the child needs, prepared before the fork.
pub(super) struct Birth<'a> {
    program: CString,
    args: Vec<CString>,
    env: Vec<CString>,
    cwd: CString,
    transition: Option<&'a Transition>,
    kept: Option<RawFd>,
}

/// The result of an attempt.
pub(super) enum Born {
    /// The process runs.
    Child(Pid),
    /// This system or user cannot start a process in that cgroup.
    NotHere,
}

fn text(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::ErrorKind::InvalidInput.into())
}

impl<'a> Birth<'a> {
    /// Prepares what the child needs.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a NUL byte.
    pub(super) fn new(launch: &Launch<'a>) -> io::Result<Self> {
        let pair =
            |(name, value): &(&OsStr, &OsStr)| text(&[name.as_bytes(), b"=", value.as_bytes()].concat());
        // Relative to the working directory, and never searched in PATH.
        let program = launch.cwd.join(&launch.program);
        Ok(Birth {
            program: text(program.as_os_str().as_bytes())?,
            args: launch.args.iter().map(|arg| text(arg.as_bytes())).collect::<io::Result<_>>()?,
            env: launch.env.iter().map(pair).collect::<io::Result<_>>()?,
            cwd: text(launch.cwd.as_os_str().as_bytes())?,
            transition: launch.transition,
            kept: launch.kept.as_ref().map(AsRawFd::as_raw_fd),
        })
    }

    /// Starts the process in the cgroup of this folder, with these descriptors as its first three, as the leader of a
    /// session of its own.
    ///
    /// # Errors
    /// Those of `chdir` and `exec`.
    #[expect(unsafe_code, reason = "a fork by hand, because the standard library cannot name a cgroup")]
    pub(super) fn start(
        &self,
        stdio: [OwnedFd; 3],
        cgroup: BorrowedFd<'_>,
        inherited: &[RawFd],
    ) -> io::Result<Born> {
        let args = pointers(&self.args);
        let env = pointers(&self.env);
        // None of them may have the number that another one is to get.
        let stdio = [lift(&stdio[0])?, lift(&stdio[1])?, lift(&stdio[2])?];
        let numbers = [stdio[0].as_raw_fd(), stdio[1].as_raw_fd(), stdio[2].as_raw_fd()];
        let (mut failed, report) = io::pipe()?;
        let clone = CloneArgs {
            flags: CLONE_INTO_CGROUP,
            exit_signal: libc::SIGCHLD.cast_unsigned().into(),
            cgroup: u64::try_from(cgroup.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?,
            ..CloneArgs::default()
        };
        let child = || {
            // SAFETY: this is the child; all pointers are to memory that it has.
            unsafe { self.become_program(&args, &env, numbers, (report.as_raw_fd(), inherited)) }
        };
        // Another user is set by the C library, in all threads that it knows.
        let pid = match self.transition {
            None => clone_beside(clone, env.len() + args.len(), &child),
            Some(_) => clone_copied(&clone, &child),
        };
        match pid {
            pid if pid < 0 => Ok(Born::NotHere),
            pid => {
                drop(report);
                let pid = pid_of(pid)?;
                let mut code = [0; 4];
                match failed.read(&mut code) {
                    Ok(4) => {
                        let _reaped =
                            rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
                        Err(io::Error::from_raw_os_error(i32::from_ne_bytes(code)))
                    }
                    Ok(_) | Err(_) => Ok(Born::Child(pid)),
                }
            }
        }
    }

    /// What the child does: session, descriptors, folder, signals, program. Never returns.
    #[expect(unsafe_code, reason = "between fork and exec only system calls are allowed")]
    unsafe fn become_program(
        &self,
        args: &[*const c_char],
        env: &[*const c_char],
        stdio: [RawFd; 3],
        (report, inherited): (RawFd, &[RawFd]),
    ) -> ! {
        // SAFETY: system calls on descriptors and memory of this process alone, but for `errno`.
        unsafe {
            libc::setsid();
            for (number, from) in (0..).zip(stdio) {
                libc::dup2(from, number);
            }
            for number in inherited {
                libc::fcntl(*number, libc::F_SETFD, libc::FD_CLOEXEC);
            }
            signals::reset();
            if let Some(kept) = self.kept {
                libc::fcntl(kept, libc::F_SETFD, 0);
            }
            let refused = self.transition.and_then(|transition| transition.perform(&self.cwd).err());
            if refused.is_none() && libc::chdir(self.cwd.as_ptr()) == 0 {
                libc::execvpe(self.program.as_ptr(), args.as_ptr(), env.as_ptr());
            }
            let refused = refused.and_then(|error| error.raw_os_error());
            let code = refused.unwrap_or(*libc::__errno_location()).to_ne_bytes();
            libc::write(report, code.as_ptr().cast(), code.len());
            libc::_exit(127)
        }
    }
}

/// Starts a child with a copy of all memory, as after fork(2), and gives its number, or -1.
#[expect(unsafe_code, reason = "a fork by hand")]
fn clone_copied(clone: &CloneArgs, child: &dyn Fn()) -> c_long {
    // SAFETY: the arguments live until the call returns, and the child makes system calls only.
    match unsafe { libc::syscall(libc::SYS_clone3, clone, size_of::<CloneArgs>()) } {
        0 => {
            child();
            // SAFETY: ends the child alone.
            unsafe { libc::_exit(127) }
        }
        pid => pid,
    }
}

/// What a child needs of stack, beside a pointer for each of its arguments (execvpe(3) copies them for a script without a
/// first line).
const CHILD_STACK: usize = 64 << 10;

/// Starts a child that shares all memory until it is another program, on a stack of its own, and gives its number, or an
/// error below zero. This thread sleeps until then, as after vfork(2): nothing is copied, however much memory there is.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "no C library gives a vfork into a cgroup")]
fn clone_beside(mut clone: CloneArgs, pointers: usize, child: &dyn Fn()) -> c_long {
    unsafe extern "C" fn run(child: *const &dyn Fn()) -> ! {
        // SAFETY: the closure belongs to the thread that sleeps meanwhile; the end is that of the child alone.
        unsafe {
            (*child)();
            libc::_exit(127)
        }
    }
    // Of 16 bytes each: what the stack is aligned to.
    let mut stack = vec![0_u128; CHILD_STACK / 16 + pointers];
    clone.flags |= u64::from((libc::CLONE_VM | libc::CLONE_VFORK).cast_unsigned());
    clone.stack = stack.as_mut_ptr().addr() as u64;
    clone.stack_size = size_of_val(&*stack) as u64;
    // A handler of this process in the child would work on the memory of both.
    let blocked = signals::block_all();
    let pid: c_long;
    // SAFETY: the child comes back from the kernel on its own stack, in the middle of this block, and never leaves `run`; the
    // registers and the stack of this thread are as they were.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => pid,
            in("rdi") &raw const clone,
            in("rsi") size_of::<CloneArgs>(),
            in("r12") run as unsafe extern "C" fn(*const &dyn Fn()) -> !,
            in("r13") &raw const child,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    signals::restore(&blocked);
    pid
}

#[cfg(not(target_arch = "x86_64"))]
fn clone_beside(clone: CloneArgs, _pointers: usize, child: &dyn Fn()) -> c_long {
    clone_copied(&clone, child)
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

fn pid_of(pid: c_long) -> io::Result<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The same file under a number above the standard ones, marked close-on-exec.
#[expect(unsafe_code, reason = "the new number belongs to nobody else")]
fn lift(descriptor: &OwnedFd) -> io::Result<OwnedFd> {
    // SAFETY: a system call on a descriptor that is open.
    let number = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) };
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made the number.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
