//! The process that started this one.

use super::process;

/// The id of the parent and when it started, in clock ticks since boot; 0 when that cannot be read.
pub fn parent() -> (u32, u64) {
    let Some(pid) = rustix::process::getppid() else { return (0, 0) };
    (pid.as_raw_pid().cast_unsigned(), process::start_time(pid).unwrap_or_default())
}
