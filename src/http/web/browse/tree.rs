//! A folder of a commit.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::place::{Place, hidden, shown};
use super::readme;
use super::rows::{CommitRow, commit_rows, subject};
use crate::app::Problem;
use crate::forge::browse::{
    BlobText, BrowseError, CommitInfo, Entry, EntryKind, Listing, MAX_ENTRIES, TreePath, commit_info,
    list_tree, read_blob, submodules,
};
use crate::http::problem::Refused;
use crate::http::web::ask::{Ask, lead_to};
use crate::http::web::frame::{Frame, Link};
use crate::http::web::html::Html;
use crate::http::web::mark::{When, size};
use crate::view::one_line;

#[derive(Template)]
#[template(path = "browse/tree.html")]
struct TreePage {
    frame: Frame,
    head: FileHead,
    files: FileRows,
    readme: Option<(String, Html)>,
}

/// What is above a folder or a file: where it is, and its commit.
pub(super) struct FileHead {
    pub(super) crumbs: Vec<Link>,
    pub(super) revision: String,
    pub(super) commit: CommitRow,
    /// The other pages of the same path.
    pub(super) links: Vec<Link>,
}

/// The entries of a folder.
pub(super) struct FileRows {
    pub(super) rows: Vec<Row>,
    pub(super) cut: Option<Cut>,
    /// Whether their last changes are still looked for: the script of the page asks for them again.
    pub(super) is_pending: bool,
}

/// Which entries of a folder are shown.
pub(super) struct Cut {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) total: usize,
    pub(super) next: Option<String>,
}

/// An entry of a folder.
pub(super) struct Row {
    pub(super) name: String,
    /// Its address; a submodule has none here.
    pub(super) href: Option<String>,
    /// What it is, unless it is a file.
    pub(super) kind: &'static str,
    /// Where a submodule is from.
    pub(super) note: Option<String>,
    pub(super) size: String,
    pub(super) change: Option<Change>,
}

/// The last change of an entry.
pub(super) struct Change {
    pub(super) href: String,
    pub(super) subject: String,
    pub(super) when: When,
}

/// `GET /{repo}/tree/{rev}/{path}`
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let place = Place::of(ask).await?;
    let Some(files) = Files::read(ask, &place).await? else {
        return Ok(lead_to(StatusCode::FOUND, &place.href("blob")));
    };
    let title = format!("{} at {}", place.shown_path(), place.shown_revision());
    let head = FileHead::of(ask, &place, &files.commit, &["log", "archive"]).await?;
    let is_hidden = place.revision.ref_name.is_none();
    let is_settled = head.commit.is_settled() && !files.rows.is_pending;
    let page = TreePage {
        frame: Frame { is_hidden, ..ask.frame("", title) },
        head,
        files: files.rows,
        readme: files.readme,
    };
    let answer = place.keep_page(ask, ask.html(page).await?, is_settled);
    Ok(if is_hidden { hidden(answer) } else { answer })
}

/// A folder as it is shown, here and on the page of the repository.
pub(super) struct Files {
    pub(super) commit: CommitInfo,
    pub(super) rows: FileRows,
    /// The name of the README, and its text.
    pub(super) readme: Option<(String, Html)>,
}

