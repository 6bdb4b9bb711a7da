//! The page of a repository: how it is, its README, its files, where to clone it from, and its branches.

use askama::Template;
use axum::response::Response;

use super::place::Place;
use super::refs::{RefTable, table};
use super::rows::{CommitRow, RunLink, commit_rows};
use super::tree::Files;
use crate::app::{BrowsedRepo, Problem, RunFilter, browse};
use crate::forge::browse::BrowseError;
use crate::http::problem::Refused;
use crate::http::web::ask::Ask;
use crate::http::web::frame::{Frame, Icon, Link};
use crate::http::web::html::Html;
use crate::model::{Progress, RefKind};
use crate::view::one_line;

/// How many runs, branches and tags are shown.
const RUNS: usize = 10;
const REFS: usize = 15;

#[derive(Template)]
#[template(path = "browse/home.html")]
struct HomePage {
    frame: Frame,
    name: String,
    description: Option<String>,
    visibility: Option<&'static str>,
    /// The default branch and its newest commit; nothing in an empty repository.
    head: Option<(Link, CommitRow)>,
    verdict: Option<RunLink>,
    files: Option<super::tree::FileRows>,
    readme: Option<(String, Html)>,
    clone: Vec<String>,
    runs: Vec<RunLink>,
    branches: RefTable,
    tags: RefTable,
    archive: Option<String>,
}

/// `GET /{repo}`
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let repo = browse(&ask.app, &ask.caller, &ask.address.repo).await?;
    let (app, name) = (&ask.app, repo.row.name.clone());
    let place = head_of(ask, &repo).await?;
    let (mut files, mut head, mut verdict) = (None, None, None);
    if let Some(place) = &place {
        let read = Files::read(ask, place).await?;
        let row = commit_rows(app, &repo, std::slice::from_ref(&read.commit)).await?.pop();
        head = row.map(|row| (Link::new(place.shown_revision(), place.href("tree")), row));
        verdict = newest_run(ask, &repo, place).await?;
        files = Some(read);
    }
    let runs: Vec<_> = repo.runs(app, repo.run_filter(RUNS)).await?.iter().map(RunLink::of).collect();
    let feeds = ["commits", "runs"].map(|word| Link::new(word, format!("/{name}/{word}.atom")));
    let (rows, readme) = files.map(|files| (files.rows, files.readme)).unzip();
    let page = HomePage {
        frame: Frame {
            icon: verdict.as_ref().map_or(Icon::Plain, |run| run.mark.icon()),
            feeds: feeds.to_vec(),
            ..ask.frame("", "Code")
        },
        name: name.to_string(),
        description: repo.settings.description.as_deref().map(one_line),
        visibility: (!repo.is_public).then_some("not public"),
        head,
        verdict,
        files: rows,
        readme: readme.flatten(),
        clone: clone_addresses(ask, &repo),
        runs,
        branches: table(app, &repo, RefKind::Branch, (0, REFS)).await?,
        tags: table(app, &repo, RefKind::Tag, (0, REFS)).await?,
        archive: place.as_ref().map(super::raw::archive_href),
    };
    ask.html(page).await
}

/// The newest commit of the default branch; nothing when there is none yet.
async fn head_of(ask: &Ask, repo: &BrowsedRepo) -> Result<Option<Place>, Problem> {
    let read = repo.read(&ask.app, |git, git_dir| {
        match crate::forge::browse::find_revision(git, git_dir, b"HEAD") {
            Ok(revision) => Ok(Some(revision)),
            Err(BrowseError::NoRevision(_)) => Ok(None),
            Err(error) => Err(error),
        }
    });
    let revision = read.await?;
    Ok(revision.map(|revision| Place { repo: repo.clone(), revision, path: Default::default() }))
}

/// The run that says how the default branch is: the newest that has ended, or the first one, which has not.
async fn newest_run(ask: &Ask, repo: &BrowsedRepo, place: &Place) -> Result<Option<RunLink>, Problem> {
    let ref_names: Vec<_> = place.revision.ref_name.clone().into_iter().collect();
    let of_branch = RunFilter { ref_names, ..repo.run_filter(1) };
    let ended = RunFilter { state: Some(Progress::Finished), ..of_branch.clone() };
    let run = repo.runs(&ask.app, ended).await?.pop();
    let run = match run {
        Some(run) => Some(run),
        None => repo.runs(&ask.app, of_branch).await?.pop(),
    };
    Ok(run.as_ref().map(RunLink::of))
}

/// Where the repository is cloned from.
fn clone_addresses(ask: &Ask, repo: &BrowsedRepo) -> Vec<String> {
    let http = ask.app.url.as_ref().map(|url| format!("{}/{}.git", url.trim_end_matches('/'), repo.row.name));
    let path = ask.caller.is_local().then(|| repo.git_dir.display().to_string());
    http.into_iter().chain(path).collect()
}
