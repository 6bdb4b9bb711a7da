//! `quire doctor`: what this machine can do for quire, and what it cannot.

use serde_json::{Value, json};

use super::exit::{Code, Ended, print, print_json};
use super::place::variable;
use crate::app::{self, Check, Examined, Level};
use crate::config::DataDir;

/// `quire doctor`.
pub(super) fn doctor(data: &DataDir, as_json: bool) -> Ended {
    let checks = app::doctor(Examined { data, path: variable("PATH").as_deref() });
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
