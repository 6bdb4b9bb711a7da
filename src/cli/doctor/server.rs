//! Whether a server has the data folder, and answers.

use std::time::Duration;

use super::check::Check;
use crate::config::DataDir;
use crate::sys::{http_client, lock};

/// How long the server may be silent.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy)]
struct Facts {
    is_held: bool,
    pid: Option<i32>,
    has_socket: bool,
    answers: bool,
}

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    let answer = || http_client::request(&data.socket(), "GET", "/healthz", b"", PATIENCE);
    let is_held = lock::is_held(&data.server_lock()).unwrap_or(false);
    let pid = lock::holder_pid(&data.server_lock()).ok().flatten();
    judge(Facts {
        is_held,
        pid: pid.map(crate::sys::process::Pid::as_raw_pid),
        has_socket: data.socket().symlink_metadata().is_ok(),
        answers: is_held && answer().is_ok_and(|answer| answer.status == 200),
    })
}

fn judge(facts: Facts) -> Vec<Check> {
    let process = facts.pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
    vec![match facts {
        Facts { is_held: false, .. } => Check::warning(
            "no server runs",
            "pushes are stored, and run when it comes",
            "quire serve, or quire service install",
        ),
        Facts { answers: true, .. } => Check::ok(format!("it runs and answers{process}")),
        Facts { has_socket: false, .. } => Check::ok(format!("it runs without a socket{process}")),
        Facts { .. } => Check::problem(
            format!("it has the data folder and does not answer{process}"),
            "hooks wait 2 seconds and use the spool; nothing runs",
            "its log says why; stop it by that number and start it again",
        ),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::{Level, levels};

    #[test]
    fn a_server_runs_or_not_and_answers_or_not() {
        let runs = Facts { is_held: true, pid: Some(7), has_socket: true, answers: true };
        for (facts, level) in [
            (runs, Level::Ok),
            (Facts { answers: false, has_socket: false, ..runs }, Level::Ok),
            (Facts { answers: false, ..runs }, Level::Problem),
            (Facts { is_held: false, answers: false, ..runs }, Level::Warning),
        ] {
            assert_eq!(levels(&judge(facts)), [level]);
        }
    }
}
