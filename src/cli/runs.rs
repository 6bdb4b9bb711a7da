//! `quire runs` and `quire show`: they read, with or without a server.

use super::ask::here;
use super::exit::{Code, Ended, Failure, print, print_json, stdout_screen};
use super::place::{expect_access, note_if_empty};
use crate::app::{ListRuns, expect_readable, find_run_or_latest, list_runs};
use crate::config::DataDir;
use crate::model::RepoName;
use crate::view::{RunView, plain, run_json, run_list, run_page, runs_json};

/// `quire runs`.
pub(super) fn list(data: &DataDir, repo: Option<&str>, limit: usize, as_json: bool) -> Ended {
    let of = repo.map(|repo| format!(" of {repo}")).unwrap_or_default();
    let none = format!("no runs yet{of}; push to a repository that has .quire/ci.fnl");
    list_or_note(data, repo, (limit, as_json), &none)
}

/// The same; `none` is printed when the list is empty.
pub(crate) fn list_or_note(
    data: &DataDir,
    repo: Option<&str>,
    (limit, as_json): (usize, bool),
    none: &str,
) -> Ended {
    let repo = repo.map(RepoName::parse).transpose().map_err(|error| Failure::new(Code::Usage, error))?;
    let views = here(data, async |app| list_runs(app, ListRuns { repo, limit }).await)?;
    if as_json {
        warn_of_problems(&views);
        print_json(&runs_json(&views));
    } else {
        print_list(&views, none);
    }
    Ok(Code::Done)
}

/// Prints runs as a list; `none` when it is empty.
pub(crate) fn print_list(views: &[RunView], none: &str) {
    warn_of_problems(views);
    note_if_empty(views.is_empty(), none);
    print(&run_list(views, &jiff::tz::TimeZone::system(), stdout_screen()));
}

/// Warns of runs whose records cannot be read.
fn warn_of_problems(views: &[RunView]) {
    for problem in views.iter().filter_map(|view| view.problem.as_ref()) {
        eprintln!("warning: {}", plain(problem));
    }
}

/// `quire show`.
pub(super) fn show(data: &DataDir, run: &str, as_json: bool) -> Ended {
    let view = here(data, async |app| {
        let row = find_run_or_latest(app, run).await?;
        expect_access(app, &row)?;
        Ok(app.view(row).await)
    })?;
    if as_json {
        print_json(&run_json(&view));
    } else {
        print(&run_page(&view, stdout_screen()));
    }
    expect_readable(&view)?;
    Ok(Code::Done)
}
