//! `quire wait`, `cancel` and `rerun`.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::ask::{here, perform};
use super::exit::{Code, Ended, Failure, print, print_json, verdict};
use super::place::expect_access;
use crate::app::{self, CancelRun, NamedRun, RerunRun, WaitForRun, find_run, find_run_or_latest, run_shape};
use crate::config::DataDir;
use crate::sys::user;
use crate::view::run_verdict;

/// When a server is asked again that was busy.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Which part of a run is repeated; all of it by default.
#[derive(Debug, Args)]
pub(super) struct RerunPart {
    /// Only the jobs that failed, and what needs them; the others keep their outcomes and outputs
    #[arg(long, conflicts_with = "job")]
    failed: bool,
    /// Only this job, and what needs it
    #[arg(long, value_name = "ID")]
    job: Option<String>,
}

impl RerunPart {
    /// The body of the request.
    pub(super) fn body(&self) -> Value {
        match &self.job {
            Some(job) => json!({ "job": job }),
            None => json!({ "failed": self.failed }),
        }
    }
}

/// `quire wait`.
pub(super) fn wait(data: &DataDir, run: &str, as_json: bool) -> Ended {
    // The latest run of a repository is the one that is the latest now.
    let run = here(data, async |app| {
        let row = find_run_or_latest(app, run).await?;
        expect_access(app, &row).map(|()| row.id.to_string())
    })?;
    while let Err(problem) = perform(data, WaitForRun { run: run.clone() }) {
        if problem.code != app::Code::ServerBusy {
            return Err(problem.into());
        }
        std::thread::sleep(RETRY_AFTER);
    }
    let (view, shape) = here(data, async |app| {
        let row = find_run(app, &run).await?;
        Ok((app.view(row.clone()).await, run_shape(app, row).await?))
    })?;
    if as_json {
        print_json(&json!(shape));
    } else {
        print(&run_verdict(&view, "quire"));
    }
    Ok(verdict(view.outcome()))
}

/// `quire cancel`.
pub(super) fn cancel(data: &DataDir, run: &str, as_json: bool) -> Ended {
    let NamedRun { id, repo, number } =
        perform(data, CancelRun { run: run.to_owned(), by: user::login_name() })?;
    if as_json {
        print_named(data, &id)?;
    } else {
        print(&format!("{repo}#{number} is being stopped\n"));
    }
    Ok(Code::Done)
}

/// `quire rerun`.
pub(super) fn rerun(data: &DataDir, run: &str, part: RerunPart, as_json: bool) -> Ended {
    let NamedRun { id, repo, number } = perform(
        data,
        RerunRun { run: run.to_owned(), failed: part.failed, job: part.job, by: user::login_name() },
    )?;
    if as_json {
        print_named(data, &id)?;
    } else {
        print(&format!("{repo}#{number}\n"));
    }
    Ok(Code::Done)
}

/// Prints the run of this id as JSON, as it is now.
pub(super) fn print_named(data: &DataDir, id: &str) -> Result<(), Failure> {
    let run = here(data, async |app| run_shape(app, find_run(app, id).await?).await)?;
    print_json(&json!(run));
    Ok(())
}
