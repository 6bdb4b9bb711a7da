//! Differences as HTML, on the pages of a commit and of a comparison.

use std::fmt::Write as _;

use super::place::{href, shown};
use crate::forge::browse::{ChangeKind, Diff, FileDiff};
use crate::http::web::html::{Html, push_escaped};
use crate::model::{CommitId, RepoName};
use crate::view::file_line;

/// What a page shows of differences.
pub(super) struct Differences {
    pub(super) files: Vec<File>,
    pub(super) total: usize,
    pub(super) added: usize,
    pub(super) removed: usize,
    pub(super) is_cut: bool,
}

/// What a page shows of a file that differs.
pub(super) struct File {
    pub(super) number: usize,
    /// What happened to it: `added`, `renamed from …`.
    pub(super) kind: String,
    pub(super) name: String,
    /// The file afterwards, or before it was deleted; a submodule has no page.
    pub(super) href: Option<String>,
    pub(super) added: usize,
    pub(super) removed: usize,
    pub(super) lines: Option<Html>,
    /// Why there are no lines, or not all.
    pub(super) note: Option<&'static str>,
}

impl Differences {
    /// What a page shows of the differences between two commits.
    pub(super) fn of(repo: &RepoName, (old, new): (Option<CommitId>, CommitId), diff: &Diff) -> Self {
        let file = |(index, file): (usize, &FileDiff)| File::of(repo, (old, new), index, file);
        Self {
            files: diff.files.iter().enumerate().map(file).collect(),
            total: diff.total,
            added: diff.added,
            removed: diff.removed,
            is_cut: diff.is_cut,
        }
    }
}

impl File {
    fn of(repo: &RepoName, (old, new): (Option<CommitId>, CommitId), index: usize, file: &FileDiff) -> Self {
        let (commit, path) = match file.kind {
            ChangeKind::Deleted => (old.unwrap_or(new), &file.old),
            ChangeKind::Added | ChangeKind::Modified | ChangeKind::Renamed | ChangeKind::Type => {
                (new, &file.new)
            }
        };
        let kind = match file.kind {
            ChangeKind::Added if file.is_submodule => "submodule added".to_owned(),
            ChangeKind::Added => "added".to_owned(),
            ChangeKind::Deleted => "deleted".to_owned(),
            ChangeKind::Modified => String::new(),
            ChangeKind::Renamed => format!("renamed from {}", shown(file.old.as_bytes())),
            ChangeKind::Type => "of another kind".to_owned(),
        };
        Self {
            number: index + 1,
            kind,
            name: shown(path.as_bytes()),
            href: (!file.is_submodule).then(|| href((repo, "blob"), commit.to_string().as_bytes(), path)),
            added: file.added,
            removed: file.removed,
            lines: (!file.hunks.is_empty()).then(|| lines(file, index + 1)),
            note: match file.without {
                Some("binary") => Some("Not text, or only its mode differs."),
                Some("too large") => Some("Too large to be compared here."),
                Some(_) => Some("Cut: the whole is in the .diff."),
                None => None,
            },
        }
    }
}

/// The lines of a file. Their numbers are content of the style: nobody copies them.
fn lines(file: &FileDiff, number: usize) -> Html {
    let mut html = format!("<pre class=\"diff\" tabindex=\"0\" aria-labelledby=\"f{number}\">");
    for hunk in &file.hunks {
        html.push_str("<span class=\"hunk\">");
        push_escaped(&mut html, &file_line(&String::from_utf8_lossy(&hunk.header)));
        html.push_str("\n</span>");
        for line in &hunk.lines {
            let class = match line.sign {
                '+' => "add",
                '-' => "del",
                _ => "same",
            };
            let place = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
            let _infallible = write!(
                html,
                "<span class=\"{class}\" data-old=\"{}\" data-new=\"{}\">{}",
                place(line.old),
                place(line.new),
                line.sign
            );
            let text = String::from_utf8_lossy(&line.text);
            push_escaped(&mut html, &file_line(text.strip_suffix('\r').unwrap_or(&text)));
            html.push_str("\n</span>");
        }
    }
    html.push_str("</pre>");
    Html(html)
}
