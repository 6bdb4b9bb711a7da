//! Which processes belong to a step.

use std::borrow::Borrow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::host::Orphans;
use crate::sys::cgroup::Cgroup;
use crate::sys::children::is_own;
use crate::sys::pidfd::PidFd;
use crate::sys::process::{self, Pid, Process};

/// The most processes that are held at once; more are found when these are gone.
const MAX_HELD: usize = 256;

/// A living process that was found to belong to what is being ended.
#[derive(Debug)]
pub(super) struct Member {
    /// The process.
    pub(super) process: PidFd,
    /// Its program's name, not to be trusted.
    pub(super) name: String,
}

impl Borrow<PidFd> for Member {
    fn borrow(&self) -> &PidFd {
        &self.process
    }
}

/// How many steps run in a host.
#[derive(Debug)]
pub(super) struct Running(Arc<AtomicUsize>);

impl Running {
    /// Counts one more.
    pub(super) fn enter(count: &Arc<AtomicUsize>) -> Running {
        count.fetch_add(1, Ordering::SeqCst);
        Running(Arc::clone(count))
    }

    fn is_alone(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 1
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What tells the processes of one step from all others.
#[derive(Debug)]
pub(super) struct Footprint {
    /// The main process, which is not reaped as long as this is in use: its number is also the session's.
    pub(super) main: Pid,
    /// The entries of the environment that only this step has.
    pub(super) marks: [Vec<u8>; 2],
    /// The step's cgroup.
    pub(super) cgroup: Option<Cgroup>,
    /// Whose the orphans of this process are.
    pub(super) orphans: Orphans,
    /// The step is one of those that run.
    pub(super) running: Running,
}

impl Footprint {
    /// Finds the living processes of the step, the main one among them, and reaps those that are dead.
    pub(super) fn members(&self) -> Vec<Member> {
        let roots = process::children(process::own_pid());
        // In this order: a step that starts after the look has no orphans among the roots.
        let all_orphans_are_ours = self.orphans == Orphans::OfSteps && self.running.is_alone();
        let in_cgroup = self.cgroup.as_ref().map(Cgroup::members).unwrap_or_default();
        let [run, step] = &self.marks;
        walk(roots, Some(self.main), &|process| {
            let pid = process.pid;
            process.session == Some(self.main)
                || all_orphans_are_ours
                || (process.zombie && self.orphans == Orphans::OfSteps)
                || (in_cgroup.contains(&pid) && self.cgroup.as_ref().is_some_and(|cgroup| cgroup.has(pid)))
                || process::environment_has(pid, &[run, step])
        })
    }
}

/// Goes through children of the calling process and what descends from them. A descendant of a member is a
/// member; so is what `belongs` says. Children that somebody here waits for are left alone, except `main`.
/// Adopted members that are dead are reaped.
pub(super) fn walk(roots: Vec<Pid>, main: Option<Pid>, belongs: &dyn Fn(&Process) -> bool) -> Vec<Member> {
    let me = process::own_pid();
    let mut members = Vec::new();
    let mut open: Vec<_> = roots.into_iter().map(|pid| (pid, me, main == Some(pid))).collect();
    while let Some((pid, parent, inherited)) = open.pop() {
        if members.len() >= MAX_HELD {
            break;
        }
        let Ok(Some(process)) = PidFd::open(pid) else { continue };
        let Some(seen) = process::look(pid) else { continue };
        // Another parent: the number went to a stranger since it was listed.
        let is_stranger = seen.parent != Some(parent) && seen.parent != Some(me);
        if is_stranger || (main != Some(pid) && is_own(pid)) {
            continue;
        }
        let is_member = inherited || belongs(&seen);
        let children = process::children(pid);
        if !process.is_dead() {
            // Alive after the look, so the list is its own and not that of a successor in the number.
            open.extend(children.into_iter().map(|child| (child, pid, is_member)));
            if is_member {
                members.push(Member { process, name: seen.name });
            }
        } else if is_member && main != Some(pid) && seen.parent == Some(me) {
            process::reap_adopted(pid);
        }
    }
    members
}
