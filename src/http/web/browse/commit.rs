//! A commit: what it says, what it changes, and how its runs ended.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::differences::Differences;
use super::place::{Place, commit_href, hidden, href, set_tag, tag_of, vary_by_caller};
use super::raw;
use super::rows::{RunLink, subject};
use crate::app::{Problem, RunFilter, browse};
use crate::forge::browse::{PatchFormat, Signature, TreePath, commit_info, diff_commits};
use crate::http::etag::is_known;
use crate::http::problem::Refused;
use crate::http::web::ask::{Ask, lead_to};
use crate::http::web::assets::style_path;
use crate::http::web::frame::{Frame, Icon, Link};
use crate::http::web::mark::When;
use crate::model::percent_decoded_bytes;
use crate::view::{one_line, plain};

/// How many runs of the commit are shown.
const MAX_RUNS: usize = 20;

#[derive(Template)]
#[template(path = "browse/commit.html")]
struct CommitPage {
    frame: Frame,
    subject: String,
    body: String,
    id: String,
    author: Person,
    /// Who made the commit, when it was somebody else.
    committer: Option<Person>,
    parents: Vec<Link>,
    tree: String,
    patch: String,
    runs: Vec<RunLink>,
    shows_runs: bool,
    diff: Differences,
}

struct Person {
    name: String,
    email: String,
    when: When,
}

/// `GET /{repo}/commit/{sha}`, with `.patch` or `.diff` behind it.
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let repo = browse(&ask.app, &ask.caller, &ask.address.repo).await?;
    let name = percent_decoded_bytes(&ask.address.rest);
    let formats = [(b".patch".as_slice(), PatchFormat::Mail), (b".diff", PatchFormat::Diff)];
    for (end, format) in formats {
        if let Some(name) = name.strip_suffix(end) {
            let place = Place::named(ask, repo, name.to_vec()).await?;
            return raw::patch(ask, &place, format).await;
        }
    }
    let place = Place::named(ask, repo, name).await?;
    if !place.revision.is_fixed() {
        return Ok(lead_to(StatusCode::FOUND, &commit_href(place.name(), place.commit())));
    }
    whole(ask, &place).await
}

/// The page; what everybody sees of it has a tag, which changes with its runs.
async fn whole(ask: &Ask, place: &Place) -> Result<Response, Refused> {
    let filter = RunFilter { sha: Some(place.commit()), ..place.repo.run_filter(MAX_RUNS) };
    let runs: Vec<_> = place.repo.runs(&ask.app, filter).await?.iter().map(RunLink::of).collect();
    let verdicts: String = runs.iter().map(|run| format!(" {} {}", run.number, run.mark.word)).collect();
    let is_for_all = place.repo.is_public && ask.caller.is_nobody();
    let tag = is_for_all.then(|| tag_of(&format!("{} {}{verdicts}", style_path(), place.commit())));
    let mut answer = match &tag {
        Some(tag) if is_known(&ask.parts.headers, tag) => StatusCode::NOT_MODIFIED.into_response(),
        Some(_) | None => ask.html(commit_page(ask, place, runs).await?).await?,
    };
    if let Some(tag) = tag {
        set_tag(&mut answer, &tag);
        vary_by_caller(&mut answer);
    }
    Ok(hidden(answer))
}

async fn commit_page(ask: &Ask, place: &Place, runs: Vec<RunLink>) -> Result<CommitPage, Problem> {
    let id = place.commit();
    let read = place.repo.read(&ask.app, move |git, _| {
        let info = commit_info(git, id)?;
        let parent = info.parents.first().copied();
        let diff = diff_commits(git, parent, id)?;
        Ok((info, diff))
    });
    let (info, diff) = read.await?;
    let name = place.name();
    let person =
        |of: &Signature| Person { name: one_line(&of.name), email: one_line(&of.email), when: When(of.time) };
    let is_other = (&info.author.name, &info.author.email) != (&info.committer.name, &info.committer.email);
    Ok(CommitPage {
        frame: Frame {
            is_hidden: true,
            icon: runs.first().map_or(Icon::Plain, |run| run.mark.icon()),
            ..ask.frame("log", format!("{} · {}", subject(&info), id.short()))
        },
        subject: subject(&info),
        body: plain(&info.body),
        id: id.to_string(),
        author: person(&info.author),
        committer: is_other.then(|| person(&info.committer)),
        parents: info
            .parents
            .iter()
            .map(|parent| Link::new(parent.short(), commit_href(name, *parent)))
            .collect(),
        tree: href((name, "tree"), id.to_string().as_bytes(), &TreePath::default()),
        patch: commit_href(name, id),
        runs,
        shows_runs: place.repo.shows_runs,
        diff: Differences::of(name, (info.parents.first().copied(), id), &diff),
    })
}
