//! What each kind of event says, as JSON.

use serde::Serialize;

use crate::journal::{ArtifactRecord, DiagnosticFact, JobFact, PolicyRecord, StepEnd, StepStart};
use crate::log::Stream;
use crate::model::{Outcome, Reason, Timestamp};
use crate::store::RunRow;

/// One line of a `log`, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct EventLine {
    /// Its number in the log of the step, over both streams.
    pub(super) n: u64,
    /// Which part of the line it is; absent when it is the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<u32>,
    /// When it was written.
    #[serde(serialize_with = "as_text")]
    pub(super) time: Timestamp,
    /// The text, with its escape sequences, without secrets.
    pub(super) text: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub(super) enum EventBody {
    #[serde(rename = "run.queued")]
    RunQueued(Box<QueuedRun>),
    #[serde(rename = "run.started")]
    RunStarted {},
    #[serde(rename = "run.finished")]
    RunFinished { outcome: &'static str, reason: Option<Reason> },
    #[serde(rename = "pipeline.evaluated")]
    Evaluated { jobs: Vec<JobFact>, diagnostics: Vec<DiagnosticFact> },
    #[serde(rename = "pipeline.broken")]
    Broken { diagnostics: Vec<DiagnosticFact> },
    #[serde(rename = "job.added")]
    JobAdded { job: String, needs: Vec<String>, added_by: String },
    #[serde(rename = "job.started")]
    JobStarted { job: String, attempt: u32 },
    #[serde(rename = "job.finished")]
    JobFinished { job: String, attempt: u32, outcome: &'static str, reason: Option<Reason> },
    #[serde(rename = "step.started")]
    StepStarted { job: String, step: u32, attempt: u32, title: String, line: Option<u32> },
    #[serde(rename = "step.finished")]
    StepFinished(Box<FinishedStep>),
    #[serde(rename = "log")]
    Log { job: Option<String>, step: u32, attempt: u32, stream: &'static str, lines: Vec<EventLine> },
    #[serde(rename = "policy.decision")]
    PolicyDecision { job: String, decision: Box<PolicyRecord> },
    #[serde(rename = "artifact.saved")]
    ArtifactSaved(Box<SavedArtifact>),
}

/// A file that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct SavedArtifact {
    job: String,
    path: String,
    size_bytes: u64,
    sha256: String,
    expires_at: Option<String>,
}

/// A run that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct QueuedRun {
    repo: String,
    number: u64,
    #[serde(rename = "ref")]
    ref_name: Option<String>,
    sha: Option<String>,
    subject: Option<String>,
    event: &'static str,
    pusher: Option<String>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct FinishedStep {
    job: String,
    step: u32,
    attempt: u32,
    outcome: &'static str,
    exit: Option<i32>,
    signal: Option<i32>,
    duration_s: Option<f64>,
    left_out_bytes: u64,
    masked: Vec<String>,
}

impl EventBody {
    /// The word for its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::RunQueued(_) => "run.queued",
            Self::RunStarted {} => "run.started",
            Self::RunFinished { .. } => "run.finished",
            Self::Evaluated { .. } => "pipeline.evaluated",
            Self::Broken { .. } => "pipeline.broken",
            Self::JobAdded { .. } => "job.added",
            Self::JobStarted { .. } => "job.started",
            Self::JobFinished { .. } => "job.finished",
            Self::StepStarted { .. } => "step.started",
            Self::StepFinished(_) => "step.finished",
            Self::Log { .. } => "log",
            Self::PolicyDecision { .. } => "policy.decision",
            Self::ArtifactSaved(_) => "artifact.saved",
        }
    }

    /// The run waits.
    pub(super) fn queued(row: &RunRow) -> Self {
        let subject = row.event.subject.as_ref();
        Self::RunQueued(Box::new(QueuedRun {
            repo: row.repo.to_string(),
            number: row.number,
            ref_name: subject.map(|update| update.ref_name.to_string()),
            sha: subject.map(|update| update.new.to_string()),
            subject: row.commit_subject.clone(),
            event: row.event.trigger().shown(),
            pusher: row.event.pusher().map(str::to_owned),
        }))
    }

    pub(super) fn artifact_saved(job: String, artifact: ArtifactRecord) -> Self {
        Self::ArtifactSaved(Box::new(SavedArtifact {
            job,
            expires_at: artifact.expires_at().map(|time| time.to_string()),
            path: artifact.path.into_string(),
            size_bytes: artifact.size_bytes,
            sha256: artifact.sha256,
        }))
    }

    pub(super) fn step_started(job: String, attempt: u32, start: StepStart) -> Self {
        let StepStart { number, title, line } = start;
        Self::StepStarted { job, step: number, attempt, title: title.into_string(), line }
    }

    pub(super) fn step_finished(job: String, (step, attempt): (u32, u32), end: StepEnd) -> Self {
        Self::StepFinished(Box::new(FinishedStep {
            job,
            step,
            attempt,
            outcome: end.outcome.as_str(),
            exit: Some(end.exit),
            signal: end.signal,
            duration_s: Some(std::time::Duration::from_millis(end.duration_ms).as_secs_f64()),
            left_out_bytes: end.left_out,
            masked: end.secrets,
        }))
    }

    /// A step that was not followed to its end ended with its run.
    pub(super) fn step_lost(job: String, (step, attempt): (u32, u32), outcome: Outcome) -> Self {
        Self::StepFinished(Box::new(FinishedStep {
            job,
            step,
            attempt,
            outcome: outcome.as_str(),
            exit: None,
            signal: None,
            duration_s: None,
            left_out_bytes: 0,
            masked: Vec::new(),
        }))
    }

    /// Lines of one stream of a log.
    pub(super) fn log((job, step): (Option<String>, u32), attempt: u32, stream: Stream) -> Self {
        Self::Log { job, step, attempt, stream: stream.as_str(), lines: Vec::new() }
    }
}

pub(super) fn as_text<T: ToString, S: serde::Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&value.to_string())
}
