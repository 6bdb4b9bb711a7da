//! `quire runs` and `quire show`: they read, with or without a server.

use super::exit::{Code, Ended, Failure, print, print_json};
use super::place::{database, find_run, note_if_empty, server_url};
use crate::config::DataDir;
use crate::model::RepoName;
use crate::store::{self, RunFilter};
use crate::view::{RunView, plain, run_json, run_list, run_page, runs_json};

/// `quire runs`.
pub(super) fn list(data: &DataDir, repo: Option<&str>, limit: usize, as_json: bool) -> Ended {
    let of = repo.map(|repo| format!(" of {repo}")).unwrap_or_default();
    let none = format!("no runs yet{of}; push to a repository that has .quire/ci.fnl");
    list_or_note(data, repo, (limit, as_json), &none)
}

/// The same; `none` is said when there are none.
pub(crate) fn list_or_note(
    data: &DataDir,
    repo: Option<&str>,
    (limit, as_json): (usize, bool),
    none: &str,
) -> Ended {
    let repo = repo.map(RepoName::parse).transpose().map_err(|error| Failure::new(Code::Usage, error))?;
    if let Some(name) = &repo
        && crate::forge::find(data.path(), name).is_err()
        && !data.watched_repo(name).is_dir()
    {
        return Err(Failure::not_found(format!("there is no repository {name}"))
            .hint("quire repo list and quire watch list list them"));
    }
    let filter = RunFilter { repo, limit };
    let rows = if data.database().exists() {
        store::list_runs(&database(data)?, &filter).map_err(|error| Failure::broken(&error))?
    } else {
        Vec::new()
    };
    let base = server_url(data);
    let views: Vec<RunView> = rows.into_iter().map(|row| RunView::load(data, row, base.as_deref())).collect();
    for problem in views.iter().filter_map(|view| view.problem.as_ref()) {
        eprintln!("warning: {}", plain(problem));
    }
    if as_json {
        print_json(&runs_json(&views));
    } else {
        note_if_empty(views.is_empty(), none);
        print(&run_list(&views, &jiff::tz::TimeZone::system()));
    }
    Ok(Code::Done)
}

/// `quire show`.
pub(super) fn show(data: &DataDir, run: &str, as_json: bool) -> Ended {
    let row = find_run(data, run)?;
    let view = RunView::load(data, row, server_url(data).as_deref());
    if as_json {
        print_json(&run_json(&view));
    } else {
        print(&run_page(&view));
    }
    expect_readable(&view).map(|()| Code::Done)
}

/// Says that the journal of a run cannot be read, when it cannot.
pub(super) fn expect_readable(view: &RunView) -> Result<(), Failure> {
    match &view.problem {
        Some(problem) => Err(Failure::new(Code::Broken, plain(problem))),
        None => Ok(()),
    }
}
