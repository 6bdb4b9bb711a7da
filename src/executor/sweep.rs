//! Ending what is left of runs whose own process is gone.

use super::members::{Look, Member, walk};
use super::stop::{Swept, kill_until_all_are_dead};
use crate::model::RunMark;
use crate::sys::cgroup::Cgroup;
use crate::sys::children::is_own;
use crate::sys::pidfd::PidFd;
use crate::sys::process::{self, Pid};

/// The variable that names the data folder of a process.
pub const INSTANCE: &str = "QUIRE_INSTANCE";

/// The variable that names the run of a process.
pub const RUN: &str = "QUIRE_RUN";

/// The cgroup of a run: a folder below the cgroup of the calling process.
pub(super) fn cgroup_of(mark: &RunMark) -> Option<Cgroup> {
    Some(Cgroup::own()?.child(&format!("quire-{mark}")))
}

/// The entries of the environment that all processes of a run have, unless they removed them.
pub(super) fn entries_of(mark: &RunMark) -> [Vec<u8>; 2] {
    [format!("{INSTANCE}={}", mark.instance), format!("{RUN}={}", mark.run)].map(String::into_bytes)
}

/// Kills everything that is left of a run: what is in its cgroup, and every process of the machine that has the
/// run's mark in its environment. It blocks. The run's own process must be gone.
pub fn sweep_run(mark: &RunMark) -> Swept {
    let cgroup = cgroup_of(mark);
    let [instance, run] = entries_of(mark);
    let swept = kill_until_all_are_dead(|| {
        if let Some(cgroup) = cgroup.as_ref().filter(|cgroup| !cgroup.has(process::own_pid())) {
            // What it cannot kill is killed one by one.
            let _not_all = cgroup.kill();
        }
        let belongs = |pid| {
            process::environment_has(pid, &[&instance, &run])
                || cgroup.as_ref().is_some_and(|cgroup| cgroup.has(pid))
        };
        let members = process::all().into_iter().filter_map(|pid| hold_if(pid, belongs)).collect();
        Look { members, unsure: cgroup.as_ref().is_some_and(Cgroup::is_populated) }
    });
    process::reap_all();
    if let Some(cgroup) = cgroup {
        // Only survivors keep it, and they are in the report.
        let _busy = cgroup.remove();
    }
    swept
}

/// Kills all descendants of the calling process, except those in `keep`, the children started through
/// [`crate::sys::children::start`], and what descends from these. It blocks.
///
/// A server that is a subreaper calls it when a runner died: what that had started is now the server's.
pub fn sweep_children(keep: &[Pid]) -> Swept {
    // What descends from a subreaper is a child, or below one.
    if !process::has_children() {
        return Swept::default();
    }
    let swept = kill_until_all_are_dead(|| {
        let mut roots = process::children(process::own_pid());
        roots.retain(|pid| !keep.contains(pid));
        walk(roots, None, &|_| true)
    });
    process::reap_all();
    swept
}

/// Takes hold of a process and looks who owns it then, so that a later process with its number is not meant.
fn hold_if(pid: Pid, belongs: impl Fn(Pid) -> bool) -> Option<Member> {
    if pid == process::own_pid() || pid.is_init() || is_own(pid) {
        return None;
    }
    let process = PidFd::open(pid).ok()??;
    let seen = belongs(pid).then(|| process::look(pid)).flatten()?;
    (!seen.zombie && !process.is_dead()).then_some(Member { process, name: seen.name, is_frame: false })
}
