//! `repo`, `jobs` and `logs`: what is watched, what ran, and what it said.

use super::NAME;
use super::args::Args;
use super::files::Files;
use crate::app::{
    AppState, Problem, RunFilter, WatchView, last_decision, list_run_shapes, list_watches, show_run,
    watch_status,
};
use crate::cli::ask::here;
use crate::cli::exit::{Code, Ended, Failure, print, print_error};
use crate::cli::logs;
use crate::cli::runs;
use crate::model::RepoName;
use crate::view::{RunShape, one_line, run_beginning, run_ending};

/// The most runs that `jobs` lists.
const MAX_RUNS: usize = 50;

/// The most runs of a repository among which the last one of a branch is searched.
const MAX_SEARCHED: usize = 20;

/// All watches, those of the list first, then those of `config.fnl` and those that were added by command.
async fn watches(app: &AppState, files: &Files) -> Result<Vec<WatchView>, Failure> {
    let mut views = Vec::new();
    for listed in files.listed()?.1 {
        // A data folder that no server has opened yet has no state of any watch.
        let status = watch_status(app, listed.watch.clone()).await.ok().flatten();
        views.push(WatchView { watch: listed.watch, is_declared: false, status });
    }
    for view in list_watches(app).await? {
        if !views.iter().any(|known| known.watch.name == view.watch.name) {
            views.push(view);
        }
    }
    Ok(views)
}

/// Whether a text is a part of a watch's name or address.
fn is_meant(view: &WatchView, text: &str) -> bool {
    view.watch.name.as_str().contains(text) || view.watch.url.as_str().contains(text)
}

/// The watches that a text stands for; all of them without a text.
pub(super) fn selected(files: &Files, text: &str) -> Result<Vec<WatchView>, Failure> {
    let mut views = here(&files.data, async |app| Ok::<_, Problem>(watches(app, files).await))??;
    let count = views.len();
    views.retain(|view| is_meant(view, text));
    if views.is_empty() && count > 0 {
        let none = format!("no name and no address of a repository contains `{}`", one_line(text));
        return Err(Failure::not_found(none).hint(format!("`{NAME} repo` lists the repositories")));
    }
    Ok(views)
}

/// The repositories, each with its state and its last run.
pub(super) fn repositories(files: &Files, text: &str) -> Ended {
    let views = selected(files, text)?;
    if views.is_empty() {
        print_error(&format!("hint: no repository is listed yet: `{NAME} add PATH BRANCH`\n"));
    }
    let shown = here(&files.data, async |app| {
        let mut shown = String::new();
        for view in &views {
            shown.push_str(&repository(app, view).await);
        }
        Ok(shown)
    })?;
    print(&shown);
    Ok(Code::Done)
}

/// The lines about a repository.
async fn repository(app: &AppState, view: &WatchView) -> String {
    let (watch, pad) = (&view.watch, " ".repeat(12));
    let from = if view.is_declared { ", in config.fnl" } else { "" };
    let mut text =
        format!("{:<11} {}\n{pad}{} of {}{from}\n", view.state(), watch.name, watch.branch, watch.url);
    if let Some(error) = view.status.as_ref().and_then(|status| status.error.as_deref()) {
        text.push_str(&format!("{pad}{}\n", one_line(error)));
    }
    if let Some(why) = last_decision(app, watch).await.ok().flatten() {
        text.push_str(&format!("{pad}{}\n", one_line(&why)));
    }
    // A repository that was not looked at yet has no runs.
    let runs = list_run_shapes(app, RunFilter::newest(Some(watch.name.clone()), 1)).await;
    text.extend(runs.ok().and_then(|page| page.runs.first().map(last_run)));
    text
}

/// A line about a run, and one about each of its jobs.
fn last_run(run: &RunShape) -> String {
    let pad = " ".repeat(12);
    let mut text = format!("{pad}{} {}, {}\n", run.name(), run.word(), run.commit_text());
    for job in &run.jobs {
        text.push_str(&format!("{pad}{:<10} {}\n", job.word(), job.id));
    }
    text
}

/// The runs, newest first.
pub(super) fn jobs(files: &Files, text: &str) -> Ended {
    let none = format!("no runs yet; {NAME} runs new commits on the branches in Repo.toml");
    let views = last_runs(files, text, MAX_RUNS)?;
    runs::print_list(&views, &none);
    Ok(Code::Done)
}

/// The newest runs of the repositories that a text stands for, newest first.
pub(super) fn last_runs(files: &Files, text: &str, limit: usize) -> Result<Vec<RunShape>, Failure> {
    if text.is_empty() {
        return Ok(here(&files.data, async |app| {
            list_run_shapes(app, RunFilter::newest(None, limit)).await
        })?
        .runs);
    }
    let names: Vec<RepoName> = match selected(files, text) {
        Ok(views) => views.into_iter().map(|view| view.watch.name).collect(),
        // The runs of a repository that is not listed any more are there under its name.
        Err(failure) => {
            let name = RepoName::parse(text).ok().filter(|name| files.data.watched_repo(name).is_dir());
            vec![name.ok_or(failure)?]
        }
    };
    let mut runs = here(&files.data, async |app| {
        let mut runs = Vec::new();
        for name in names {
            // A repository that was not looked at yet has no runs.
            let page = list_run_shapes(app, RunFilter::newest(Some(name), limit)).await;
            runs.extend(page.map(|page| page.runs).unwrap_or_default());
        }
        Ok(runs)
    })?;
    // Times of RFC 3339 in UTC with milliseconds sort like texts.
    runs.sort_by(|one, other| other.queued_at.cmp(&one.queued_at));
    runs.truncate(limit);
    Ok(runs)
}

/// The output of the last run of the repositories that a text stands for, on a branch if one is named.
pub(super) fn logs(files: &Files, text: &str, args: &Args<'_>) -> Ended {
    let limit = args.value("--limit").map(|limit| {
        limit.parse::<usize>().map_err(|_| {
            Failure::new(Code::Usage, format!("`{}` is not a number of lines", one_line(limit)))
                .hint("write it as --limit 20; 0 means all lines")
        })
    });
    let limit = limit.transpose()?.filter(|limit| *limit > 0);
    let branch = args.value("--branch");
    let is_of_branch = |run: &RunShape| branch.is_none_or(|branch| run.ref_text() == branch);
    let runs = last_runs(files, text, MAX_SEARCHED)?;
    let run = runs.into_iter().find(is_of_branch).ok_or_else(|| {
        let of = if text.is_empty() { String::new() } else { format!(" of {}", one_line(text)) };
        let on = branch.map(|branch| format!(" on {}", one_line(branch))).unwrap_or_default();
        Failure::not_found(format!("no run{of}{on} yet"))
            .hint(format!("`{NAME} repo` lists the repositories and what is known of them"))
    })?;
    let view = here(&files.data, async |app| show_run(app, &run.id).await)?;
    print(&run_beginning(&view.row));
    let options = logs::Options { job: None, follow: false, json: false, limit };
    let code = logs::logs(&files.data, &run.name(), options)?;
    print(&run_ending(&view));
    Ok(code)
}
