//! Whether steps can have cgroups of their own. One is made, because only that shows whether it works.

use super::check::Check;
use crate::config::DataDir;
use crate::sys::cgroup::Cgroup;
use crate::sys::process::own_pid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// No cgroup v2, or not to be seen from here.
    Nothing,
    /// No folder can be made in it.
    Closed,
    /// It cannot kill what is in it: Linux before 5.14.
    Old,
    Usable,
}

pub(super) fn check(_: &DataDir) -> Vec<Check> {
    judge(try_one())
}

fn try_one() -> Found {
    let Some(own) = Cgroup::own() else { return Found::Nothing };
    let mine = own.child(&format!("quire-doctor-{}", own_pid()));
    if mine.create().is_err() {
        return Found::Closed;
    }
    let found = if mine.can_kill() { Found::Usable } else { Found::Old };
    // It is empty, so that nothing is in the way.
    let _stays = mine.remove().is_err();
    found
}

fn judge(found: Found) -> Vec<Check> {
    let why = "what a step leaves behind is found by descent, session and environment; a process that has left all \
               three stays while another step runs";
    vec![match found {
        Found::Usable => Check::ok("steps get cgroups of their own"),
        Found::Nothing => Check::warning(
            "cgroup v2 is not available",
            why,
            "boot with systemd.unified_cgroup_hierarchy=1; in a container, mount it",
        ),
        Found::Closed => Check::warning(
            "no cgroup can be made here",
            why,
            "quire service install: systemd gives one to the service (Delegate=yes)",
        ),
        Found::Old => Check::warning("cgroups cannot be killed here", why, "Linux 5.14 or newer can"),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::check::{Level, levels};

    #[test]
    fn only_a_usable_cgroup_is_in_order() {
        assert_eq!(levels(&judge(Found::Usable)), [Level::Ok]);
        for found in [Found::Nothing, Found::Closed, Found::Old] {
            assert_eq!(levels(&judge(found)), [Level::Warning], "{found:?}");
        }
    }

    #[test]
    fn the_trial_leaves_nothing() {
        let _found = try_one();
        let mine = Cgroup::own().map(|own| own.child(&format!("quire-doctor-{}", own_pid())));
        assert!(mine.is_none_or(|mine| mine.door().is_err()));
    }
}
