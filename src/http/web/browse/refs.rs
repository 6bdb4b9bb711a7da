//! The branches and tags of a repository, with how their newest runs ended.

use askama::Template;
use axum::response::Response;

use super::place::{commit_href, href, shown};
use super::rows::RunLink;
use crate::app::{AppState, BrowsedRepo, Problem, browse};
use crate::forge::browse::{ListedRef, RefPage, TreePath, list_refs};
use crate::http::problem::Refused;
use crate::http::web::ask::Ask;
use crate::http::web::frame::{Frame, Link};
use crate::http::web::mark::When;
use crate::model::{RefKind, RefName, RepoName, percent_encoded_path};
use crate::view::one_line;

/// How many branches and tags a page has.
const COUNT: usize = 100;

#[derive(Template)]
#[template(path = "browse/refs.html")]
struct RefsPage {
    frame: Frame,
    branches: RefTable,
    tags: RefTable,
}

/// Branches or tags.
pub(super) struct RefTable {
    pub(super) rows: Vec<RefRow>,
    pub(super) total: usize,
    /// The address of the next ones.
    pub(super) next: Option<String>,
}

/// A branch or tag.
pub(super) struct RefRow {
    pub(super) name: String,
    pub(super) tree: String,
    pub(super) log: String,
    pub(super) archive: String,
    /// The page that compares a branch with the default branch.
    pub(super) compare: Option<String>,
    pub(super) commit: Link,
    pub(super) subject: String,
    pub(super) when: When,
    pub(super) is_default: bool,
    pub(super) run: Option<RunLink>,
}

/// `GET /{repo}/refs`
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let repo = browse(&ask.app, &ask.caller, &ask.address.repo).await?;
    let start = |name: &str| ask.query(name).and_then(|from| from.parse().ok()).unwrap_or_default();
    let branches = table(&ask.app, &repo, RefKind::Branch, (start("branches"), COUNT)).await?;
    let tags = table(&ask.app, &repo, RefKind::Tag, (start("tags"), COUNT)).await?;
    let page = RefsPage { frame: ask.frame("refs", "Branches and tags"), branches, tags };
    ask.html(page).await
}

/// The newest branches or tags of a repository, from one on.
pub(super) async fn table(
    app: &AppState,
    repo: &BrowsedRepo,
    kind: RefKind,
    (start, count): (usize, usize),
) -> Result<RefTable, Problem> {
    let read = repo.read(app, move |git, git_dir| list_refs(git, git_dir, kind, (start, count)));
    let RefPage { refs, total } = read.await?;
    let runs = repo.runs_of_commits(app, refs.iter().map(|listed| listed.commit).collect()).await?;
    let name = &repo.row.name;
    let row =
        |(listed, run): (&ListedRef, &Option<_>)| RefRow::of(name, listed, run.as_ref().map(RunLink::of));
    let rows: Vec<_> = refs.iter().zip(&runs).map(row).collect();
    let last = start + rows.len();
    let word = if kind == RefKind::Tag { "tags" } else { "branches" };
    let next = (last < total && !rows.is_empty()).then(|| format!("/{name}/refs?{word}={last}"));
    Ok(RefTable { rows, total, next })
}

impl RefRow {
    fn of(repo: &RepoName, listed: &ListedRef, run: Option<RunLink>) -> Self {
        let short = short(&listed.name);
        let root = TreePath::default();
        let is_branch = listed.name.kind() == RefKind::Branch;
        let compare = (is_branch && !listed.is_default).then(|| compare_href(repo, b"", &short));
        Self {
            name: shown(&short),
            tree: href((repo, "tree"), &short, &root),
            log: href((repo, "log"), &short, &root),
            archive: format!("{}.tar.gz", href((repo, "archive"), &short, &root)),
            compare,
            commit: Link::new(listed.commit.short(), commit_href(repo, listed.commit)),
            subject: one_line(&listed.subject),
            when: When(listed.time),
            is_default: listed.is_default,
            run,
        }
    }
}

/// The bytes of the short name of a branch or tag.
fn short(name: &RefName) -> Vec<u8> {
    let bytes = name.as_bytes();
    let short = bytes.strip_prefix(b"refs/heads/").or_else(|| bytes.strip_prefix(b"refs/tags/"));
    short.unwrap_or(bytes).to_vec()
}

/// The address of the page that compares two revisions; an empty name is the default branch.
pub(super) fn compare_href(repo: &RepoName, base: &[u8], head: &[u8]) -> String {
    format!("/{repo}/compare/{}..{}", percent_encoded_path(base), percent_encoded_path(head))
}
