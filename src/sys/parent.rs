//! The process that started this one.

use super::process;

/// The id of the parent and when it started, in clock ticks since boot. Nothing when the process that started this
/// one is gone: whoever has adopted it since is in another process group.
pub fn parent() -> Option<(u32, u64)> {
    let pid = rustix::process::getppid()?;
    let started = process::start_time(pid)?;
    let group = rustix::process::getpgid(Some(pid)).ok()?;
    (group == rustix::process::getpgrp()).then(|| (pid.as_raw_pid().cast_unsigned(), started))
}
