//! Badges: the verdict of a branch, or of one of its jobs, as a small picture. And the same of all repositories for monitors.

use std::fmt::Write as _;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::feeds::{document, push_xml};
use super::place::{set_tag, tag_of};
use crate::app::{
    AppState, BrowsedRepo, Caller, Problem, RepoOverview, RunFilter, RunRow, browse, list_run_shapes,
    read_overview,
};
use crate::forge::browse::find_revision;
use crate::http::etag::is_known;
use crate::http::problem::Refused;
use crate::http::web::ask::Ask;
use crate::http::web::mark::Mark;
use crate::model::{Outcome, Progress};
use crate::view::one_line;

/// The longest label, in characters.
const MAX_LABEL: usize = 40;

/// How wide a character is, about, and the room around a text, in tenths of a pixel.
const CHARACTER: usize = 66;
const ROOM: usize = 120;

/// `GET /{repo}/badge.svg?ref=&job=`
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let repo = browse(&ask.app, &ask.caller, &ask.address.repo).await?;
    let (branch, job) = (ask.query("ref"), ask.query("job"));
    let verdict = verdict(&ask.app, &repo, branch, job.as_deref()).await?;
    let label =
        job.as_deref().map_or_else(|| "CI".to_owned(), |job| one_line(job).chars().take(MAX_LABEL).collect());
    let svg = draw(&label, verdict);
    let tag = tag_of(&svg);
    let mut answer = match is_known(&ask.parts.headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, "image/svg+xml; charset=utf-8")], svg).into_response(),
    };
    if repo.is_public {
        set_tag(&mut answer, &tag);
    } else {
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(answer)
}

/// How a branch is, or one of its jobs: as its newest run that has ended says.
async fn verdict(
    app: &AppState,
    repo: &BrowsedRepo,
    branch: Option<String>,
    job: Option<&str>,
) -> Result<Mark, Problem> {
    let name = branch.unwrap_or_else(|| "HEAD".to_owned()).into_bytes();
    // A branch that does not exist has no runs.
    let revision = repo.read(app, move |git, git_dir| Ok(find_revision(git, git_dir, &name).ok())).await?;
    let Some(ref_name) = revision.and_then(|revision| revision.ref_name) else { return Ok(UNKNOWN) };
    if !repo.shows_runs {
        return Ok(UNKNOWN);
    }
    let newest = RunFilter { ref_names: vec![ref_name], ..repo.run_filter(1) };
    let ended = RunFilter { state: Some(Progress::Finished), job: job.map(str::to_owned), ..newest.clone() };
    for filter in [ended, newest] {
        let Some(run) = list_run_shapes(app, filter).await?.runs.into_iter().next() else { continue };
        let word = match job {
            None => Some(run.outcome.unwrap_or(run.state)),
            Some(job) => {
                let found = run.jobs.into_iter().find(|own| own.id == job);
                found.map(|job| job.outcome.unwrap_or(job.state))
            }
        };
        return Ok(word.map_or(UNKNOWN, |word| Mark::of_word(&word)));
    }
    Ok(UNKNOWN)
}

/// The verdict of what has no runs.
const UNKNOWN: Mark = Mark { word: "unknown", glyph: "–", class: "off" };

/// A badge: two fields with their texts, which are text.
fn draw(label: &str, verdict: Mark) -> String {
    let width = |text: &str| (text.chars().count() * CHARACTER + ROOM) / 10;
    let (left, right) = (width(label), width(verdict.word));
    let colour = match verdict.class {
        "ok" => "#1a7f37",
        "bad" => "#b3261e",
        "run" => "#7d5400",
        _ => "#59636e",
    };
    let (all, word) = (left + right, verdict.word);
    let mut name = String::new();
    push_xml(&mut name, label);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"20\" role=\"img\">\
         <title>{name}: {word}</title>\
         <rect width=\"{left}\" height=\"20\" fill=\"#3c444d\"/><rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/>\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\" text-anchor=\"middle\">\
         <text x=\"{}\" y=\"14\">{name}</text><text x=\"{}\" y=\"14\">{word}</text></g></svg>\n",
        left / 2,
        left + right / 2,
    )
}

/// `GET /cc.xml`: how the default branches are, as CruiseControl has said it, which monitors read.
pub(in crate::http::web) async fn cruise(app: &AppState, caller: &Caller) -> Result<Response, Refused> {
    let overview = read_overview(app, caller, "").await?;
    let base = app.url.as_deref().unwrap_or_default().trim_end_matches('/');
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Projects>\n");
    for repo in &overview.repos {
        push_project(&mut xml, base, repo);
    }
    xml.push_str("</Projects>\n");
    Ok(document("application/xml; charset=utf-8", xml))
}

fn push_project(xml: &mut String, base: &str, repo: &RepoOverview) {
    let ended = repo.runs.iter().find(|run| run.outcome.is_some());
    let activity = if repo.runs.iter().any(|run| run.outcome.is_none()) { "Building" } else { "Sleeping" };
    let _infallible = write!(xml, "<Project name=\"");
    push_xml(xml, repo.row.name.as_str());
    let _infallible =
        write!(xml, "\" activity=\"{activity}\" lastBuildStatus=\"{}\"", ended.map_or("Unknown", status));
    if let Some(run) = ended {
        let time = run.finished_at.unwrap_or(run.queued_at);
        let _infallible = write!(xml, " lastBuildLabel=\"{}\" lastBuildTime=\"{time}\"", run.number);
    }
    xml.push_str(" webUrl=\"");
    push_xml(xml, &format!("{base}/{}", repo.row.name));
    xml.push_str("\"/>\n");
}

/// The word of CruiseControl for an outcome.
fn status(run: &RunRow) -> &'static str {
    match run.outcome {
        Some(Outcome::Passed) => "Success",
        Some(Outcome::Failed | Outcome::TimedOut | Outcome::Denied) => "Failure",
        Some(Outcome::Interrupted) => "Exception",
        Some(Outcome::Cancelled | Outcome::Superseded | Outcome::Skipped) | None => "Unknown",
    }
}
