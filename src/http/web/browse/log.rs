//! The history of a revision, or of one of its files and folders.

use askama::Template;
use axum::response::Response;

use super::place::{Place, hidden, href, shown};
use super::rows::{CommitRow, commit_rows};
use crate::app::{Code, Problem};
use crate::forge::browse::{MAX_FRONTIER, TreePath, file_log, history};
use crate::http::problem::Refused;
use crate::http::web::ask::Ask;
use crate::http::web::frame::{Frame, Link};
use crate::model::{CommitId, percent_encoded_path};

/// How many commits a page has.
const COUNT: usize = 50;

#[derive(Template)]
#[template(path = "browse/log.html")]
struct LogPage {
    frame: Frame,
    crumbs: Vec<Link>,
    revision: String,
    /// Each with the name that the file had then, when it is another.
    rows: Vec<(CommitRow, Option<String>)>,
    next: Option<String>,
    note: Option<String>,
}

/// `GET /{repo}/log/{rev}/{path}`
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let place = Place::of(ask).await?;
    let after = ask.query("from").map(|from| frontier(&from)).transpose()?;
    let (rows, next, note) = match place.path.is_root() {
        true => of_revision(ask, &place, after).await?,
        false => of_path(ask, &place).await?,
    };
    let title = match place.path.is_root() {
        true => format!("Log of {}", place.shown_revision()),
        false => format!("History of {}", place.shown_path()),
    };
    let feed = format!("/{}/commits.atom?ref={}", place.name(), percent_encoded_path(&place.revision.name));
    let is_settled = rows.iter().all(|(row, _)| row.is_settled());
    let page = LogPage {
        frame: Frame { is_hidden: true, feeds: vec![Link::new("Commits", feed)], ..ask.frame("log", title) },
        crumbs: place.crumbs("blob"),
        revision: place.shown_revision(),
        rows,
        next,
        note,
    };
    Ok(hidden(place.keep_page(ask, ask.html(page).await?, is_settled)))
}

/// The rows of a page, the address of the next one, and what is left out.
type Rows = (Vec<(CommitRow, Option<String>)>, Option<String>, Option<String>);

async fn of_revision(ask: &Ask, place: &Place, after: Option<Vec<CommitId>>) -> Result<Rows, Refused> {
    let from = after.unwrap_or_else(|| vec![place.commit()]);
    let page = place.repo.read(&ask.app, move |git, _| history(git, &from, COUNT)).await?;
    let rows = commit_rows(&ask.app, &place.repo, &page.commits).await?;
    let next: Vec<String> = page.next.iter().map(CommitId::to_string).collect();
    let next = (!next.is_empty()).then(|| format!("{}?from={}", place.href("log"), next.join(".")));
    let note = page.is_cut.then(|| {
        format!("More than {MAX_FRONTIER} branches are open here: older commits of some are left out.")
    });
    Ok((rows.into_iter().map(|row| (row, None)).collect(), next, note))
}

async fn of_path(ask: &Ask, place: &Place) -> Result<Rows, Refused> {
    let (commit, path) = (place.commit(), place.path.clone());
    let read = place.repo.read_expensive(&ask.app, move |git, git_dir, cancel| {
        file_log((git, git_dir), commit, &path, (COUNT, cancel))
    });
    let log = read.await?;
    let commits: Vec<_> = log.changes.iter().map(|change| change.commit.clone()).collect();
    let rows = commit_rows(&ask.app, &place.repo, &commits).await?;
    let name = |path: &TreePath| (*path != place.path).then(|| shown(path.as_bytes()));
    let rows = rows.into_iter().zip(&log.changes).map(|(row, change)| (row, name(&change.path))).collect();
    let next = log.next.map(|(id, path)| href((place.name(), "log"), id.to_string().as_bytes(), &path));
    let note = log.is_cut.then(|| "Git was stopped before it had searched the whole history.".to_owned());
    Ok((rows, next, note))
}

/// The commits that a page begins with.
fn frontier(text: &str) -> Result<Vec<CommitId>, Problem> {
    let ids: Result<Vec<_>, _> = text.split('.').take(MAX_FRONTIER).map(CommitId::parse).collect();
    ids.map_err(|error| Problem::caused_by(Code::RequestInvalid, &error))
}
