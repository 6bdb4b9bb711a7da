//! The runs of jobs, found for a request.

use std::sync::atomic::Ordering;

use super::FlwdState;
use super::page::FlwdPage;
use super::problem::FlwdProblem;
use crate::app::{Problem, RunFilter, RunRow, find_run, list_runs};
use crate::compat::flwd::facts::RunFacts;
use crate::model::{Progress, Timestamp};

impl FlwdState {
    /// The run with this id.
    pub(super) async fn run(&self, id: &str) -> Result<(RunRow, RunFacts), FlwdProblem> {
        let missing = || FlwdProblem::run_not_found("there is no run with this id");
        // Only ids are known here, not names of quire's.
        let row = find_run(&self.app, id).await.map_err(|_| missing())?;
        if row.id.to_string() != id {
            return Err(missing());
        }
        let facts = self.facts(&row).await?;
        Ok((row, facts))
    }

    /// What is known of a run beside its row.
    pub(super) async fn facts(&self, row: &RunRow) -> Result<RunFacts, Problem> {
        Ok(RunFacts {
            run_id: row.id.to_string(),
            job_id: row.commit_subject.clone().unwrap_or_default(),
            started_at: row.started_at.unwrap_or(row.queued_at).to_string(),
            executor: "shell".to_owned(),
            runtime: None,
            profile: "secure".to_owned(),
            provenance: serde_json::Value::Null,
            tenant: None,
            args: serde_json::Map::new(),
        })
    }

    /// A page of the runs of jobs, newest first.
    pub(super) async fn page_of_runs(&self, page: FlwdPage) -> Result<Vec<(RunRow, RunFacts)>, Problem> {
        let rows = self.list(Self::newest(page.skip.saturating_add(page.limit))).await?;
        let rows = page.of(rows);
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let facts = self.facts(&row).await?;
            found.push((row, facts));
        }
        Ok(found)
    }

    /// The runs that were recorded since a time, newest first.
    pub(super) async fn runs_since(&self, since: Timestamp, limit: usize) -> Result<Vec<RunRow>, Problem> {
        self.list(RunFilter { since: Some(since), ..Self::newest(limit) }).await
    }

    /// The runs that are running.
    pub(super) async fn running(&self) -> Result<Vec<RunRow>, Problem> {
        self.list(RunFilter { state: Some(Progress::Running), ..Self::newest(usize::MAX) }).await
    }

    /// How many runs were accepted since the server has begun.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    async fn list(&self, filter: RunFilter) -> Result<Vec<RunRow>, Problem> {
        list_runs(&self.app, filter).await
    }

    fn newest(limit: usize) -> RunFilter {
        RunFilter::newest(None, limit)
    }
}
