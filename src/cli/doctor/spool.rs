//! What waits in the spool.

use std::fs;
use std::time::Duration;

use super::check::Check;
use crate::config::DataDir;
use crate::sys::lock;

/// How long a running server may leave a push in the spool.
const LATE: Duration = Duration::from_secs(60);

#[derive(Default, Clone, Copy)]
struct Facts {
    waiting: usize,
    foreign: usize,
    oldest: Duration,
    is_served: bool,
}

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    let mut facts =
        Facts { is_served: lock::is_held(&data.server_lock()).unwrap_or(false), ..Facts::default() };
    for entry in fs::read_dir(data.spool()).into_iter().flatten().flatten() {
        let path = entry.path();
        let is = |extension: &str| path.extension().is_some_and(|there| there == extension);
        facts.foreign += usize::from(is("foreign"));
        if is("json") {
            facts.waiting += 1;
            let written = entry.metadata().and_then(|there| there.modified()).ok();
            let age = written.and_then(|written| written.elapsed().ok()).unwrap_or_default();
            facts.oldest = facts.oldest.max(age);
        }
    }
    judge(facts)
}

fn judge(facts: Facts) -> Vec<Check> {
    let mut checks = Vec::new();
    let what = match facts.waiting {
        1 => "1 push waits".to_owned(),
        count => format!("{count} pushes wait"),
    };
    if facts.is_served && facts.waiting > 0 && facts.oldest >= LATE {
        checks.push(Check::problem(what, "a server runs and does not take them", "its log says why"));
    } else if !facts.is_served && facts.waiting > 0 {
        checks.push(Check::warning(what, "no server runs to take them", "quire serve"));
    }
    if facts.foreign > 0 {
        let what = format!("{} files were no pushes and are put aside", facts.foreign);
        checks.push(Check::warning(
            what,
            "another program, or another version, wrote them",
            "look at spool/*.foreign, then remove them",
        ));
    }
    if checks.is_empty() { vec![Check::ok("nothing waits")] } else { checks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::{Level, levels};

    #[test]
    fn what_waits_too_long_is_a_problem() {
        let waits = Facts { waiting: 2, oldest: LATE, is_served: true, foreign: 0 };
        for (facts, wanted) in [
            (Facts::default(), &[Level::Ok][..]),
            (waits, &[Level::Problem]),
            (Facts { oldest: LATE - Duration::from_millis(1), ..waits }, &[Level::Ok]),
            (Facts { is_served: false, ..waits }, &[Level::Warning]),
            (Facts { foreign: 1, ..Facts::default() }, &[Level::Warning]),
        ] {
            assert_eq!(levels(&judge(facts)), wanted);
        }
    }
}
