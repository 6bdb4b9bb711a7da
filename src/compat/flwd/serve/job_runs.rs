//! The runs of jobs, found for a request.

use std::sync::atomic::Ordering;

use super::FlwdState;
use super::page::FlwdPage;
use super::problem::FlwdProblem;
use crate::app::{Code, Problem, RunFilter, RunRow, find_run, job_run_record, list_runs, page_of_job_runs};
use crate::compat::flwd::facts::RunFacts;
use crate::model::{Progress, Timestamp};

impl FlwdState {
    /// The run with this id.
    pub(super) async fn run(&self, id: &str) -> Result<(RunRow, RunFacts), FlwdProblem> {
        let missing = || FlwdProblem::run_not_found("there is no run with this id");
        // Only ids are known here, not names of quire's, and only runs of jobs.
        let row = find_run(&self.app, id).await.map_err(|_| missing())?;
        if row.id.to_string() != id || !row.is_of_jobs() {
            return Err(missing());
        }
        let facts = self.facts(&row).await?;
        Ok((row, facts))
    }

    /// What is known of the run of a job beside its row.
    pub(super) async fn facts(&self, row: &RunRow) -> Result<RunFacts, Problem> {
        let record = job_run_record(&self.app, row.id).await?;
        let lost = || Problem::new(Code::RunUnreadable, "the database does not say what the run runs");
        let record = record.ok_or_else(lost)?;
        Ok(RunFacts::of(row, &record).with_engine(&record, self.engine))
    }

    /// A page of the runs of jobs, newest first.
    pub(super) async fn page_of_runs(&self, page: FlwdPage) -> Result<Vec<(RunRow, RunFacts)>, Problem> {
        let mut found = Vec::with_capacity(page.limit);
        for (row, record) in page_of_job_runs(&self.app, page.skip, page.limit).await? {
            let facts = RunFacts::of(&row, &record).with_engine(&record, self.engine);
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
        list_runs(&self.app, filter).await.map(|rows| rows.into_iter().filter(RunRow::is_of_jobs).collect())
    }

    fn newest(limit: usize) -> RunFilter {
        RunFilter::newest(None, limit)
    }
}