impl Files {
    /// Reads the folder of a place; nothing when there is something else.
    pub(super) async fn read(ask: &Ask, place: &Place) -> Result<Option<Self>, Refused> {
        let start = ask.query("from").and_then(|from| from.parse().ok()).unwrap_or_default();
        let (commit, path) = (place.commit(), place.path.clone());
        let of = place.clone();
        let read = place.repo.read(&ask.app, move |git, _| {
            let listing = match list_tree(git, commit, &path, start) {
                Ok(listing) => listing,
                Err(BrowseError::OtherKind { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let has_submodule = listing.entries.iter().any(|entry| entry.kind == EntryKind::Submodule);
            let modules = if has_submodule { submodules(git, commit) } else { Vec::new() };
            let files = listing.entries.iter().filter(|entry| entry.kind != EntryKind::Folder);
            let readme = readme::find(files.map(|entry| entry.name.as_slice()));
            // One that cannot be read has a page that says why.
            let content =
                readme.and_then(|name| Some((name, read_blob(git, commit, &path.join(name)).ok()?.content)));
            let readme = match content {
                Some((name, BlobText::Text(text))) => Some((shown(name), readme::render(&of, name, &text))),
                Some((_, BlobText::Binary | BlobText::TooLarge)) | None => None,
            };
            Ok(Some((commit_info(git, commit)?, listing, modules, readme)))
        });
        let Some((commit, listing, modules, readme)) = read.await? else { return Ok(None) };
        let names = listing.entries.iter().map(|entry| entry.name.clone()).collect();
        let changes = place.repo.changed_entries(&ask.app, (commit.id, place.path.clone()), names).await;
        let change = |index: usize| {
            let commit = changes.as_ref()?.0.get(index)?.as_ref()?;
            let href = super::place::commit_href(place.name(), commit.id);
            Some(Change { href, subject: subject(commit), when: When(commit.committer.time) })
        };
        let row = |(index, entry): (usize, &Entry)| Row::of(place, entry, &modules, change(index));
        let rows: Vec<Row> = listing.entries.iter().enumerate().map(row).collect();
        let is_pending = changes.is_none() && !rows.is_empty();
        Ok(Some(Self { commit, rows: FileRows { rows, cut: Cut::of(place, &listing), is_pending }, readme }))
    }
}

impl Row {
    fn of(place: &Place, entry: &Entry, modules: &[(TreePath, String)], change: Option<Change>) -> Self {
        let path = place.path.join(&entry.name);
        let page = match entry.kind {
            EntryKind::Folder => Some("tree"),
            EntryKind::File | EntryKind::Executable | EntryKind::Link => Some("blob"),
            EntryKind::Submodule => None,
        };
        let address = modules.iter().find(|(own, _)| *own == path).map(|(_, url)| one_line(url));
        Self {
            name: shown(&entry.name),
            href: page.map(|page| place.href_of(page, &path)),
            kind: match entry.kind {
                EntryKind::Folder => "folder",
                EntryKind::File => "",
                EntryKind::Executable => "executable",
                EntryKind::Link => "link",
                EntryKind::Submodule => "submodule",
            },
            note: (entry.kind == EntryKind::Submodule)
                .then(|| format!("{} {}", address.unwrap_or_default(), entry.id.short())),
            size: entry.size.map(size).unwrap_or_default(),
            change,
        }
    }
}

impl Cut {
    fn of(place: &Place, listing: &Listing) -> Option<Self> {
        let last = listing.start + listing.entries.len();
        (listing.total > MAX_ENTRIES).then(|| Self {
            first: listing.start + 1,
            last,
            total: listing.total,
            next: (last < listing.total && !listing.entries.is_empty())
                .then(|| format!("{}?from={last}", place.href("tree"))),
        })
    }
}

impl FileHead {
    /// What is above a page of a path.
    pub(super) async fn of(
        ask: &Ask,
        place: &Place,
        commit: &CommitInfo,
        pages: &[&str],
    ) -> Result<Self, Problem> {
        let mut rows = commit_rows(&ask.app, &place.repo, std::slice::from_ref(commit)).await?;
        let row = rows.pop().unwrap_or_else(|| CommitRow::of(&place.repo, commit, None));
        let link = |page: &&str| match *page {
            "archive" => Link::new("Archive", super::raw::archive_href(place)),
            "permalink" => Link::new("Permalink", place.href_at(ask.address.page, place.commit())),
            page => Link::new(title_of(page), place.href(page)),
        };
        let links = pages.iter().map(link).collect();
        let mut crumbs = place.crumbs("blob");
        if let Some(last) = crumbs.last_mut() {
            last.is_current = ask.address.page != "blame";
        }
        Ok(Self { crumbs, revision: place.shown_revision(), commit: row, links })
    }
}

/// The text of a link to a page.
fn title_of(page: &str) -> &'static str {
    match page {
        "log" => "History",
        "blame" => "Blame",
        "raw" => "Raw",
        "tree" => "Files",
        _ => "File",
    }
}
