//! A file of a commit.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::code::{CodeLines, MAX_LINES};
use super::place::{Place, hidden, shown};
use super::tree::FileHead;
use crate::forge::browse::{
    BlobText, BrowseError, EntryKind, MAX_SHOWN_FILE, commit_info, list_tree, read_blob,
};
use crate::http::problem::Refused;
use crate::http::web::ask::{Ask, lead_to};
use crate::http::web::frame::Frame;
use crate::http::web::html::Html;
use crate::http::web::mark::size;

#[derive(Template)]
#[template(path = "browse/blob.html")]
struct BlobPage {
    frame: Frame,
    head: FileHead,
    name: String,
    /// What is to be said about the file.
    about: String,
    raw: String,
    code: Option<Html>,
    /// Why there is less than the whole file.
    notes: Vec<String>,
}

/// `GET /{repo}/blob/{rev}/{path}`
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let place = Place::of(ask).await?;
    let (commit, path) = (place.commit(), place.path.clone());
    let read = place.repo.read(&ask.app, move |git, _| {
        let blob = match read_blob(git, commit, &path) {
            Ok(blob) => blob,
            // Links in README files do not say whether they lead to a file.
            Err(BrowseError::OtherKind { .. }) if list_tree(git, commit, &path, 0).is_ok() => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let name =
            path.split().map(|(_, name)| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
        let code = match &blob.content {
            BlobText::Text(text) => Some(CodeLines::of(text, &name.to_ascii_lowercase())),
            BlobText::Binary | BlobText::TooLarge => None,
        };
        Ok(Some((commit_info(git, commit)?, blob, code)))
    });
    let Some((info, blob, code)) = read.await? else {
        return Ok(lead_to(StatusCode::FOUND, &place.href("tree")));
    };
    let mut notes = Vec::new();
    match (&blob.content, &code) {
        (BlobText::TooLarge, _) => notes.push(format!("Files are shown up to {}.", size(MAX_SHOWN_FILE))),
        (BlobText::Binary, _) => notes.push("This file is not text.".to_owned()),
        (BlobText::Text(_), Some(code)) if code.total > MAX_LINES => {
            notes.push(format!("Cut at {MAX_LINES} of {} lines.", code.total));
        }
        (BlobText::Text(_), _) => {}
    }
    if code.as_ref().is_some_and(|code| code.has_cut_lines) {
        notes.push("Long lines are cut.".to_owned());
    }
    let lines = code.as_ref().map(|code| format!("{} lines, ", code.total)).unwrap_or_default();
    let kind = match blob.kind {
        EntryKind::Link => ", symbolic link",
        EntryKind::Executable => ", executable",
        EntryKind::File | EntryKind::Folder | EntryKind::Submodule => "",
    };
    let is_hidden = place.revision.ref_name.is_none();
    let title = format!("{} at {}", place.shown_path(), place.shown_revision());
    let head = FileHead::of(ask, &place, &info, &["raw", "blame", "log", "permalink"]).await?;
    let is_settled = head.commit.is_settled() && code.as_ref().is_none_or(|code| !code.is_hurried);
    let page = BlobPage {
        frame: Frame { is_hidden, kind: Some("blob"), ..ask.frame("", title) },
        head,
        name: place.path.split().map(|(_, name)| shown(name)).unwrap_or_default(),
        about: format!("{lines}{}{kind}", size(blob.size)),
        raw: place.href("raw"),
        code: code.map(|code| code.numbered()),
        notes,
    };
    let answer = place.keep_page(ask, ask.html(page).await?, is_settled);
    Ok(if is_hidden { hidden(answer) } else { answer })
}
