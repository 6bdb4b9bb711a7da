//! What is known of a run beside its events: which job it runs, where that is from, and with what.

use serde_json::{Map, Value, json};

use super::events::ended_status;
use crate::app::{JobRunRecord, RunRow};
use crate::model::Progress;

/// What is known of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunFacts {
    pub(crate) run_id: String,
    pub(crate) job_id: String,
    pub(crate) started_at: String,
    /// `shell`, `container`, or what its file says.
    pub(crate) executor: String,
    /// The container engine.
    pub(crate) runtime: Option<String>,
    pub(crate) profile: String,
    pub(crate) provenance: Value,
    pub(crate) tenant: Option<String>,
    /// The arguments, without secrets.
    pub(crate) args: Map<String, Value>,
}

/// What every event of a run says.
#[derive(Debug, PartialEq)]
pub(crate) struct Common {
    pub(crate) job_id: String,
    /// The beginning of a JSON object with all of it.
    pub(crate) members: String,
}

/// Members of an object; those without a value are left out.
pub(crate) fn members<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    let named = pairs.into_iter().filter(|(_, value)| !value.is_null());
    named.map(|(name, value)| (name.to_owned(), value)).collect()
}

impl RunFacts {
    /// Of a run, with what it runs.
    pub(crate) fn of(row: &RunRow, record: &JobRunRecord) -> Self {
        Self {
            run_id: row.id.to_string(),
            job_id: record.asked.clone(),
            started_at: row.started_at.unwrap_or(row.queued_at).to_string(),
            executor: record.executor.clone(),
            runtime: None,
            profile: record.profile.clone(),
            provenance: record.provenance.clone(),
            tenant: record.tenant.clone(),
            args: record.args.clone(),
        }
    }

    /// The same on a machine with this container engine.
    pub(crate) fn with_engine(mut self, record: &JobRunRecord, engine: &str) -> Self {
        let is_contained = record.work.jobs.iter().any(|job| job.container.is_some());
        self.runtime = is_contained.then(|| engine.to_owned());
        self
    }

    /// What every event of the run says.
    pub(crate) fn common(&self) -> Common {
        let common = members([
            ("run_id", json!(self.run_id)),
            ("job_id", json!(self.job_id)),
            ("started_at", json!(self.started_at)),
            ("executor", json!(self.executor)),
            ("runtime", json!(self.runtime)),
            ("provenance", self.provenance.clone()),
        ]);
        let mut members = Value::Object(common).to_string();
        members.pop();
        Common { job_id: self.job_id.clone(), members }
    }

    /// The run as `/runs` answers it.
    pub(crate) fn payload(&self, row: &RunRow) -> Value {
        let error = row.reason.as_ref().filter(|_| status(row) == "failed").map(|reason| &reason.text);
        Value::Object(members([
            ("id", json!(self.run_id)),
            ("job_id", json!(self.job_id)),
            ("status", json!(status(row))),
            ("started_at", json!(self.started_at)),
            ("finished_at", json!(row.finished_at.map(|at| at.to_string()))),
            ("result", json!({"resolved_args": self.args})),
            ("executor", json!(self.executor)),
            ("runtime", json!(self.runtime)),
            ("security_profile", json!(self.profile)),
            ("provenance", self.provenance.clone()),
            ("tenant", json!(self.tenant)),
            ("error", json!(error)),
        ]))
    }
}

/// Where a run is.
pub(crate) fn status(row: &RunRow) -> &'static str {
    match (row.state, row.outcome) {
        (_, Some(outcome)) => ended_status(outcome.as_str()),
        (Progress::Queued, None) => "queued",
        (Progress::Running | Progress::Finished, None) => "running",
    }
}
