//! The page of a repository: how it is, its README, its files, where to clone it from, and its branches.

use askama::Template;
use axum::response::Response;

use super::clone_address::clone_addresses;
use super::place::Place;
use super::refs::{RefTable, table};
use super::rows::{CommitRow, RunLink, commit_rows};
use super::tree::Files;
use crate::app::{BrowsedRepo, MAX_BARS, Problem, RunFilter, RunRow, browse};
use crate::forge::browse::BrowseError;
use crate::http::problem::Refused;
use crate::http::web::ask::Ask;
use crate::http::web::bars::{Bar, links};
use crate::http::web::frame::{Frame, Icon, Link};
use crate::http::web::html::Html;
use crate::http::web::no_page;
use crate::model::{Outcome, RefKind};
use crate::view::one_line;

/// How many runs are shown, and among how many those are that were not skipped.
const RUNS: usize = 8;
const LOOKED_AT: usize = 40;

/// How many branches and tags are shown.
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
    /// The newest runs of the default branch.
    bars: Html,
    is_watched: bool,
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
    let (mut files, mut head, mut of_branch) = (None, None, Vec::new());
    if let Some(place) = &place {
        let read = Files::read(ask, place).await?.ok_or_else(no_page)?;
        let row = commit_rows(app, &repo, std::slice::from_ref(&read.commit)).await?.pop();
        head = row.map(|row| (Link::new(place.shown_revision(), place.href("tree")), row));
        of_branch = runs_of(ask, &repo, place).await?;
        files = Some(read);
    }
    let newest = repo.runs(app, repo.run_filter(LOOKED_AT)).await?;
    let shown = newest.iter().filter(|row| row.outcome != Some(Outcome::Skipped));
    let verdict = verdict_of(&of_branch);
    let bars: Vec<Bar> = of_branch.iter().rev().map(Bar::of).collect();
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
        bars: links(&bars, &format!("/{name}")),
        is_watched: repo.row.is_watched(),
        files: rows,
        readme: readme.flatten(),
        clone: clone_addresses(ask, &repo),
        runs: shown.take(RUNS).map(RunLink::of).collect(),
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

/// The newest runs of the default branch, newest first.
async fn runs_of(ask: &Ask, repo: &BrowsedRepo, place: &Place) -> Result<Vec<RunRow>, Problem> {
    let ref_names: Vec<_> = place.revision.ref_name.clone().into_iter().collect();
    repo.runs(&ask.app, RunFilter { ref_names, ..repo.run_filter(MAX_BARS) }).await
}

/// The run that says how a branch is: the newest that has ended and was not skipped, or the newest.
fn verdict_of(runs: &[RunRow]) -> Option<RunLink> {
    let ended = runs.iter().find(|row| row.outcome.is_some_and(|outcome| outcome != Outcome::Skipped));
    ended.or_else(|| runs.first()).map(RunLink::of)
}
