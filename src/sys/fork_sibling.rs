//! Copies this process as another child of its parent (clone3(2): `CLONE_PARENT`).
//!
//! The copy needs no start of a program, which is most of what a short process costs. A copy by the standard library does not
//! exist, and its parent would be the original: whoever started that could not wait for the copy.

use std::io;

use super::clone_into::CloneArgs;
use super::process::{Pid, thread_count};

/// Who continues after the copy.
pub(crate) enum Copied {
    /// The original; the copy has this number.
    Original(Pid),
    /// The copy.
    Copy,
}

/// Copies this process, which must have one thread.
///
/// In the copy the C library takes the only thread for that of the original, and hash maps have the seeds of the original: the
/// copy shall do its work on a new thread.
///
/// # Errors
/// There are more threads, or the kernel refuses.
#[expect(unsafe_code, reason = "a fork by hand, because the standard library has none")]
pub(crate) fn fork_sibling() -> io::Result<Copied> {
    if thread_count() != Some(1) {
        return Err(io::Error::other("a process of many threads cannot be copied"));
    }
    // The signal of its end is that of this process.
    let clone = CloneArgs::of_flags(libc::CLONE_PARENT.cast_unsigned().into());
    // SAFETY: the arguments live until the call returns. Without CLONE_VM the copy has its own memory, as after fork(2); there is
    // one thread, so that no lock is held by another one, and all memory is as this thread has left it.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const clone, size_of::<CloneArgs>()) };
    match i32::try_from(pid) {
        Ok(0) => Ok(Copied::Copy),
        Ok(pid) if pid > 0 => {
            Pid::from_raw(pid).map(Copied::Original).ok_or_else(|| io::ErrorKind::InvalidData.into())
        }
        Ok(_) | Err(_) => Err(io::Error::last_os_error()),
    }
}
