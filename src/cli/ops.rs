//! `quire wait`, `cancel` and `rerun`: through the server, or without one as far as that goes.

use std::time::Duration;

use serde_json::{Value, json};

use super::access::{self, Access};
use super::exit::{Code, Ended, Failure, print, print_json, verdict};
use super::place::{self, find_run, server_url};
use crate::config::DataDir;
use crate::journal::StopReason;
use crate::model::{Outcome, Progress};
use crate::run::{self, Message};
use crate::store::{self, RunRow};
use crate::sys::inotify::Inotify;
use crate::sys::lock::{self, LockFile};
use crate::sys::pidfd::{self, PidFd};
use crate::sys::{clock, http_client, user};
use crate::view::{RunView, push_verdict, run_json};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one request may wait for the end of a run.
const LONG_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// What a server answers that has no place for a request now, and when it is asked again.
const BUSY: u16 = 503;
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 1 << 20;

/// `quire wait`.
pub(super) fn wait(data: &DataDir, run: &str, as_json: bool) -> Ended {
    let row = find_run(data, run)?;
    if row.state != Progress::Finished {
        let target = format!("/runs/{}/end", row.id);
        while let Some(pause) = wait_for_end(data, &row, &target)? {
            std::thread::sleep(pause);
        }
    }
    let view = RunView::load(data, find_run(data, run)?, server_url(data).as_deref());
    if as_json {
        print_json(&run_json(&view));
    } else {
        print(&push_verdict(&view));
    }
    Ok(verdict(view.outcome()))
}

/// Has the server answer when the run has ended; the time after which to ask again when it is busy.
fn wait_for_end(data: &DataDir, row: &RunRow, target: &str) -> Result<Option<Duration>, Failure> {
    let answer = http_client::request(&data.socket(), "GET", target, b"", LONG_PATIENCE);
    match answer.and_then(|answer| Ok((answer.status, answer.read(MAX_ANSWER)?))) {
        Ok((BUSY, _)) => Ok(Some(RETRY_AFTER)),
        Ok(_) => Ok(None),
        Err(error) => without_server(data, row, &error).map(|()| None),
    }
}

/// Waits for a run whose server is not there: its runner may be.
fn without_server(data: &DataDir, row: &RunRow, error: &std::io::Error) -> Result<(), Failure> {
    let view = RunView::load(data, row.clone(), None);
    if view.has_ended() {
        return Ok(());
    }
    if place::serves_without_socket(data) {
        return until_ended(data, row);
    }
    let held = data.run(&row.repo, row.number).join("lock");
    let pid = lock::holder_pid(&held).ok().flatten();
    let process = pid.and_then(|pid| PidFd::open(pid).ok().flatten());
    match process.filter(|_| lock::is_held(&held).unwrap_or(false)) {
        Some(process) => {
            pidfd::wait_all(vec![process], LONG_PATIENCE);
            Ok(())
        }
        None => Err(Failure::new(Code::Broken, format!("the server does not answer: {error}"))
            .hint("the run begins when `quire serve` is there")),
    }
}

/// Waits for a run of a server that has no socket: by what changes in the data folder.
fn until_ended(data: &DataDir, row: &RunRow) -> Result<(), Failure> {
    let broken = |error: std::io::Error| Failure::broken(&error);
    let server = lock::holder_pid(&data.server_lock()).ok().flatten();
    let server = server.and_then(|pid| PidFd::open(pid).ok().flatten());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    runtime.block_on(async {
        let inotify = Inotify::new().map_err(broken)?;
        let run_dir = data.run(&row.repo, row.number);
        loop {
            // Watched first, then read. The folder itself has the database, in which a queued run can end.
            let folders = [data.path().to_owned(), data.path().join("runs"), data.runs(&row.repo), run_dir.clone()];
            for folder in folders.iter().filter(|folder| folder.is_dir()) {
                inotify.watch(folder).map_err(broken)?;
            }
            if find_run(data, &row.id.to_string())?.state == Progress::Finished {
                return Ok(());
            }
            let gone = async {
                match &server {
                    Some(server) => server.dead().await,
                    None => Ok(()),
                }
            };
            tokio::select! {
                changes = inotify.changes() => { changes.map_err(broken)?; }
                _ = gone => {
                    return Err(Failure::new(Code::Broken, "the server has gone while the run had not ended")
                        .hint("wait again when `quire serve` is there"));
                }
                () = tokio::time::sleep(LONG_PATIENCE) => return Err(Failure::new(Code::Broken, "the run does not end")),
            }
        }
    })
}

