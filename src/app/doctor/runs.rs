//! Runs that wait for something that does not come by itself, and what ended runs have left.

use super::check::Check;
use crate::config::DataDir;
use crate::journal::RunRecord;
use crate::model::Progress;
use crate::run::{Lease as _, RunLock};
use crate::store::{self, RunFilter, RunRow};

/// How many of the newest runs are checked, in addition to those that have not ended.
const MAX_RUNS: usize = 200;

/// How many runs of a kind are named.
const MAX_NAMED: usize = 10;

/// What was found about runs, by their names.
#[derive(Debug, Default)]
struct Facts {
    /// Their lock is held by a process that is not a runner.
    held: Vec<String>,
    /// They could not be started, with the reason.
    waiting: Vec<String>,
    /// The folders that ended runs have left.
    left: Vec<String>,
    /// Another process wrote to their journals.
    tampered: Vec<String>,
}

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    if !data.database().exists() {
        return Vec::new();
    }
    // A database that cannot be read is a finding of its own.
    let Ok(connection) = store::open_read_only(&data.database()) else { return Vec::new() };
    let newest = store::list_runs(&connection, &RunFilter::newest(None, MAX_RUNS));
    let (Ok(unfinished), Ok(newest)) = (store::unfinished_runs(&connection), newest) else {
        return Vec::new();
    };
    let mut facts = Facts::default();
    for row in &unfinished {
        facts.look_at_unfinished(data, row);
    }
    for row in newest.iter().filter(|row| row.state == Progress::Finished) {
        facts.look_at_finished(data, row);
    }
    facts.judge()
}

impl Facts {
    fn look_at_unfinished(&mut self, data: &DataDir, row: &RunRow) {
        let lock = RunLock::of(&data.run(&row.repo, row.number));
        if lock.is_held().unwrap_or(false) && !matches!(lock.runner(), Ok(Some(_))) {
            self.held.push(format!("{}#{}: {}", row.repo, row.number, lock.path().display()));
        } else if let Some(reason) = row.reason.as_ref().filter(|_| row.state == Progress::Queued) {
            self.waiting.push(format!("{}#{}: {reason}", row.repo, row.number));
        }
    }

    fn look_at_finished(&mut self, data: &DataDir, row: &RunRow) {
        let run_dir = data.run(&row.repo, row.number);
        let work = run_dir.join("work");
        if work.symlink_metadata().is_ok() {
            self.left.push(format!("{}#{}: {}", row.repo, row.number, work.display()));
        }
        if RunRecord::try_read(&run_dir).is_ok_and(|record| record.is_tampered) {
            self.tampered.push(format!("{}#{}", row.repo, row.number));
        }
    }

    fn judge(self) -> Vec<Check> {
        let kinds = [
            (
                self.held,
                "the lock of a run is held by a process that is not a runner",
                "end the process that has the file open (fuser -v FILE); the run is settled then",
            ),
            (self.waiting, "a run could not be started", "it is tried again until it can be"),
            (
                self.left,
                "the workspace of a run that has ended could not be removed",
                "is it immutable (lsattr -d), mounted (findmnt), or of another account? remove it by hand",
            ),
            (
                self.tampered,
                "another process has written to the journal of a run",
                "steps of the server's account can do that: :steps {:user …} or {:sandbox :bwrap} keeps them out",
            ),
        ];
        let found = kinds.into_iter().filter(|(names, _, _)| !names.is_empty());
        let mut checks: Vec<Check> =
            found.map(|(names, what, hint)| Check::warning(what, named(&names), hint)).collect();
        if checks.is_empty() {
            checks.push(Check::ok("no run is stuck, and nothing is left of those that have ended"));
        }
        checks
    }
}

/// The first of many names, a line each.
fn named(names: &[String]) -> String {
    let mut lines: Vec<String> = names.iter().take(MAX_NAMED).cloned().collect();
    if names.len() > MAX_NAMED {
        lines.push(format!("and {} more", names.len() - MAX_NAMED));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::check::{Level, levels};

    #[test]
    fn each_kind_is_one_warning_that_names_its_runs() {
        assert_eq!(levels(&Facts::default().judge()), [Level::Ok]);
        let many = (0..12).map(|number| format!("foo#{number}")).collect();
        let checks = Facts { held: vec!["a#1".to_owned()], left: many, ..Facts::default() }.judge();
        assert_eq!(levels(&checks), [Level::Warning, Level::Warning]);
        assert_eq!(checks[0].why.as_deref(), Some("a#1"));
        assert!(checks[1].why.as_deref().unwrap().ends_with("foo#9\nand 2 more"));
    }
}
