//! What several pages show of a commit and of a run.

use crate::app::{AppState, BrowsedRepo, Problem, RunRow};
use crate::forge::browse::CommitInfo;
use crate::http::web::browse::place::commit_href;
use crate::http::web::mark::{Mark, When};
use crate::view::one_line;

/// A run, as far as a line shows it.
#[derive(Debug, Clone)]
pub(super) struct RunLink {
    pub(super) number: u64,
    pub(super) href: String,
    pub(super) mark: Mark,
    pub(super) branch: String,
    pub(super) subject: String,
    pub(super) when: When,
    pub(super) has_ended: bool,
}

impl RunLink {
    /// A run of a list.
    pub(super) fn of(row: &RunRow) -> Self {
        let (branch, _) = crate::view::run_subject(row);
        Self {
            number: row.number,
            href: format!("/{}/run/{}", row.repo, row.number),
            mark: Mark::of_run(row),
            branch,
            subject: one_line(row.commit_subject.as_deref().unwrap_or_default()),
            when: When(row.queued_at),
            has_ended: row.outcome.is_some(),
        }
    }
}

/// A commit, as far as a line shows it.
#[derive(Debug, Clone)]
pub(super) struct CommitRow {
    pub(super) short: String,
    pub(super) href: String,
    pub(super) subject: String,
    pub(super) author: String,
    pub(super) when: When,
    pub(super) run: Option<RunLink>,
}

impl CommitRow {
    /// Whether its verdict stays as it is.
    pub(super) fn is_settled(&self) -> bool {
        self.run.as_ref().is_none_or(|run| run.has_ended)
    }

    /// A commit and its newest run.
    pub(super) fn of(repo: &BrowsedRepo, commit: &CommitInfo, run: Option<&RunRow>) -> Self {
        let name = &repo.row.name;
        Self {
            short: commit.id.short(),
            href: commit_href(name, commit.id),
            subject: subject(commit),
            author: one_line(&commit.author.name),
            when: When(commit.committer.time),
            run: run.map(RunLink::of),
        }
    }
}

/// The subject of a commit; one that has none is named so.
pub(super) fn subject(commit: &CommitInfo) -> String {
    match one_line(&commit.subject) {
        subject if subject.trim().is_empty() => "(no subject)".to_owned(),
        subject => subject,
    }
}

/// Commits with their newest runs.
pub(super) async fn commit_rows(
    app: &AppState,
    repo: &BrowsedRepo,
    commits: &[CommitInfo],
) -> Result<Vec<CommitRow>, Problem> {
    let runs = repo.runs_of_commits(app, commits.iter().map(|commit| commit.id).collect()).await?;
    let row = |(commit, run): (&CommitInfo, &Option<RunRow>)| CommitRow::of(repo, commit, run.as_ref());
    Ok(commits.iter().zip(&runs).map(row).collect())
}
