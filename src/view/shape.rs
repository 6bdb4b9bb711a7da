//! A run as JSON: the shape that the HTTP interface answers and `--json` prints. Times are RFC 3339 in UTC with milliseconds,
//! durations seconds, sizes bytes.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::artifact_shape::{ArtifactShape, TestsShape};
use super::decision_shape::DecisionShape;
use super::diagnostic_shape::DiagnosticShape;
use super::log_sizes::LogSizes;
use super::run::{RunView, ref_text, run_url};
use super::signature_shape::SignatureShape;
use super::words::{EventWord, OutcomeWord, StateWord};
use crate::event::{OnlyJobs, PushCertificate, Rerun};
use crate::journal::{ImageRecord, JobRecord, RunRecord, StepRecord};
use crate::model::{CommitId, Outcome, Progress, Reason, RefName, Timestamp, format_duration};
use crate::store::{JobRow, RunRow};
use crate::sys::clock;

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Run)]
pub(crate) struct RunShape {
    /// Its repository.
    pub(crate) repo: String,
    /// Its number there, from 1.
    pub(crate) number: u64,
    /// Its id.
    pub(crate) id: String,
    /// The full name of the ref.
    #[serde(rename = "ref")]
    pub(crate) ref_name: Option<String>,
    /// The commit.
    pub(crate) sha: Option<String>,
    /// The first line of the commit's message.
    pub(crate) subject: Option<String>,
    /// `push`, `manual` or `cron`.
    #[schema(value_type = EventWord)]
    pub(crate) event: String,
    /// Who caused it.
    pub(crate) pusher: Option<String>,
    /// `queued`, `running` or `finished`.
    #[schema(value_type = StateWord)]
    pub(crate) state: String,
    /// How it ended; absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<OutcomeWord>)]
    pub(crate) outcome: Option<String>,
    /// Why, or what a queued run waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<ReasonShape>,
    /// When it was recorded.
    pub(crate) queued_at: String,
    /// When its jobs began.
    pub(crate) started_at: Option<String>,
    /// When it ended.
    pub(crate) finished_at: Option<String>,
    /// How long its jobs took.
    pub(crate) duration_s: Option<f64>,
    /// The address of its page; null when the server has none.
    pub(crate) url: Option<String>,
    /// The number of the run that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) attempt_of: Option<u64>,
    /// The numbers of the runs that repeat it.
    pub(crate) reruns: Vec<u64>,
    /// The number of the run that superseded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) superseded_by: Option<u64>,
    /// The jobs that the push named with `ci.only`: of the run only these were to start, and what they need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) only: Vec<String>,
    /// What git found of the certificate of its push, if that was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signed: Option<SignatureShape>,
    /// What was found in the files of the pipeline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) diagnostics: Vec<DiagnosticShape>,
    /// Why its journal cannot be read; what is known without it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
    /// Its workspace, when it could not be removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) left_workspace: Option<String>,
    /// The images that its containers used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) images: Vec<ImageShape>,
    /// What its test reports say; absent in lists, and without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tests: Option<TestsShape>,
    /// Its artifacts. They have a route of their own.
    #[serde(skip)]
    pub(crate) artifacts: Vec<ArtifactShape>,
    /// Its jobs, in the order of the pipeline; without steps in lists.
    pub(crate) jobs: Vec<JobShape>,
}

/// Why something ended as it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Reason)]
pub(crate) struct ReasonShape {
    /// The stable word.
    pub(crate) code: String,
    /// What happened.
    pub(crate) text: String,
    /// What helps.
    pub(crate) hints: Vec<String>,
}

/// A job of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobShape {
    /// Its id.
    pub(crate) id: String,
    /// What it needs: ids of jobs and event sources.
    pub(crate) needs: Vec<String>,
    /// `queued`, `running` or `finished`.
    #[schema(value_type = StateWord)]
    pub(crate) state: String,
    /// How it ended; absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<OutcomeWord>)]
    pub(crate) outcome: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<ReasonShape>,
    /// The attempt of the run that it belongs to, from 1.
    pub(crate) attempt: u32,
    /// When it began.
    pub(crate) started_at: Option<String>,
    /// When it ended.
    pub(crate) finished_at: Option<String>,
    /// How long it took.
    pub(crate) duration_s: Option<f64>,
    /// What it gave to those that need it, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Value>,
    /// The job that has added it to the graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) added_by: Option<String>,
    /// What was decided about the containers that it asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) policy: Vec<DecisionShape>,
    /// Its steps; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) steps: Option<Vec<StepShape>>,
}

