//! `quire doctor`: what this machine can do for quire, and what it cannot.
//!
//! One file a family: `look` gathers facts, `judge` is a function from them to checks, `check` is both. A new family is
//! a file, and its line in [`FAMILIES`] (with its `mod`).

mod bwrap;
mod cgroup;
mod check;
mod config;
mod container;
mod data;
mod database;
mod git;
mod hooks;
mod instance;
mod owners;
mod repos;
mod reset;
mod runs;
mod secrets;
mod server;
mod spool;
mod walls;

use serde_json::{Value, json};

use super::exit::{Code, Ended, print, print_json};
use crate::config::DataDir;
use check::{Check, Level};

pub(super) use reset::reset_caches;

/// What is looked at: its name, and who looks.
type Family = (&'static str, fn(&DataDir) -> Vec<Check>);

/// What is looked at, in this order.
const FAMILIES: &[Family] = &[
    ("git", git::check),
    ("data", data::check),
    ("data", owners::check),
    ("data", instance::check),
    ("database", database::check),
    ("server", server::check),
    ("hooks", hooks::check),
    ("repos", repos::check),
    ("spool", spool::check),
    ("runs", runs::check),
    ("config", config::check),
    ("walls", walls::check),
    ("secrets", secrets::check),
    ("cgroup", cgroup::check),
    ("container", container::check),
    ("bwrap", bwrap::check),
];

/// `quire doctor`.
pub(super) fn doctor(data: &DataDir, as_json: bool) -> Ended {
    let checks: Vec<(&str, Check)> = FAMILIES
        .iter()
        .flat_map(|(family, check)| check(data).into_iter().map(|check| (*family, check)))
        .collect();
    let count = |level: Level| checks.iter().filter(|(_, check)| check.level == level).count();
    let (warnings, problems) = (count(Level::Warning), count(Level::Problem));
    if as_json {
        print_json(&json!({
            "data": data.path(),
            "problems": problems,
            "warnings": warnings,
            "checks": checks.iter().map(|(family, check)| value(family, check)).collect::<Vec<_>>(),
        }));
    } else {
        let lines: Vec<String> = checks.iter().map(|(family, check)| check.lines(family)).collect();
        print(&lines.concat());
        print(&format!("{}, {}\n", counted(problems, "problem"), counted(warnings, "warning")));
    }
    Ok(if problems == 0 { Code::Done } else { Code::Failed })
}

fn value(family: &str, check: &Check) -> Value {
    json!({
        "family": family,
        "level": check.level.as_str(),
        "what": check.what,
        "why": check.why,
        "hint": check.hint,
    })
}

fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
