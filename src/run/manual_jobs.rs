//! The jobs of a commit that somebody can start, with the arguments that they declare. They are kept by commit: a shell asks for them
//! while a command is typed.

use serde::{Deserialize, Serialize};

use super::planner::{PlanError, PlanOrder, PlannedJob};
use crate::journal::DiagnosticFact;
use crate::model::{CommitId, Diagnostic};
use crate::pipeline::argument::ArgSpec;
use crate::script::{BundleCache, CacheKey};

/// A job that `:quire/manual` starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManualJob {
    /// Its id.
    pub(crate) id: String,
    /// The arguments that it declares; absent when it takes any JSON.
    pub(crate) arguments: Option<Vec<ArgSpec>>,
}

impl PlanOrder {
    /// The jobs of the commit, if they are known without an evaluation. Blocking.
    pub(crate) fn known_manual_jobs(&self, commit: CommitId) -> Option<Vec<ManualJob>> {
        let kept = BundleCache::new(&self.cache_dir).load_bytes(&CacheKey::of_jobs(commit))?;
        serde_json::from_slice(&kept).ok()
    }

    /// The jobs of the commit, or the mistakes of its pipeline. A process of its own evaluates it, unless they are known. Mistakes are
    /// not kept: with more time or memory there may be none. Blocking.
    ///
    /// # Errors
    /// There is no answer.
    pub(crate) fn manual_jobs(
        &self,
        commit: CommitId,
    ) -> Result<Result<Vec<ManualJob>, Vec<Diagnostic>>, PlanError> {
        if let Some(known) = self.known_manual_jobs(commit) {
            return Ok(Ok(known));
        }
        let plan = self.plan()?;
        if plan.is_broken {
            return Ok(Err(plan.diagnostics.iter().map(DiagnosticFact::to_diagnostic).collect()));
        }
        let jobs = plan.jobs.into_iter().filter_map(ManualJob::of).collect();
        let kept = serde_json::to_vec(&jobs).unwrap_or_default();
        if let Err(problem) = BundleCache::new(&self.cache_dir).store_bytes(&CacheKey::of_jobs(commit), &kept)
        {
            tracing::debug!(%problem, "the jobs of a pipeline were not kept");
        }
        Ok(Ok(jobs))
    }
}

impl ManualJob {
    fn of(job: PlannedJob) -> Option<Self> {
        job.has_manual_source().then_some(Self { id: job.id, arguments: job.arguments })
    }
}
