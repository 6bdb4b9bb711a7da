//! The process that started this one.

use super::process;

/// The id of the parent and when it started, in clock ticks since boot. `None` when the process that started this
/// one has ended: the process that has adopted it since is in another process group.
pub(crate) fn parent() -> Option<(u32, u64)> {
    let pid = rustix::process::getppid()?;
    let (parent, own) = (process::look(pid)?, process::look(process::own_pid())?);
    // A group outside of this namespace has no number here, nor has the group of an adopting process outside of it.
    let is_adopter = parent.group != own.group || (own.group.is_none() && pid.is_init());
    (!is_adopter).then(|| (pid.as_raw_pid().cast_unsigned(), parent.started))
}
