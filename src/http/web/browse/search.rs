//! Searching the files of a revision.

use askama::Template;
use axum::response::Response;

use super::place::{Place, hidden, shown};
use crate::app::browse;
use crate::forge::browse::{Match, search};
use crate::http::problem::Refused;
use crate::http::web::ask::Ask;
use crate::http::web::frame::Frame;
use crate::http::web::html::{Html, push_escaped};
use crate::view::{file_line, one_line};

/// The longest text that is searched for, in characters.
const MAX_TEXT: usize = 200;

#[derive(Template)]
#[template(path = "browse/search.html")]
struct SearchPage {
    frame: Frame,
    query: String,
    revision: String,
    files: Vec<Found>,
    count: usize,
    is_cut: bool,
}

/// A file in which something was found.
struct Found {
    name: String,
    href: String,
    lines: Html,
}

/// `GET /{repo}/search?q=&ref=`
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let repo = browse(&ask.app, &ask.caller, &ask.address.repo).await?;
    let query: String = ask.query("q").unwrap_or_default().chars().take(MAX_TEXT).collect();
    let revision = ask.query("ref");
    // Git reads lines: a text of several is several texts.
    let text = query.lines().next().unwrap_or_default().replace('\0', "");
    let mut page = SearchPage {
        frame: Frame { is_hidden: true, ..ask.frame("search", "Search") },
        query: one_line(&query),
        revision: revision.as_deref().map(one_line).unwrap_or_default(),
        files: Vec::new(),
        count: 0,
        is_cut: false,
    };
    if !text.trim().is_empty() {
        let name = revision.unwrap_or_else(|| "HEAD".to_owned()).into_bytes();
        let place = Place::named(ask, repo, name).await?;
        let (commit, pattern) = (place.commit(), text.clone());
        let read = place
            .repo
            .read_expensive(&ask.app, move |_, git_dir, cancel| search(git_dir, commit, &pattern, cancel));
        let found = read.await?;
        (page.count, page.is_cut) = (found.lines.len(), found.is_cut);
        page.files = found
            .lines
            .chunk_by(|a, b| a.path == b.path)
            .filter_map(|of| Found::of(&place, of, &text))
            .collect();
    }
    Ok(hidden(ask.html(page).await?))
}

impl Found {
    fn of(place: &Place, lines: &[Match], text: &str) -> Option<Self> {
        let path = &lines.first()?.path;
        let href = place.href_of("blob", path);
        let mut html = String::from("<pre class=\"code\" tabindex=\"0\">");
        for line in lines {
            let number = line.line;
            html.push_str(&format!("<span><a href=\"{href}#L{number}\">{number}</a>"));
            let shown = file_line(&String::from_utf8_lossy(&line.text));
            push_marked(&mut html, shown.trim_end_matches('\r'), text);
            html.push_str("\n</span>");
        }
        html.push_str("</pre>");
        Some(Self { name: shown(path.as_bytes()), href, lines: Html(html) })
    }
}

/// Adds a line with the places marked that have the text.
fn push_marked(html: &mut String, line: &str, text: &str) {
    // Other letters may change their length with their case: they are found, and not marked.
    let has_case = text.chars().any(char::is_uppercase) || !line.is_ascii();
    let haystack = if has_case { line.to_owned() } else { line.to_ascii_lowercase() };
    let mut from = 0;
    for (at, found) in haystack.match_indices(text) {
        push_escaped(html, line.get(from..at).unwrap_or_default());
        html.push_str("<mark>");
        push_escaped(html, line.get(at..at + found.len()).unwrap_or_default());
        html.push_str("</mark>");
        from = at + found.len();
    }
    push_escaped(html, line.get(from..).unwrap_or_default());
}