/// A step of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Step)]
pub(crate) struct StepShape {
    /// Its number in the job, from 1.
    pub(crate) number: u32,
    /// What it runs, for people.
    pub(crate) title: String,
    /// The line of the pipeline that asked for it.
    pub(crate) line: Option<u32>,
    /// The attempt of the run that it belongs to, from 1.
    pub(crate) attempt: u32,
    /// `running` or `finished`.
    #[schema(value_type = StateWord)]
    pub(crate) state: String,
    /// How it ended; absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<OutcomeWord>)]
    pub(crate) outcome: Option<String>,
    /// The exit status, 128 + n for a signal n; null before, and when it was not followed to its end.
    pub(crate) exit: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signal: Option<i32>,
    /// When it began.
    pub(crate) started_at: String,
    /// How long it took.
    pub(crate) duration_s: Option<f64>,
    /// The size of its log.
    pub(crate) log_bytes: u64,
    /// The output that its log had no room for.
    pub(crate) left_out_bytes: u64,
    /// The names of the secrets whose values were masked in its output.
    pub(crate) masked: Vec<String>,
    /// Processes that it left behind and that were killed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) leftovers: Vec<String>,
}

/// An image that containers of a run used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Image)]
pub(crate) struct ImageShape {
    /// The image, as the pipeline names it.
    pub(crate) image: String,
    /// The id of what was run.
    pub(crate) id: String,
    /// Its digest in its registry, if it came from one.
    pub(crate) digest: Option<String>,
}

impl RunShape {
    /// A run with its jobs and steps.
    pub(crate) fn of(view: &RunView, sizes: &LogSizes, reruns: Vec<u64>) -> Self {
        let outcome = view.outcome();
        let (started_at, finished_at) = (view.started_at(), view.finished_at());
        Self {
            state: view.progress().as_str().to_owned(),
            outcome: outcome.map(|outcome| outcome.as_str().to_owned()),
            reason: view.reason().map(ReasonShape::of),
            started_at: started_at.map(|time| time.to_string()),
            finished_at: finished_at.map(|time| time.to_string()),
            duration_s: seconds_between(started_at, finished_at),
            diagnostics: view.record.diagnostics.iter().map(DiagnosticShape::of).collect(),
            problem: view.problem.clone(),
            left_workspace: view.left.as_ref().map(|left| left.display().to_string()),
            images: view.record.images.iter().map(ImageShape::of).collect(),
            tests: TestsShape::of_run(&view.record),
            artifacts: ArtifactShape::all_of(&view.record, clock::now()),
            jobs: jobs_of(&view.record, sizes),
            url: view.url.clone(),
            ..Self::in_list(&view.row, Vec::new(), reruns, None)
        }
    }

    /// A run without its steps, by the index of runs. `base` is the address of the server.
    pub(crate) fn in_list(row: &RunRow, jobs: Vec<JobRow>, reruns: Vec<u64>, base: Option<&str>) -> Self {
        let subject = row.event.subject.as_ref();
        Self {
            repo: row.repo.to_string(),
            number: row.number,
            id: row.id.to_string(),
            ref_name: subject.map(|update| update.ref_name.to_string()),
            sha: subject.map(|update| update.new.to_string()),
            subject: row.commit_subject.clone(),
            event: row.event.trigger().shown().to_owned(),
            pusher: row.event.pusher().map(str::to_owned),
            state: row.state.as_str().to_owned(),
            outcome: row.outcome.map(|outcome| outcome.as_str().to_owned()),
            reason: row.reason.as_ref().map(ReasonShape::of),
            queued_at: row.queued_at.to_string(),
            started_at: row.started_at.map(|time| time.to_string()),
            finished_at: row.finished_at.map(|time| time.to_string()),
            duration_s: seconds_between(row.started_at, row.finished_at),
            url: run_url(base, row),
            attempt_of: row.event.as_rerun().map(Rerun::of),
            reruns,
            superseded_by: row.superseded_by,
            signed: PushCertificate::of_options(&row.options).map(SignatureShape::of),
            only: OnlyJobs::of_options(&row.options).map(OnlyJobs::names).into_iter().flatten().collect(),
            diagnostics: Vec::new(),
            problem: None,
            left_workspace: None,
            images: Vec::new(),
            tests: None,
            artifacts: Vec::new(),
            jobs: jobs.into_iter().map(JobShape::in_list).collect(),
        }
    }
}

impl RunShape {
    /// How it ended.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.outcome.as_deref().and_then(Outcome::parse)
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.state == Progress::Finished.as_str()
    }

    /// `repo#number`
    pub(crate) fn name(&self) -> String {
        format!("{}#{}", self.repo, self.number)
    }

    /// The word for its outcome, or for its state while it has none.
    pub(crate) fn word(&self) -> &str {
        self.outcome.as_deref().unwrap_or(&self.state)
    }

    /// How long its jobs took, as a text.
    pub(crate) fn took_text(&self) -> Option<String> {
        self.duration_s.map(seconds_text)
    }

    /// The short id of the commit.
    pub(crate) fn commit_text(&self) -> String {
        let commit = self.sha.as_deref().and_then(|sha| CommitId::parse(sha).ok());
        commit.map_or_else(|| "-".to_owned(), |commit| commit.short())
    }

    /// The branch or tag, shortened.
    pub(crate) fn ref_text(&self) -> String {
        let name = self.ref_name.as_deref().and_then(|name| RefName::parse(name.as_bytes()).ok());
        name.map_or_else(|| "-".to_owned(), |name| ref_text(&name))
    }

    /// The same run as lists show it.
    #[must_use]
    pub(crate) fn without_steps(mut self) -> Self {
        (self.diagnostics, self.images, self.tests) = (Vec::new(), Vec::new(), None);
        for job in &mut self.jobs {
            (job.output, job.policy, job.steps) = (None, Vec::new(), None);
        }
        self
    }
}

