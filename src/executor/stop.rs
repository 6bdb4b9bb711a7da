//! Ending processes: TERM, grace, KILL, reap. It blocks; the step's runtime calls it from a thread for that.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::members::{Footprint, Frame, Look, MAX_HELD, Member};
use crate::sys::children::is_own;
use crate::sys::pidfd::{PidFd, wait_all, wait_any};
use crate::sys::process::{self, Signal};

/// How long killing continues before what is left is reported; only a process that hangs in the kernel takes longer.
pub const SWEEP_LIMIT: Duration = Duration::from_secs(5);

/// How long to wait for a killed process before looking again.
const KILL_PAUSE: Duration = Duration::from_millis(10);

/// How long a sandbox may take to end when nothing is in it any more.
const SANDBOX_LIMIT: Duration = Duration::from_millis(500);

/// How long a client may take to pass on the rest of the output, and to end, when the program has ended.
const CLIENT_LIMIT: Duration = Duration::from_secs(5);

/// The most names in a report.
const MAX_NAMES: usize = 32;

/// Who was ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// The names of the processes that were ended; at most 32.
    pub ended: Vec<String>,
    /// The names of those that are still there; at most 32.
    pub survivors: Vec<String>,
}

/// How much time processes get.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// How long to wait before saying anything.
    pub(super) settle: Duration,
    /// How long to wait after TERM.
    pub(super) grace: Duration,
}

/// Whether nothing is left of a step whose main process is dead or not; two looks, because children move while one looks.
pub(super) fn is_clear(step: &Footprint, is_main_dead: bool) -> bool {
    (is_main_dead && step.is_alone()) || (step.look().is_empty() && step.look().is_empty())
}

/// Ends everything that belongs to a step. Only those that were asked to end are in the report.
pub(super) fn stop(step: &Footprint, patience: Patience) -> Swept {
    // What is around the program goes last, when the program has had its time.
    let is_frame = |member: &Member| step.frame != Frame::None && member.is_frame;
    let (mut frame, mut members): (Vec<_>, Vec<_>) = step.look().members.into_iter().partition(is_frame);
    if step.frame == Frame::Client && members.is_empty() {
        // What it leads has not begun, or is a child of somebody else: it passes on what it is asked.
        members = std::mem::take(&mut frame);
    }
    let signalled = settle(step, members, patience.settle);
    let ended = signalled.iter().take(MAX_NAMES).map(name_now).collect();
    for member in &signalled {
        // A process of another user cannot be signalled; the report will name it.
        let _told = member.process.signal(Signal::TERM);
        // Only to one that is halted: the client of an engine passes on what it gets, to a container that ends just then.
        if process::look(member.process.pid()).is_some_and(|process| process.halted) {
            let _told = member.process.signal(Signal::CONT);
        }
    }
    let left = wait_all(signalled, patience.grace);
    match step.frame {
        // It says how the program has ended, then it ends.
        Frame::Sandbox if left.is_empty() => drop(wait_all(frame, SANDBOX_LIMIT)),
        Frame::Client => {
            for member in &left {
                // One that is not killed is in the report of those that are left.
                let _told = member.process.signal(Signal::KILL);
            }
            wait_all(frame, CLIENT_LIMIT);
        }
        Frame::None | Frame::Sandbox => {}
    }
    Swept { ended, survivors: kill(step).survivors }
}

/// Waits until nothing is left of a step by itself, at most for `limit`, and gives what is: one that ends may have
/// started another that cleans up.
fn settle(step: &Footprint, mut members: Vec<Member>, limit: Duration) -> Vec<Member> {
    let started = Instant::now();
    loop {
        let left = wait_all(members, limit.saturating_sub(started.elapsed()));
        members = step.look().members;
        members.retain(|member| step.frame == Frame::None || !member.is_frame);
        if !left.is_empty() || started.elapsed() >= limit || members.is_empty() {
            return left;
        }
    }
}

/// Kills everything that belongs to a step at once.
pub(super) fn kill(step: &Footprint) -> Swept {
    let swept = kill_until_all_are_dead(|| {
        if let Some(cgroup) = &step.cgroup {
            // The sweep does what the cgroup cannot.
            let _not_all = cgroup.kill();
        }
        step.look()
    });
    if let Some(cgroup) = &step.cgroup {
        // A folder that stays behind is removed with the run's.
        let _busy = cgroup.remove();
    }
    swept
}

/// Kills what `look` shows until it shows nothing, twice, at most for [`SWEEP_LIMIT`].
pub(super) fn kill_until_all_are_dead(mut look: impl FnMut() -> Look) -> Swept {
    let started = Instant::now();
    let mut swept = Swept::default();
    let mut seen = HashSet::new();
    let mut killed: Vec<Member> = Vec::new();
    let mut empty_looks = 0;
    while empty_looks < 2 {
        let shown = look();
        killed.retain(|member| !is_settled(&member.process));
        empty_looks = if shown.is_empty() { empty_looks + 1 } else { 0 };
        if started.elapsed() > SWEEP_LIMIT {
            swept.survivors = shown.members.into_iter().map(|member| member.name).take(MAX_NAMES).collect();
            if swept.survivors.is_empty() && shown.unsure {
                swept.survivors.push("?".to_owned());
            }
            return swept;
        }
        for member in &shown.members {
            // A process of another user cannot be killed; the report will name it.
            let _sent = member.process.signal(Signal::KILL);
            if swept.ended.len() < MAX_NAMES && seen.insert(member.process.pid()) {
                swept.ended.push(member.name.clone());
            }
        }
        if !shown.members.is_empty() {
            wait_any(&shown.members, KILL_PAUSE);
            killed.extend(shown.members);
            killed.truncate(MAX_HELD);
        }
    }
    swept
}

/// The name of a process that may have become another program since it was found.
fn name_now(member: &Member) -> String {
    process::look(member.process.pid()).map_or_else(|| member.name.clone(), |process| process.name)
}

/// Reaps a killed process, which may become a child only when its own parent is dead, too; whether nothing is
/// left to do.
fn is_settled(process: &PidFd) -> bool {
    is_own(process.pid()) || process.reap() || process::look(process.pid()).is_none()
}