/// `quire cancel`.
pub(super) fn cancel(data: &DataDir, run: &str, as_json: bool) -> Ended {
    let row = find_run(data, run)?;
    if RunView::load(data, row.clone(), None).has_ended() {
        return Err(Failure::new(Code::Failed, format!("{run} has ended already")));
    }
    let by = user::login_name();
    let answer = match ask(data, &format!("/runs/{}/cancel", row.id), by.as_deref()) {
        Some(answer) => answer,
        None => (200, cancel_alone(data, &row, by)?),
    };
    match answer {
        (200, value) => {
            if as_json {
                print_json(&value);
            } else {
                print(&format!("{}#{} is told to stop\n", row.repo, row.number));
            }
            Ok(Code::Done)
        }
        (409, _) => Err(Failure::new(Code::Failed, format!("{run} has ended already"))),
        (_, value) => Err(refused(&value)),
    }
}

/// Cancels without a server: a runner hears it by itself, and a queued run is ended in the database.
fn cancel_alone(data: &DataDir, row: &RunRow, by: Option<String>) -> Result<Value, Failure> {
    let done = json!({ "cancelled": row.id.to_string() });
    let message = Message::Stop { reason: StopReason::Cancelled { by } };
    if run::tell(&data.run(&row.repo, row.number), &message).is_ok() {
        return Ok(done);
    }
    // A run whose runner lives must not have an end while its steps go on.
    let lock = data.run(&row.repo, row.number).join("lock");
    if crate::sys::lock::is_held(&lock).map_err(|error| Failure::broken(&error))? {
        let problem = format!("the runner of {}#{} does not answer", row.repo, row.number);
        return Err(
            Failure::new(Code::Broken, problem).hint("quire serve ends runs whose runner does not answer")
        );
    }
    let (connection, _lock) = alone(data)?;
    let ended = store::finish_run(&connection, row.id, Outcome::Cancelled, Some("cancelled"), clock::now());
    ended.map(|_| done).map_err(|error| Failure::broken(&error))
}

/// `quire rerun`.
pub(super) fn rerun(data: &DataDir, run: &str, as_json: bool) -> Ended {
    let row = find_run(data, run)?;
    let by = user::login_name();
    let value = match ask(data, &format!("/runs/{}/rerun", row.id), by.as_deref()) {
        Some((201, value)) => value,
        Some((_, value)) => return Err(refused(&value)),
        None => {
            let (connection, _lock) = alone(data)?;
            let (id, new) =
                run::rerun(&connection, &row, by.as_deref()).map_err(|error| Failure::broken(&error))?;
            json!({ "id": id.to_string(), "repo": new.repo.as_str(), "number": new.number })
        }
    };
    if as_json {
        print_json(&value);
    } else {
        let repo = value.get("repo").and_then(Value::as_str).unwrap_or_default();
        print(&format!("{repo}#{}\n", value.get("number").and_then(Value::as_u64).unwrap_or_default()));
    }
    Ok(Code::Done)
}

/// Asks the server; nothing when it does not answer.
pub(super) fn ask(data: &DataDir, target: &str, by: Option<&str>) -> Option<(u16, Value)> {
    let body = json!({ "by": by }).to_string();
    let answer = http_client::request(&data.socket(), "POST", target, body.as_bytes(), PATIENCE).ok()?;
    let status = answer.status;
    let value = serde_json::from_slice(&answer.read(MAX_ANSWER).ok()?).unwrap_or(Value::Null);
    Some((status, value))
}

pub(super) fn refused(value: &Value) -> Failure {
    let problem = value.get("error").and_then(Value::as_str).unwrap_or("the server refused without a reason");
    Failure::new(Code::Broken, problem)
}

/// The database for writing, while no server has the data folder.
pub(crate) fn alone(data: &DataDir) -> Result<(rusqlite::Connection, LockFile), Failure> {
    access::check(data, Access::Write)?;
    let lock = LockFile::try_acquire(&data.server_lock()).map_err(|error| Failure::broken(&error))?;
    let lock = lock.ok_or_else(|| {
        if place::serves_without_socket(data) {
            return Failure::new(
                Code::Broken,
                "the server of this data folder has no socket to be asked over",
            )
            .hint("what is queued is changed by a server that was started without --no-socket, or by none");
        }
        Failure::new(Code::Broken, "a server has the data folder, but it does not answer")
            .hint("is it stopped?")
    })?;
    let connection = store::open(&data.database()).map_err(|error| Failure::broken(&error))?;
    Ok((connection, lock))
}
