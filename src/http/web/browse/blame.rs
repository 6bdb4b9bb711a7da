//! A file with the commit that each line is from.

use std::fmt::Write as _;

use askama::Template;
use axum::response::Response;

use super::code::CodeLines;
use super::place::{Place, commit_href, hidden, href, shown};
use super::tree::FileHead;
use crate::forge::browse::{Blame, BlobText, blame, commit_info};
use crate::http::problem::Refused;
use crate::http::web::ask::Ask;
use crate::http::web::frame::Frame;
use crate::http::web::html::{Html, escaped};
use crate::http::web::mark::When;
use crate::view::one_line;

#[derive(Template)]
#[template(path = "browse/blame.html")]
struct BlamePage {
    frame: Frame,
    head: FileHead,
    name: String,
    code: Option<Html>,
    cut_at: Option<usize>,
}

/// `GET /{repo}/blame/{rev}/{path}`
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let place = Place::of(ask).await?;
    let (commit, path) = (place.commit(), place.path.clone());
    let name = place.path.split().map(|(_, name)| shown(name)).unwrap_or_default();
    let file = name.to_ascii_lowercase();
    let read = place.repo.read_expensive(&ask.app, move |git, git_dir, cancel| {
        let blame = blame((git, git_dir), commit, &path, cancel)?;
        let code = match &blame.blob.content {
            BlobText::Text(text) => Some(CodeLines::of(text, &file)),
            BlobText::Binary | BlobText::TooLarge => None,
        };
        Ok((commit_info(git, commit)?, blame, code))
    });
    let (info, blame, code) = read.await?;
    let head = FileHead::of(ask, &place, &info, &["blob", "raw", "log"]).await?;
    let is_settled = head.commit.is_settled() && code.as_ref().is_none_or(|code| !code.is_hurried);
    let page = BlamePage {
        frame: Frame { is_hidden: true, ..ask.frame("", format!("Blame of {}", place.shown_path())) },
        head,
        name,
        code: code.map(|code| blamed_lines(&place, &blame, &code)),
        cut_at: blame.cut_at,
    };
    Ok(hidden(place.keep_page(ask, ask.html(page).await?, is_settled)))
}

/// The lines in parts that are from one commit.
fn blamed_lines(place: &Place, blame: &Blame, code: &CodeLines) -> Html {
    let mut html = String::from(
        "<table class=\"blame\"><thead><tr><th scope=\"col\">Commit</th><th scope=\"col\">Lines</th></tr></thead><tbody>",
    );
    for part in &blame.parts {
        let about = blame.commits.get(&part.commit).cloned().unwrap_or_default();
        let (id, subject) = (part.commit.short(), escaped(&one_line(&about.subject)));
        let when = about.time.map(|time| When(time).to_string()).unwrap_or_default();
        let _infallible = write!(
            html,
            "<tr><td><div class=\"by\"><a href=\"{}\" title=\"{subject}\">{id}</a> <span class=\"cut\">{}</span> {when}",
            commit_href(place.name(), part.commit),
            escaped(&one_line(&about.author)),
        );
        if let Some((commit, path)) = &about.previous {
            let before = href((place.name(), "blame"), commit.to_string().as_bytes(), path);
            let _infallible = write!(
                html,
                " <a href=\"{before}#L{}\" rel=\"nofollow\" title=\"Blame before {id}\"><span aria-hidden=\"true\">↶</span><span class=\"unseen\">Before {id}</span></a>",
                part.first
            );
        }
        html.push_str("</div></td><td><pre class=\"code\">");
        for number in part.first..part.first + part.count {
            let line = code.lines.get(number.saturating_sub(1)).map(String::as_str).unwrap_or_default();
            let _infallible =
                write!(html, "<span id=\"L{number}\"><a href=\"#L{number}\">{number}</a>{line}\n</span>");
        }
        html.push_str("</pre></td></tr>");
    }
    html.push_str("</tbody></table>");
    Html(html)
}
