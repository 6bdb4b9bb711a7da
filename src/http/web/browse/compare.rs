//! A branch against its base: what it adds, and how its checks ended.

use askama::Template;
use axum::response::Response;

use super::differences::Differences;
use super::place::{Place, hidden, shown};
use super::rows::{CommitRow, RunLink, commit_rows};
use crate::app::{Code, Problem, RunFilter, browse, list_run_shapes};
use crate::forge::browse::compare_commits;
use crate::http::problem::Refused;
use crate::http::web::ask::Ask;
use crate::http::web::frame::{Frame, Link};
use crate::http::web::mark::Mark;
use crate::model::{percent_decoded_bytes, percent_encoded};
use crate::view::{RunShape, one_line};

#[derive(Template)]
#[template(path = "browse/compare.html")]
struct ComparePage {
    frame: Frame,
    base: String,
    head: String,
    base_href: String,
    head_href: String,
    /// The same with both exchanged.
    other_way: String,
    rows: Vec<CommitRow>,
    is_cut: bool,
    behind: u64,
    run: Option<RunLink>,
    checks: Vec<Check>,
    shows_runs: bool,
    diff: Differences,
}

/// A job of the newest run of the branch.
struct Check {
    mark: Mark,
    link: Link,
    reason: String,
}

/// `GET /{repo}/compare/{base}..{head}`
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let repo = browse(&ask.app, &ask.caller, &ask.address.repo).await?;
    let address = percent_decoded_bytes(&ask.address.rest);
    // No name of a ref has two dots in it.
    let at = address.windows(2).position(|dots| dots == b"..").ok_or_else(no_range)?;
    let (base, head) = address.split_at(at);
    let head = head.strip_prefix(b"...").or_else(|| head.strip_prefix(b"..")).unwrap_or(head);
    let or_default = |name: &[u8]| if name.is_empty() { b"HEAD".to_vec() } else { name.to_vec() };
    let base = Place::named(ask, repo.clone(), or_default(base)).await?;
    let head = Place::named(ask, repo, or_default(head)).await?;
    let commits = (base.commit(), head.commit());
    let read = head.repo.read_expensive(&ask.app, move |git, git_dir, cancel| {
        compare_commits((git, git_dir), commits, cancel)
    });
    let comparison = read.await?;
    let repo = &head.repo;
    let filter = RunFilter { sha: Some(head.commit()), ..repo.run_filter(1) };
    let run = repo.runs(&ask.app, filter.clone()).await?.pop();
    let shapes = if repo.shows_runs { list_run_shapes(&ask.app, filter).await?.runs } else { Vec::new() };
    let range = (Some(comparison.merge_base), head.commit());
    let names = (base.shown_revision(), head.shown_revision());
    let page = ComparePage {
        frame: Frame { is_hidden: true, ..ask.frame("refs", format!("{} against {}", names.1, names.0)) },
        base: names.0,
        head: names.1,
        base_href: base.href("tree"),
        head_href: head.href("tree"),
        other_way: super::refs::compare_href(head.name(), &head.revision.name, &base.revision.name),
        rows: commit_rows(&ask.app, repo, &comparison.commits).await?,
        is_cut: comparison.is_cut,
        behind: comparison.behind,
        run: run.as_ref().map(RunLink::of),
        checks: shapes.iter().flat_map(checks).collect(),
        shows_runs: repo.shows_runs,
        diff: Differences::of(head.name(), range, &comparison.diff),
    };
    Ok(hidden(ask.html(page).await?))
}

/// The jobs of a run.
fn checks(run: &RunShape) -> Vec<Check> {
    let check = |job: &crate::view::JobShape| Check {
        mark: Mark::of_word(job.outcome.as_deref().unwrap_or(&job.state)),
        link: Link::new(
            one_line(&job.id),
            format!("/{}/run/{}/job/{}", run.repo, run.number, percent_encoded(&job.id)),
        ),
        reason: job.reason.as_ref().map(|reason| one_line(&reason.text)).unwrap_or_default(),
    };
    run.jobs.iter().map(check).collect()
}

fn no_range() -> Problem {
    let shown = shown(b"BASE..BRANCH");
    Problem::new(Code::RouteNotFound, format!("two revisions are compared: {shown}"))
}
