//! The jobs of repositories that somebody can start: those of each default branch.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::operation::Operation;
use super::planning::{CommitRequest, evaluated};
use super::problem::{Code, Problem};
use super::repositories::list_repos;
use super::state::AppState;
use crate::forge::Listed;
use crate::run::ManualJob;

/// The most pipelines that are evaluated for one list; the others are known by their commits.
const MAX_EVALUATED: usize = 20;

/// The jobs of one repository, or of all.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListRepoJobs {
    /// The repository.
    pub(crate) repo: Option<String>,
}

/// The jobs of repositories.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RepoJobs {
    /// The jobs.
    pub(crate) jobs: Vec<RepoJob>,
    /// The repositories that were left out: their pipelines would have to be evaluated, and too many others were.
    pub(crate) left_out: Vec<String>,
    /// The repositories whose pipelines have mistakes.
    #[serde(default)]
    pub(crate) broken: Vec<String>,
}

/// A job of a repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RepoJob {
    /// The repository.
    pub(crate) repo: String,
    /// The job.
    pub(crate) job: ManualJob,
}

impl Operation for ListRepoJobs {
    type Answer = RepoJobs;

    const ROUTE: &'static str = "/repos/jobs";
    const PATIENCE: Duration = Duration::from_secs(60);

    async fn perform(self, app: &AppState) -> Result<RepoJobs, Problem> {
        match &self.repo {
            Some(repo) => {
                let jobs = of_repo(app, repo, &mut 1).await?.unwrap_or_default();
                Ok(RepoJobs { jobs: named(repo, jobs), ..RepoJobs::default() })
            }
            None => list_repo_jobs(app).await,
        }
    }
}

fn named(repo: &str, jobs: Vec<ManualJob>) -> Vec<RepoJob> {
    jobs.into_iter().map(|job| RepoJob { repo: repo.to_owned(), job }).collect()
}

/// The jobs of all repositories.
async fn list_repo_jobs(app: &AppState) -> Result<RepoJobs, Problem> {
    let state = app.clone();
    let listed = app.read(move || list_repos(&state)).await.unwrap_or_else(|| Ok(Vec::new()))?;
    let (mut found, mut left) = (RepoJobs::default(), MAX_EVALUATED);
    for Listed { name: repo, .. } in listed.into_iter().filter(|repo| repo.id.is_some()) {
        // One that cannot be read hides no other.
        match of_repo(app, repo.as_str(), &mut left).await {
            Ok(Some(jobs)) => found.jobs.extend(named(repo.as_str(), jobs)),
            Ok(None) => found.left_out.push(repo.to_string()),
            Err(problem) if problem.code == Code::PipelineBroken => found.broken.push(repo.to_string()),
            Err(_) => {}
        }
    }
    Ok(found)
}

/// The jobs of a repository; nothing when its pipeline would have to be evaluated and no evaluation is left.
async fn of_repo(app: &AppState, repo: &str, left: &mut usize) -> Result<Option<Vec<ManualJob>>, Problem> {
    let commit = match (CommitRequest { repo, ref_name: None, sha: None }).find(app).await {
        // Without a default branch, and of a repository that is watched elsewhere, nothing can be started.
        Err(problem) if problem.code == Code::RequestRefused => return Ok(Some(Vec::new())),
        commit => commit?,
    };
    if !commit.has_pipeline {
        return Ok(Some(Vec::new()));
    }
    let (order, id) = (commit.order(app, &commit.manual_event(None, None)), commit.update.new);
    let known = order.clone();
    if let Some(known) = app.read(move || known.known_manual_jobs(id)).await.flatten() {
        return Ok(Some(known));
    }
    let Some(fewer) = left.checked_sub(1) else { return Ok(None) };
    *left = fewer;
    let jobs = evaluated(app, move || order.manual_jobs(id)).await?;
    jobs.map(Some).map_err(Problem::broken_pipeline)
}
