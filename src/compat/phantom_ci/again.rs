//! `now`, `rerun` and `retry`: looks, runs and messages once more, while it runs or before it starts.

use super::NAME;
use super::files::Files;
use super::show::{last_runs, repositories, selected};
use crate::app::{
    Delivery, LookNow, NamedRun, RerunRun, RetriedNotification, RetryNotification, list_notifications,
};
use crate::cli::access::{self, Access};
use crate::cli::ask::{here, perform};
use crate::cli::exit::{Code, Ended, Failure, print};
use crate::model::RunName;
use crate::sys::user;

/// How many messages are looked through for those that could not be sent.
const MAX_MESSAGES: usize = 1000;

/// Looks at the repositories that a text stands for, all of them without one, and shows them.
pub(super) fn now(files: &Files, text: &str) -> Ended {
    if !files.is_running() {
        return Err(Failure::new(Code::Failed, format!("`{NAME}` is not running"))
            .hint(format!("`{NAME}` looks at every repository when it starts")));
    }
    for view in selected(files, text)? {
        perform(&files.data, LookNow { name: Some(view.watch.name.to_string()) })?;
    }
    repositories(files, text)
}

/// Queues a run once more: by its name, or the last one of the repositories that a text stands for.
pub(super) fn rerun(files: &Files, text: &str) -> Ended {
    access::check(&files.data, Access::Write)?;
    let run = if RunName::parse(text).is_ok() {
        text.to_owned()
    } else {
        let last = last_runs(files, text, 1)?.into_iter().next();
        last.map(|run| run.id).ok_or_else(|| {
            Failure::not_found("no run yet").hint(format!("`{NAME} repo` lists the repositories"))
        })?
    };
    let request = RerunRun { run, failed: false, job: None, by: user::login_name() };
    let NamedRun { repo, number, .. } = perform(&files.data, request)?;
    let when = if files.is_running() { String::new() } else { format!("; it runs when `{NAME}` does") };
    print(&format!("{repo}#{number} is queued{when}\n"));
    Ok(Code::Done)
}

/// Sends a message once more, or without an id all that could not be sent.
pub(super) fn retry(files: &Files, id: &str) -> Ended {
    access::check(&files.data, Access::Write)?;
    let ids = if id.is_empty() {
        let rows = here(&files.data, async |app| list_notifications(app, MAX_MESSAGES).await)?;
        let is_unsent = |state| match state {
            Delivery::GivenUp | Delivery::Waiting => true,
            Delivery::Sent => false,
        };
        rows.into_iter().filter(|row| is_unsent(row.state)).map(|row| row.id).collect()
    } else {
        vec![id.to_owned()]
    };
    if ids.is_empty() {
        print("everything was sent\n");
    }
    for id in ids {
        let RetriedNotification { subject, target, is_now } = perform(&files.data, RetryNotification { id })?;
        let when = if is_now { "now".to_owned() } else { format!("when `{NAME}` runs") };
        print(&format!("{subject} to {target} is tried {when}\n"));
    }
    Ok(Code::Done)
}
