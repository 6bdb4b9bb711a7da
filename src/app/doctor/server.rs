//! Whether a server has the data folder, and answers.

use std::time::Duration;

use super::check::Check;
use crate::app::ProblemFrame;
use crate::config::DataDir;
use crate::sys::{http_client, lock};

/// How long the server may be silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 64 * 1024;

#[derive(Clone)]
struct Facts {
    is_held: bool,
    pid: Option<i32>,
    has_socket: bool,
    health: Health,
}

/// What a server says of itself.
#[derive(Clone, PartialEq, Eq)]
enum Health {
    Ready,
    /// It answers, and names what it cannot do.
    Degraded(String),
    Silent,
}

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    let is_held = lock::is_held(&data.server_lock()).unwrap_or(false);
    let pid = lock::holder_pid(&data.server_lock()).ok().flatten();
    judge(Facts {
        is_held,
        pid: pid.map(crate::sys::process::Pid::as_raw_pid),
        has_socket: data.socket().symlink_metadata().is_ok(),
        health: if is_held { ask(data) } else { Health::Silent },
    })
}

fn ask(data: &DataDir) -> Health {
    let answer = http_client::request(&data.socket(), "GET", "/readyz", b"", PATIENCE);
    match answer.and_then(|answer| Ok((answer.status, answer.read(MAX_ANSWER)?))) {
        Ok((200, _)) => Health::Ready,
        Ok((_, text)) => Health::Degraded(troubles(&text)),
        Err(_) => Health::Silent,
    }
}

/// What a server says that it cannot do: in a problem, or as an older one does.
fn troubles(answer: &[u8]) -> String {
    let problem = serde_json::from_slice::<ProblemFrame>(answer).map(|frame| frame.into_problem().text);
    problem.unwrap_or_else(|_| String::from_utf8_lossy(answer).trim().to_owned())
}

fn judge(facts: Facts) -> Vec<Check> {
    let process = facts.pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
    vec![match facts {
        Facts { is_held: false, .. } => Check::warning(
            "no server runs",
            "pushes are stored, and run when it comes",
            "quire serve, or quire service install",
        ),
        Facts { health: Health::Ready, .. } => Check::ok(format!("it runs and answers{process}")),
        Facts { health: Health::Degraded(troubles), .. } => Check::problem(
            format!("it runs and cannot do all of its work{process}"),
            troubles,
            "its log says more; what it cannot do is tried again by itself",
        ),
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
    use crate::app::doctor::check::{Level, levels};

    #[test]
    fn a_server_runs_or_not_and_answers_or_not() {
        let runs = Facts { is_held: true, pid: Some(7), has_socket: true, health: Health::Ready };
        let degraded = Health::Degraded("degraded: the disk is full".to_owned());
        for (facts, level) in [
            (runs.clone(), Level::Ok),
            (Facts { health: degraded, ..runs.clone() }, Level::Problem),
            (Facts { health: Health::Silent, has_socket: false, ..runs.clone() }, Level::Ok),
            (Facts { health: Health::Silent, ..runs.clone() }, Level::Problem),
            (Facts { is_held: false, health: Health::Silent, ..runs }, Level::Warning),
        ] {
            assert_eq!(levels(&judge(facts)), [level]);
        }
    }
}
