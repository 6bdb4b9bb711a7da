//! Changes from quire's account to another one, between fork and exec.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use super::mount_view::MountView;
use super::user::Account;

/// What a step gives up before its program begins.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The user and groups.
    pub(crate) account: Account,
    /// The files that it sees.
    pub(crate) view: Arc<MountView>,
    /// Whether its programs are kept from gaining new privileges (prctl(2): `PR_SET_NO_NEW_PRIVS`).
    pub(crate) no_new_privs: bool,
}

/// The mark of an error of the transition on its way out of the child, which can return only a number.
const MARK: i32 = 1 << 16;

impl Transition {
    /// Changes, in this order: files, groups, group, user, no new privileges, folder. Makes system calls only, so
    /// that it can be called between fork and exec; the functions of the C library would notify threads that a fork does not have.
    ///
    /// # Errors
    /// The first system call that failed, marked.
    #[expect(unsafe_code, reason = "between fork and exec only system calls are allowed")]
    pub(super) fn perform(&self, cwd: &CStr) -> io::Result<()> {
        let Account { uid, gid, groups, .. } = &self.account;
        // SAFETY: system calls on memory and descriptors of this process alone.
        unsafe {
            call(libc::syscall(libc::SYS_setns, self.view.as_fd().as_raw_fd(), libc::CLONE_NEWNS))?;
            call(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()))?;
            call(libc::syscall(libc::SYS_setresgid, *gid, *gid, *gid))?;
            call(libc::syscall(libc::SYS_setresuid, *uid, *uid, *uid))?;
            if self.no_new_privs {
                call(libc::syscall(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            }
            call(libc::syscall(libc::SYS_chdir, cwd.as_ptr()))
        }
    }
}

/// The error of a system call, marked as one of the transition.
fn call(answer: libc::c_long) -> io::Result<()> {
    if answer == 0 {
        return Ok(());
    }
    let code = io::Error::last_os_error().raw_os_error().unwrap_or_default();
    Err(io::Error::from_raw_os_error(code | MARK))
}

/// Distinguishes an error of the transition from an error of the program.
pub(super) fn explain(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) if code & MARK != 0 => {
            let source = io::Error::from_raw_os_error(code & !MARK);
            io::Error::other(format!("could not change to the account of the step: {source}"))
        }
        Some(_) | None => error,
    }
}

/// The capabilities required to change the user, its files and its processes that this process lacks.
pub(crate) fn missing_capabilities() -> Vec<&'static str> {
    const NEEDED: [(&str, u32); 7] = [
        ("CAP_CHOWN", 0),
        ("CAP_DAC_OVERRIDE", 1),
        ("CAP_FOWNER", 3),
        ("CAP_KILL", 5),
        ("CAP_SETGID", 6),
        ("CAP_SETUID", 7),
        ("CAP_SYS_ADMIN", 21),
    ];
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let has = line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or_default();
    NEEDED.iter().filter(|(_, bit)| has & (1 << bit) == 0).map(|(name, _)| *name).collect()
}