impl ReasonShape {
    fn of(reason: &Reason) -> Self {
        Self { code: reason.code.clone(), text: reason.text.clone(), hints: reason.hints.clone() }
    }

    /// The reason itself.
    pub(crate) fn to_reason(&self) -> Reason {
        Reason { code: self.code.clone(), text: self.text.clone(), hints: self.hints.clone() }
    }
}

/// The jobs of a run, by its journal.
pub(crate) fn jobs_of(record: &RunRecord, sizes: &LogSizes) -> Vec<JobShape> {
    record.jobs.iter().map(|job| JobShape::of(job, record.attempt, sizes)).collect()
}

impl JobShape {
    /// The word for its outcome, or for its state while it has none.
    pub(crate) fn word(&self) -> &str {
        self.outcome.as_deref().unwrap_or(&self.state)
    }

    fn of(job: &JobRecord, attempt: u32, sizes: &LogSizes) -> Self {
        let step = |step: &StepRecord| StepShape::of(step, attempt, sizes.of(&job.id, step.start.number));
        Self {
            output: job.output.as_ref().and_then(|output| output.json().cloned()),
            policy: job.policy.iter().map(DecisionShape::of).collect(),
            steps: Some(job.steps.iter().map(step).collect()),
            ..Self::in_list(JobRow {
                id: job.id.clone(),
                needs: job.needs.clone(),
                added_by: job.added_by.clone(),
                attempt,
                outcome: job.outcome,
                reason: job.reason.clone(),
                started_at: job.started_at,
                finished_at: job.finished_at,
            })
        }
    }

    fn in_list(job: JobRow) -> Self {
        let state = match (job.outcome, job.started_at) {
            (Some(_), _) => Progress::Finished,
            (None, Some(_)) => Progress::Running,
            (None, None) => Progress::Queued,
        };
        Self {
            state: state.as_str().to_owned(),
            outcome: job.outcome.map(|outcome| outcome.as_str().to_owned()),
            reason: job.reason.as_ref().map(ReasonShape::of),
            attempt: job.attempt.max(1),
            started_at: job.started_at.map(|time| time.to_string()),
            finished_at: job.finished_at.map(|time| time.to_string()),
            duration_s: seconds_between(job.started_at, job.finished_at),
            id: job.id,
            needs: job.needs,
            added_by: job.added_by,
            output: None,
            policy: Vec::new(),
            steps: None,
        }
    }
}

impl StepShape {
    fn of(step: &StepRecord, attempt: u32, log_bytes: u64) -> Self {
        let (start, end) = (&step.start, step.end.as_ref());
        let state = if step.outcome.is_some() { Progress::Finished } else { Progress::Running };
        let by_end = end.map(|end| seconds(end.duration_ms));
        Self {
            number: start.number,
            title: start.title.to_string(),
            line: start.line,
            attempt: attempt.max(1),
            state: state.as_str().to_owned(),
            outcome: step.outcome.map(|outcome: Outcome| outcome.as_str().to_owned()),
            exit: end.map(|end| end.exit),
            signal: end.and_then(|end| end.signal),
            started_at: step.started_at.to_string(),
            duration_s: by_end.or_else(|| seconds_between(Some(step.started_at), step.finished_at)),
            log_bytes,
            left_out_bytes: end.map_or(0, |end| end.left_out),
            masked: end.map(|end| end.secrets.clone()).unwrap_or_default(),
            leftovers: end.iter().flat_map(|end| &end.leftovers).map(ToString::to_string).collect(),
        }
    }
}

impl ImageShape {
    fn of(image: &ImageRecord) -> Self {
        Self {
            image: image.image.to_string(),
            id: image.id.to_string(),
            digest: image.digest.as_ref().map(ToString::to_string),
        }
    }
}

/// A number of seconds as a time.
pub(super) fn seconds_text(seconds: f64) -> String {
    format_duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// Milliseconds as seconds.
pub(super) fn seconds(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

fn seconds_between(start: Option<Timestamp>, end: Option<Timestamp>) -> Option<f64> {
    let millis = end?.as_millis().saturating_sub(start?.as_millis());
    Some(seconds(u64::try_from(millis).unwrap_or_default()))
}
