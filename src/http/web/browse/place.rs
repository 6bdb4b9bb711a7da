//! Which commit and which file of a repository an address means, and the addresses of what is near.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use ring::digest::{SHA256, digest};

use crate::app::{BrowsedRepo, browse};
use crate::forge::browse::{Revision, TreePath, find_revision, split_revision};
use crate::http::problem::Refused;
use crate::http::web::ask::Ask;
use crate::http::web::frame::Link;
use crate::model::{CommitId, RepoName, hex, percent_decoded_bytes, percent_encoded_path};
use crate::view::one_line;

/// How long what never changes is kept by everybody, and a page that has it, which is also around it.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
const FOR_A_DAY: &str = "public, max-age=86400, immutable";

/// A place in a repository: a commit, how it was called, and a path there.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) repo: BrowsedRepo,
    pub(super) revision: Revision,
    pub(super) path: TreePath,
}

/// A name for people: control characters are visible, and a long one is cut.
pub(super) fn shown(bytes: &[u8]) -> String {
    one_line(&String::from_utf8_lossy(bytes))
}

impl Place {
    /// The place that an address `/{repo}/{page}/{rev}/{path}` means.
    pub(super) async fn of(ask: &Ask) -> Result<Self, Refused> {
        let repo = browse(&ask.app, &ask.caller, &ask.address.repo).await?;
        let address = percent_decoded_bytes(&ask.address.rest);
        let found = repo.read(&ask.app, move |git, git_dir| split_revision(git, git_dir, &address)).await?;
        Ok(Self { repo, revision: found.0, path: found.1 })
    }

    /// The commit that a whole name means.
    pub(super) async fn named(ask: &Ask, repo: BrowsedRepo, name: Vec<u8>) -> Result<Self, Refused> {
        let revision = repo.read(&ask.app, move |git, git_dir| find_revision(git, git_dir, &name)).await?;
        Ok(Self { repo, revision, path: TreePath::default() })
    }

    pub(super) fn name(&self) -> &RepoName {
        &self.repo.row.name
    }

    pub(super) fn commit(&self) -> CommitId {
        self.revision.commit
    }

    /// The name of the revision for people.
    pub(super) fn shown_revision(&self) -> String {
        match self.revision.is_fixed() {
            true => self.revision.commit.short(),
            false => shown(&self.revision.name),
        }
    }

    /// The path for people; the name of the repository for the root.
    pub(super) fn shown_path(&self) -> String {
        if self.path.is_root() { self.name().to_string() } else { shown(self.path.as_bytes()) }
    }

    /// The address of a page of this place.
    pub(super) fn href(&self, page: &str) -> String {
        self.href_of(page, &self.path)
    }

    /// The address of a page of another path of the same revision.
    pub(super) fn href_of(&self, page: &str, path: &TreePath) -> String {
        href((self.name(), page), &self.revision.name, path)
    }

    /// The address of a page of this path at a commit.
    pub(super) fn href_at(&self, page: &str, commit: CommitId) -> String {
        href((self.name(), page), commit.to_string().as_bytes(), &self.path)
    }

    /// The folders that lead to this path, each with its address; the path itself is the last, and leads to its page `own`.
    pub(super) fn crumbs(&self, own: &str) -> Vec<Link> {
        let mut path = TreePath::default();
        let mut crumbs = vec![Link::new(self.name().to_string(), self.href_of("tree", &path))];
        for part in self.path.parts() {
            path = path.join(part);
            crumbs.push(Link::new(shown(part), self.href_of("tree", &path)));
        }
        if let Some(last) = crumbs.last_mut() {
            last.href = self.href(if self.path.is_root() { "tree" } else { own });
        }
        crumbs
    }

    /// Lets everybody keep an answer that never changes: of a commit by its id, in a repository that everybody may read.
    pub(super) fn keep_for_good(&self, answer: Response) -> Response {
        keep(self.is_kept(), answer, FOR_GOOD)
    }

    /// The same for a page, which has around it who is signed in: that of nobody is kept, once its verdicts stay as they are.
    pub(super) fn keep_page(&self, ask: &Ask, answer: Response, is_settled: bool) -> Response {
        let is_kept = self.is_kept() && is_settled && ask.caller.is_nobody();
        let mut answer = keep(is_kept, answer, FOR_A_DAY);
        vary_by_caller(&mut answer);
        answer
    }

    fn is_kept(&self) -> bool {
        self.repo.is_public && self.revision.is_fixed()
    }
}

fn keep(is_kept: bool, mut answer: Response, how_long: &'static str) -> Response {
    if is_kept {
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(how_long));
    }
    answer
}

/// Marks an answer as one that is another for who has signed in.
pub(super) fn vary_by_caller(answer: &mut Response) {
    let who = HeaderValue::from_static("accept-encoding, authorization, cookie, remote-user");
    answer.headers_mut().insert(header::VARY, who);
}

/// The tag of an answer that is the same as long as this text is.
pub(super) fn tag_of(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    format!("\"{}\"", hex(digest.as_ref().get(..10).unwrap_or_default()))
}

/// Lets a client keep an answer, and ask with its tag whether it is still the same.
pub(super) fn set_tag(answer: &mut Response, tag: &str) {
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer.headers_mut().extend(HeaderValue::from_str(tag).map(|tag| (header::ETAG, tag)));
}

/// Marks an answer as one that search engines leave out.
pub(super) fn hidden(mut answer: Response) -> Response {
    let name = HeaderName::from_static("x-robots-tag");
    answer.headers_mut().insert(name, HeaderValue::from_static("noindex, nofollow"));
    answer
}

/// The address of a page of a path at a revision.
pub(super) fn href((repo, page): (&RepoName, &str), revision: &[u8], path: &TreePath) -> String {
    let revision = percent_encoded_path(revision);
    match path.is_root() {
        true => format!("/{repo}/{page}/{revision}"),
        false => format!("/{repo}/{page}/{revision}/{}", percent_encoded_path(path.as_bytes())),
    }
}

/// The address of the page of a commit.
pub(super) fn commit_href(repo: &RepoName, commit: CommitId) -> String {
    format!("/{repo}/commit/{commit}")
}
