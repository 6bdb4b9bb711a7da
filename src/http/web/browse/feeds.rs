//! Atom feeds: commits, tags and runs.

use std::fmt::Write as _;

use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::place::{Place, commit_href};
use super::refs::table;
use super::rows::{RunLink, subject};
use crate::app::{AppState, Caller, Code, Problem, RunFilter, RunRow, browse, listed_runs};
use crate::forge::browse::history;
use crate::http::problem::Refused;
use crate::http::web::ask::Ask;
use crate::http::web::html::push_escaped;
use crate::model::{Outcome, RefKind, Timestamp};
use crate::view::plain;

/// How many entries a feed has.
const COUNT: usize = 50;

/// What "failed" means: the outcomes of runs that somebody has to look at.
const FAILED: [Outcome; 4] = [Outcome::Failed, Outcome::TimedOut, Outcome::Denied, Outcome::Interrupted];

/// An entry of a feed.
struct Entry {
    id: String,
    title: String,
    path: String,
    time: Timestamp,
    author: String,
    text: String,
}

/// `GET /{repo}/commits.atom?ref=`
pub(super) async fn commits(ask: &Ask) -> Result<Response, Refused> {
    let repo = browse(&ask.app, &ask.caller, &ask.address.repo).await?;
    let name = ask.query("ref").unwrap_or_else(|| "HEAD".to_owned()).into_bytes();
    let place = Place::named(ask, repo, name).await?;
    let from = [place.commit()];
    let page = place.repo.read(&ask.app, move |git, _| history(git, &from, COUNT)).await?;
    let entry = |commit: &crate::forge::browse::CommitInfo| Entry {
        id: format!("commit:{}", commit.id),
        title: subject(commit),
        path: commit_href(place.name(), commit.id),
        time: commit.committer.time,
        author: commit.author.name.clone(),
        text: plain(&commit.body),
    };
    let entries: Vec<_> = page.commits.iter().map(entry).collect();
    let title = format!("{} commits on {}", place.name(), place.shown_revision());
    Ok(feed(&ask.app, &title, &ask.parts.uri.to_string(), &entries))
}

/// `GET /{repo}/tags.atom`
pub(super) async fn tags(ask: &Ask) -> Result<Response, Refused> {
    let repo = browse(&ask.app, &ask.caller, &ask.address.repo).await?;
    let tags = table(&ask.app, &repo, RefKind::Tag, (0, COUNT)).await?;
    let entry = |row: &super::refs::RefRow| Entry {
        id: format!("tag:{}:{}", repo.row.id, row.name),
        title: row.name.clone(),
        path: row.tree.clone(),
        time: row.when.0,
        author: String::new(),
        text: row.subject.clone(),
    };
    let entries: Vec<_> = tags.rows.iter().map(entry).collect();
    Ok(feed(&ask.app, &format!("{} tags", repo.row.name), &ask.parts.uri.to_string(), &entries))
}

/// `GET /{repo}/runs.atom?state=`
pub(super) async fn runs(ask: &Ask) -> Result<Response, Refused> {
    let repo = browse(&ask.app, &ask.caller, &ask.address.repo).await?;
    let mut rows = Vec::new();
    for filter in filters(ask.query("state").as_deref(), &repo.run_filter(COUNT))? {
        rows.extend(repo.runs(&ask.app, filter).await?);
    }
    Ok(run_feed(&ask.app, &format!("{} runs", repo.row.name), &ask.parts.uri.to_string(), rows))
}

/// `GET /feed.atom?state=`: the runs of all repositories that lists show to the caller.
pub(in crate::http::web) async fn all_runs(
    app: &AppState,
    caller: &Caller,
    (uri, state): (&str, Option<&str>),
) -> Result<Response, Refused> {
    let mut rows = Vec::new();
    for filter in filters(state, &RunFilter::newest(None, COUNT))? {
        rows.extend(listed_runs(app, caller, filter).await?);
    }
    Ok(run_feed(app, "runs", uri, rows))
}

