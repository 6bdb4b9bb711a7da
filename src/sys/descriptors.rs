//! How many descriptors this process may have open, and what the processes that it starts get (getrlimit(2)).

use std::io;
use std::sync::OnceLock;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

/// The limit that this process was started with, kept when [`raise`] changes it.
static INHERITED: OnceLock<Rlimit> = OnceLock::new();

/// The number of descriptors that is assumed without a limit.
const UNLIMITED: u64 = 1 << 20;

/// Raises the soft limit to the hard one; returns how many descriptors this process may have open now.
pub(crate) fn raise() -> u64 {
    let inherited = *INHERITED.get_or_init(|| getrlimit(Resource::Nofile));
    let raised = Rlimit { current: inherited.maximum, maximum: inherited.maximum };
    let is_raised = setrlimit(Resource::Nofile, raised).is_ok();
    let limit = if is_raised { raised.current } else { inherited.current };
    limit.unwrap_or(UNLIMITED).min(UNLIMITED)
}

/// Gives a child the limit that this process was started with: programs that use `select` fail above 1024.
///
/// # Errors
/// The process is gone.
pub(crate) fn restore_for(child: Pid) -> io::Result<()> {
    if let Some(inherited) = INHERITED.get() {
        prlimit(Some(child), Resource::Nofile, *inherited)?;
    }
    Ok(())
}

/// Restores the limit that this process was started with, before it becomes another program.
pub(crate) fn restore() -> io::Result<()> {
    INHERITED
        .get()
        .map_or(Ok(()), |inherited| setrlimit(Resource::Nofile, *inherited).map_err(io::Error::from))
}
