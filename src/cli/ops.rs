//! `quire wait`, `cancel` and `rerun`.

use std::time::Duration;

use serde_json::{Value, json};

use super::access::{self, Access};
use super::ask::{here, perform};
use super::exit::{Code, Ended, Failure, print, print_json, verdict};
use super::place::expect_access;
use crate::app::{
    self, CancelRun, NamedRun, RerunRun, WaitForRun, find_run, serves_without_socket, show_run,
};
use crate::config::DataDir;
use crate::store;
use crate::sys::lock::LockFile;
use crate::sys::{http_client, user};
use crate::view::{push_verdict, run_json};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// When a server is asked again that was busy.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 1 << 20;

/// `quire wait`.
pub(super) fn wait(data: &DataDir, run: &str, as_json: bool) -> Ended {
    here(data, async |app| expect_access(app, &find_run(app, run).await?))?;
    while let Err(problem) = perform(data, WaitForRun { run: run.to_owned() }) {
        if problem.code != app::Code::ServerBusy {
            return Err(problem.into());
        }
        std::thread::sleep(RETRY_AFTER);
    }
    let view = here(data, async |app| show_run(app, run).await)?;
    if as_json {
        print_json(&run_json(&view));
    } else {
        print(&push_verdict(&view));
    }
    Ok(verdict(view.outcome()))
}

/// `quire cancel`.
pub(super) fn cancel(data: &DataDir, run: &str, as_json: bool) -> Ended {
    let NamedRun { id, repo, number } =
        perform(data, CancelRun { run: run.to_owned(), by: user::login_name() })?;
    if as_json {
        print_json(&json!({ "cancelled": id }));
    } else {
        print(&format!("{repo}#{number} is told to stop\n"));
    }
    Ok(Code::Done)
}

/// `quire rerun`.
pub(super) fn rerun(data: &DataDir, run: &str, as_json: bool) -> Ended {
    let NamedRun { id, repo, number } =
        perform(data, RerunRun { run: run.to_owned(), by: user::login_name() })?;
    if as_json {
        print_json(&json!({ "id": id, "repo": repo, "number": number }));
    } else {
        print(&format!("{repo}#{number}\n"));
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
        if serves_without_socket(data) {
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
