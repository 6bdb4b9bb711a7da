//! `quire runs` and `quire show`: they read, with or without a server.

use jiff::tz::TimeZone;
use serde_json::json;

use super::ask::here;
use super::exit::{Code, Ended, print, print_error, print_json, stdout_screen};
use super::place::{expect_access, note_if_empty};
use super::run_filter::RunFilterArgs;
use crate::app::{self, Problem, find_run_or_latest, list_run_shapes, run_shape};
use crate::config::DataDir;
use crate::sys::clock;
use crate::view::{RunShape, plain, run_list, run_page};

/// `quire runs`.
pub(super) fn list(data: &DataDir, filter: &RunFilterArgs, as_json: bool) -> Ended {
    let zone = TimeZone::system();
    let request = filter.request(clock::now(), &zone)?;
    let of = filter.repo().map(|repo| format!(" of {repo}")).unwrap_or_default();
    let none = match filter.is_narrow() {
        true => format!("no such runs{of}"),
        false => format!("no runs yet{of}; push to a repository that has .quire/ci.fnl"),
    };
    let runs = here(data, async |app| list_run_shapes(app, request).await)?.runs;
    if as_json {
        print_json(&json!(runs));
    } else {
        print_list(&runs, &none);
    }
    Ok(Code::Done)
}

/// Prints runs as a list; `none` when it is empty.
pub(crate) fn print_list(runs: &[RunShape], none: &str) {
    for problem in runs.iter().filter_map(|run| run.problem.as_ref()) {
        print_error(&format!("warning: {}\n", plain(problem)));
    }
    note_if_empty(runs.is_empty(), none);
    print(&run_list(runs, &TimeZone::system(), stdout_screen()));
}

/// `quire show`.
pub(super) fn show(data: &DataDir, run: &str, as_json: bool) -> Ended {
    let run = here(data, async |app| {
        let row = find_run_or_latest(app, run).await?;
        expect_access(app, &row)?;
        run_shape(app, row).await
    })?;
    print_run(&run, as_json);
    match run.problem {
        None => Ok(Code::Done),
        Some(problem) => Err(Problem::new(app::Code::RunUnreadable, plain(&problem)).into()),
    }
}

/// Prints a run.
pub(super) fn print_run(run: &RunShape, as_json: bool) {
    if as_json {
        print_json(&json!(run));
    } else {
        print(&run_page(run, stdout_screen()));
    }
}
