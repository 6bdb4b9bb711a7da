//! Which processes belong to a step.

use std::borrow::Borrow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::host::Orphans;
use crate::sys::cgroup::Cgroup;
use crate::sys::children::{is_own, reap_adopted};
use crate::sys::pidfd::PidFd;
use crate::sys::process::{self, Pid, Process};

/// The most processes that are held at once; more are found when these are gone.
pub(super) const MAX_HELD: usize = 256;

/// A living process that was found to belong to what is being ended.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) process: PidFd,
    /// Its program's name, not to be trusted.
    pub(super) name: String,
    /// Whether it is the main process or a child of that: the frame itself, where there is one.
    pub(super) is_frame: bool,
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
    pub(super) fn enter(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
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

/// What distinguishes the processes of one step from all others.
#[derive(Debug)]
pub(super) struct Footprint {
    /// The main process, which is not reaped as long as this is in use: its number is also the session's.
    pub(super) main: Pid,
    /// The entries of the environment that only this step has.
    pub(super) marks: [Vec<u8>; 3],
    /// The step's cgroup.
    pub(super) cgroup: Option<Cgroup>,
    /// Whose the orphans of this process are.
    pub(super) orphans: Orphans,
    /// The step is one of those that run.
    pub(super) running: Running,
    /// What the main process and its children are.
    pub(super) frame: Frame,
}

/// What the main process of a step is, with its children, when it is not the program itself. It ends after the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// It is the program.
    None,
    /// A sandbox around the program: when it ends, all in it ends.
    Sandbox,
    /// A client that passes on what others write: when it ends, what it has not passed on is lost.
    Client,
}

/// What one look at the processes has shown.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The living processes, at most 256 of them.
    pub(super) members: Vec<Member>,
    /// A process vanished under the look, or there is one that it did not show: who knows what it left.
    pub(super) unsure: bool,
}

impl Look {
    /// Whether there was nothing, for sure.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && !self.unsure
    }
}

impl Footprint {
    /// Whether the main process, which is dead, is the only child of this one, for sure: what a dead process leaves are children
    /// of this one, and none of those that are listed before it can be missed.
    pub(super) fn is_alone(&self) -> bool {
        self.orphans == Orphans::OfSteps
            && !self.cgroup.as_ref().is_some_and(Cgroup::is_populated)
            && process::listed_children(process::own_pid()).is_some_and(|children| children == [self.main])
    }

    /// Finds the living processes of the step, the main one among them, and reaps those that are dead.
    pub(super) fn look(&self) -> Look {
        let of_steps = self.orphans == Orphans::OfSteps;
        let me = process::own_pid();
        let mut roots = process::children(me);
        // In this order: a step that starts after the look has no orphans among the roots.
        let all_orphans_are_ours = of_steps && self.running.is_alone();
        if of_steps {
            roots.retain(|pid| reap_adopted(*pid).is_none());
        }
        let [instance, run, step] = &self.marks;
        let mut look = walk(roots, Some(self.main), &|process| {
            process.session == Some(self.main)
                || all_orphans_are_ours
                // A dead one below a process of another step is that one's to reap.
                || (process.zombie && of_steps && process.parent == Some(me))
                || self.cgroup.as_ref().is_some_and(|cgroup| cgroup.has(process.pid))
                || process::environment_has(process.pid, &[instance, run, step])
        });
        look.unsure |= self.cgroup.as_ref().is_some_and(Cgroup::is_populated);
        look
    }
}

/// Goes through children of the calling process and what descends from them. A descendant of a member is a
/// member; so is what `belongs` says. Children that somebody here waits for are left alone, except `main`.
/// Adopted members that are dead are reaped.
pub(super) fn walk(roots: Vec<Pid>, main: Option<Pid>, belongs: &dyn Fn(&Process) -> bool) -> Look {
    let me = process::own_pid();
    let mut look = Look::default();
    let mut open: Vec<_> = roots.into_iter().map(|pid| (pid, me, main == Some(pid))).collect();
    while let Some((pid, parent, inherited)) = open.pop() {
        if look.members.len() >= MAX_HELD {
            look.unsure = true;
            break;
        }
        if main != Some(pid) && is_own(pid) {
            continue;
        }
        let held = PidFd::open(pid).ok().flatten();
        let Some((held, seen)) = held.and_then(|held| Some((held, process::look(pid)?))) else {
            look.unsure = true;
            continue;
        };
        // Another parent: the number went to a stranger since it was listed.
        let is_stranger = seen.parent != Some(parent) && seen.parent != Some(me);
        if is_stranger || (main != Some(pid) && is_own(pid)) {
            look.unsure = true;
            continue;
        }
        let is_member = inherited || belongs(&seen);
        let children = process::children(pid);
        if !held.is_dead() {
            // Alive after the look, so the list is its own and not that of a successor in the number.
            open.extend(children.into_iter().map(|child| (child, pid, is_member)));
            if is_member {
                let is_frame = main.is_some_and(|main| pid == main || parent == main);
                look.members.push(Member { process: held, name: seen.name, is_frame });
            }
        } else if main != Some(pid) {
            look.unsure |= is_member || !seen.zombie;
            if is_member && seen.parent == Some(me) {
                held.reap();
            }
        }
    }
    look
}
