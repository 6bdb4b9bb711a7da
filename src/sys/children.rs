//! The children that this process started itself and waits for.
//!
//! A subreaper has two kinds of children: those it started, whose exit status is needed, and those
//! it adopted, whose status is not. The kernel does not distinguish them; this list does, as long as every
//! process is started through [`start`].

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::process::{Exit, Pid, reap};

/// The children that were started and not yet reaped.
static OWN: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Starts a child and records that it is our own. Code that lists the children first and checks this list
/// afterwards never takes it for an adopted one.
///
/// # Errors
/// Those of `spawn`.
pub fn start<T>(spawn: impl FnOnce() -> io::Result<(Pid, T)>) -> io::Result<(Pid, T)> {
    let mut own = own();
    let (pid, started) = spawn()?;
    own.insert(Pid::as_raw(Some(pid)));
    Ok((pid, started))
}

/// Whether a child was started here and is not reaped.
pub(crate) fn is_own(pid: Pid) -> bool {
    own().contains(&Pid::as_raw(Some(pid)))
}

/// Reaps a child that was started here, if it has ended.
pub(crate) fn reap_own(pid: Pid) -> Option<Exit> {
    let mut own = own();
    let exit = own.contains(&Pid::as_raw(Some(pid))).then(|| reap(pid)).flatten()?;
    own.remove(&Pid::as_raw(Some(pid)));
    Some(exit)
}

/// Reaps a child that was adopted, if it has ended.
pub(crate) fn reap_adopted(pid: Pid) -> Option<Exit> {
    // The list is locked until it is reaped, so that no child started meanwhile has its number.
    let own = own();
    if own.contains(&Pid::as_raw(Some(pid))) { None } else { reap(pid) }
}

fn own() -> MutexGuard<'static, BTreeSet<i32>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}
