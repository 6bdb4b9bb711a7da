//! `quire runs` and `quire show`: they read, with or without a server.

use jiff::tz::TimeZone;
use serde_json::json;

use super::ask::here;
use super::exit::{Code, Ended, print, print_error, print_json, stdout_screen};
use super::place::{expect_access, note_if_empty};
use super::run_filter::RunFilterArgs;
use crate::app::{expect_readable, find_run_or_latest, list_run_shapes, list_runs, run_shape};
use crate::config::DataDir;
use crate::sys::clock;
use crate::view::{RunView, plain, run_list, run_page};

/// `quire runs`.
pub(super) fn list(data: &DataDir, filter: &RunFilterArgs, as_json: bool) -> Ended {
    let zone = TimeZone::system();
    let request = filter.request(clock::now(), &zone)?;
    let of = filter.repo().map(|repo| format!(" of {repo}")).unwrap_or_default();
    let none = match filter.is_narrow() {
        true => format!("no such runs{of}"),
        false => format!("no runs yet{of}; push to a repository that has .quire/ci.fnl"),
    };
    if as_json {
        print_json(&json!(here(data, async |app| list_run_shapes(app, request).await)?.runs));
    } else {
        print_list(&here(data, async |app| list_runs(app, request).await)?, &none);
    }
    Ok(Code::Done)
}

/// Prints runs as a list; `none` when it is empty.
pub(crate) fn print_list(views: &[RunView], none: &str) {
    warn_of_problems(views);
    note_if_empty(views.is_empty(), none);
    print(&run_list(views, &TimeZone::system(), stdout_screen()));
}

/// Warns of runs whose records cannot be read.
fn warn_of_problems(views: &[RunView]) {
    for problem in views.iter().filter_map(|view| view.problem.as_ref()) {
        print_error(&format!("warning: {}\n", plain(problem)));
    }
}

/// `quire show`.
pub(super) fn show(data: &DataDir, run: &str, as_json: bool) -> Ended {
    let (view, shape) = here(data, async |app| {
        let row = find_run_or_latest(app, run).await?;
        expect_access(app, &row)?;
        let shape = if as_json { Some(run_shape(app, row.clone()).await?) } else { None };
        Ok((app.view(row).await, shape))
    })?;
    if let Some(shape) = shape {
        print_json(&json!(shape));
    } else {
        print(&run_page(&view, stdout_screen()));
    }
    expect_readable(&view)?;
    Ok(Code::Done)
}
