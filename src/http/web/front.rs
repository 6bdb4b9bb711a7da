//! The front page: repositories, failing first, and what runs and waits now.

use askama::Template;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use super::ask::{html, query_value};
use super::bars::{Bar, picture};
use super::frame::Frame;
use super::html::Html;
use super::mark::{Mark, When};
use crate::app::{AppState, Caller, RepoOverview, RunRow, read_overview};
use crate::http::problem::Refused;
use crate::model::Progress;
use crate::view::{one_line, run_subject};

/// The longest text that is searched for.
const MAX_QUERY: usize = 100;

#[derive(Template)]
#[template(path = "front.html")]
struct FrontPage {
    frame: Frame,
    query: String,
    repos: Vec<Repo>,
    has_more: bool,
    now: Vec<Now>,
    /// How many runs run and wait.
    running: usize,
    waiting: usize,
}

/// A repository in the list.
struct Repo {
    name: String,
    /// Whether it is the copy of a watched repository.
    is_watched: bool,
    description: Option<String>,
    mark: Mark,
    branch: String,
    sha: String,
    /// What is to be said about the newest run.
    text: String,
    run: Option<u64>,
    when: Option<When>,
    bars: Html,
}

/// A run that has not ended.
pub(super) struct Now {
    pub(super) repo: String,
    pub(super) number: u64,
    pub(super) mark: Mark,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) since: Option<When>,
    pub(super) reason: Option<String>,
}

/// `GET /`
pub(super) async fn page(app: &AppState, caller: &Caller, parts: &Parts) -> Result<Response, Refused> {
    let query: String = query_value(parts.uri.query().unwrap_or_default(), "q")
        .unwrap_or_default()
        .chars()
        .take(MAX_QUERY)
        .collect();
    let overview = read_overview(app, caller, &query).await?;
    let mut repos: Vec<Repo> = overview.repos.iter().map(Repo::of).collect();
    repos.sort_by_key(Repo::rank);
    let now: Vec<Now> = overview.unfinished.iter().map(Now::of).collect();
    let has_failed = repos.iter().any(|repo| repo.mark.is_bad());
    let icon = if has_failed { Mark::of_word("failed") } else { Mark::of_word("passed") }.icon();
    let frame = Frame {
        icon: if repos.iter().any(|repo| repo.run.is_some()) { icon } else { super::frame::Icon::Plain },
        kind: Some("front"),
        refresh: (!now.is_empty()).then_some(10),
        ..Frame::new(caller, "Repositories")
    };
    let running = now.iter().filter(|run| run.mark.class == "run").count();
    let waiting = now.len() - running;
    let page = FrontPage { frame, query, repos, has_more: overview.has_more, now, running, waiting };
    html((app, parts), StatusCode::OK, page).await
}

impl Repo {
    fn of(repo: &RepoOverview) -> Self {
        let last = repo.runs.first();
        // What runs does not hide how the branch was before.
        let ended = repo.runs.iter().find(|row| row.state == Progress::Finished);
        let mark = match (last, ended) {
            (Some(last), Some(ended)) if last.seq != ended.seq && Mark::of_run(ended).is_bad() => {
                Mark::of_run(ended)
            }
            (Some(last), _) => Mark::of_run(last),
            (None, _) => Mark::NONE,
        };
        let green = repo.runs.iter().find(|row| Mark::of_run(row).class == "ok");
        let text = match (mark.class, green, last) {
            ("bad", Some(green), _) => format!("last passed in #{}", green.number),
            ("bad", None, _) => format!("not passed in its last {} runs", repo.runs.len()),
            (_, _, Some(last)) => last.commit_subject.as_deref().map(one_line).unwrap_or_default(),
            _ => String::new(),
        };
        let bars: Vec<Bar> = repo.runs.iter().rev().map(Bar::of).collect();
        Self {
            name: repo.row.name.to_string(),
            is_watched: repo.row.is_watched(),
            description: repo.settings.description.clone(),
            mark,
            branch: repo.branch.as_deref().map(one_line).unwrap_or_default(),
            sha: last.map(|row| run_subject(row).1).unwrap_or_default(),
            text,
            run: last.map(|row| row.number),
            when: repo.newest.as_ref().map(|row| When(row.queued_at)),
            bars: picture(&bars, "newest runs"),
        }
    }

    /// Failing first, then what runs, what is well, and what has no runs; the newest first.
    fn rank(&self) -> (u8, std::cmp::Reverse<i64>) {
        let rank = match self.mark.class {
            "bad" => 0,
            "run" => 1,
            _ if self.run.is_none() => 3,
            _ => 2,
        };
        (rank, std::cmp::Reverse(self.when.map_or(0, |when| when.0.as_millis())))
    }
}

impl Now {
    pub(super) fn of(row: &RunRow) -> Self {
        let (ref_name, sha) = run_subject(row);
        Self {
            repo: row.repo.to_string(),
            number: row.number,
            mark: Mark::of_word(row.state.as_str()),
            subject: row.commit_subject.as_deref().map(one_line).unwrap_or_default(),
            text: if sha.is_empty() { String::new() } else { format!("{ref_name} at {sha}") },
            since: Some(When(row.started_at.unwrap_or(row.queued_at))),
            reason: row.reason.as_ref().map(|reason| crate::view::reason_line(&reason.text)),
        }
    }
}
