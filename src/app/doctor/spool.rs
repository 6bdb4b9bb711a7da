//! What waits in the spool.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use super::check::Check;
use crate::config::DataDir;
use crate::sys::folder::open_regular;
use crate::sys::lock;

/// How long a running server may leave a push in the spool.
const LATE: Duration = Duration::from_secs(60);

#[derive(Default, Clone)]
struct Facts {
    waiting: usize,
    foreign: usize,
    oldest: Duration,
    is_served: bool,
    /// What could not be read: the file or folder, and why.
    unread: Vec<String>,
}

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    let mut facts =
        Facts { is_served: lock::is_held(&data.server_lock()).unwrap_or(false), ..Facts::default() };
    if let Err(error) = look(&data.spool(), &mut facts) {
        facts.unread.push(format!("{}: {error}", data.spool().display()));
    }
    judge(facts)
}

/// Looks at each file; an intent is opened, as the server does.
fn look(folder: &Path, facts: &mut Facts) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let is = |extension: &str| path.extension().is_some_and(|there| there == extension);
        facts.foreign += usize::from(is("foreign"));
        if !is("json") {
            continue;
        }
        match fs::symlink_metadata(&path) {
            Ok(there) if there.is_file() => {
                facts.waiting += 1;
                let age = there.modified()?.elapsed().unwrap_or_default();
                facts.oldest = facts.oldest.max(age);
                let read = open_regular(&path).and_then(|mut file| file.read(&mut [0; 1]));
                facts.unread.extend(read.err().map(|error| format!("{}: {error}", path.display())));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => facts.unread.push(format!("{}: {error}", path.display())),
            Ok(_) => {}
        }
    }
    Ok(())
}

fn judge(facts: Facts) -> Vec<Check> {
    let hint = "make it readable for the account of the server; a file that is lost for good can be removed";
    let why =
        "no push to its repository runs until it was read; without a repository in its name, no push at all";
    let mut checks: Vec<Check> =
        facts.unread.iter().map(|what| Check::problem(format!("could not read {what}"), why, hint)).collect();
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
        let what = format!("{} files were not pushes and were set aside", facts.foreign);
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
    use crate::app::doctor::check::{Level, levels};

    #[test]
    fn what_waits_too_long_is_a_problem() {
        let waits = || Facts { waiting: 2, oldest: LATE, is_served: true, ..Facts::default() };
        for (facts, expected) in [
            (Facts::default(), &[Level::Ok][..]),
            (waits(), &[Level::Problem]),
            (Facts { oldest: LATE - Duration::from_millis(1), ..waits() }, &[Level::Ok]),
            (Facts { is_served: false, ..waits() }, &[Level::Warning]),
            (Facts { foreign: 1, ..Facts::default() }, &[Level::Warning]),
            (Facts { unread: vec!["x".to_owned()], ..Facts::default() }, &[Level::Problem]),
        ] {
            assert_eq!(levels(&judge(facts)), expected);
        }
    }
}