/// The lists of runs that a state means.
fn filters(state: Option<&str>, all: &RunFilter) -> Result<Vec<RunFilter>, Problem> {
    let of = |outcome| RunFilter { outcome: Some(outcome), ..all.clone() };
    match state {
        None => Ok(vec![all.clone()]),
        Some("failed") => Ok(FAILED.map(of).to_vec()),
        Some(word) => match Outcome::parse(word) {
            Some(outcome) => Ok(vec![of(outcome)]),
            None => Err(Problem::new(
                Code::RequestInvalid,
                "in the query: state: it is `failed`, `passed` or another outcome",
            )),
        },
    }
}

fn run_feed(app: &AppState, title: &str, uri: &str, mut rows: Vec<RunRow>) -> Response {
    rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
    rows.truncate(COUNT);
    let entry = |row: &RunRow| {
        let run = RunLink::of(row);
        let subject = if run.subject.is_empty() { String::new() } else { format!(": {}", run.subject) };
        Entry {
            // A run that has ended since is another entry.
            id: format!("run:{}:{}", row.id, run.mark.word),
            title: format!("{}#{} {} on {}{subject}", row.repo, run.number, run.mark.word, run.branch),
            path: run.href,
            time: row.finished_at.unwrap_or(row.queued_at),
            author: row.event.actor.clone().unwrap_or_default(),
            text: row.reason.as_ref().map(|reason| plain(&reason.text)).unwrap_or_default(),
        }
    };
    let entries: Vec<_> = rows.iter().map(entry).collect();
    feed(app, title, uri, &entries)
}

/// A feed. Whatever depends on who asks is not kept.
fn feed(app: &AppState, title: &str, uri: &str, entries: &[Entry]) -> Response {
    let base = app.url.as_deref().unwrap_or_default().trim_end_matches('/');
    let id = |of: &str| format!("urn:quire:{}:{of}", app.instance);
    let newest = entries.iter().map(|entry| entry.time).max_by_key(|time| time.as_millis());
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n",
    );
    push_element(&mut xml, "title", title);
    push_element(&mut xml, "id", &id(uri));
    push_element(&mut xml, "updated", &newest.unwrap_or(Timestamp::from_millis(0)).to_string());
    push_link(&mut xml, "self", &format!("{base}{uri}"));
    for entry in entries {
        xml.push_str("<entry>\n");
        push_element(&mut xml, "title", &entry.title);
        push_element(&mut xml, "id", &id(&entry.id));
        push_element(&mut xml, "updated", &entry.time.to_string());
        push_link(&mut xml, "alternate", &format!("{base}{}", entry.path));
        xml.push_str("<author>");
        push_element(&mut xml, "name", if entry.author.is_empty() { "quire" } else { &entry.author });
        xml.push_str("</author>\n");
        push_element(&mut xml, "content", &entry.text);
        xml.push_str("</entry>\n");
    }
    xml.push_str("</feed>\n");
    document("application/atom+xml; charset=utf-8", xml)
}

/// An answer in XML.
pub(super) fn document(media_type: &'static str, xml: String) -> Response {
    ([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-store")], xml).into_response()
}

fn push_element(xml: &mut String, name: &str, text: &str) {
    let _infallible = write!(xml, "<{name}>");
    push_xml(xml, text);
    let _infallible = writeln!(xml, "</{name}>");
}

fn push_link(xml: &mut String, rel: &str, href: &str) {
    let _infallible = write!(xml, "<link rel=\"{rel}\" href=\"");
    push_xml(xml, href);
    xml.push_str("\"/>\n");
}

/// Adds a text, without characters that XML cannot have.
pub(super) fn push_xml(xml: &mut String, text: &str) {
    let is_in_xml =
        |c: char| matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let text: String = plain(text).chars().map(|c| if is_in_xml(c) { c } else { '\u{fffd}' }).collect();
    push_escaped(xml, &text);
}
