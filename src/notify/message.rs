//! The content of a message, the same for every kind of target.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::announce::Announcement;
use super::tail::failing_lines;
use crate::config::NotifyEvent;
use crate::model::{Outcome, Timestamp, format_duration};
use crate::view::{LogSizes, RunShape, RunView, one_line, reason_line};

/// The largest description of a run in a message, in bytes of JSON; from a larger one the steps are removed, then the jobs.
const MAX_RUN: usize = 128 << 10;

/// The content of a message. Version 1; stored in the outbox and never shown in this form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// The version of the shape.
    pub(crate) v: u32,
    /// The word for the event.
    pub(crate) event: String,
    /// The subject: a run, or a repository.
    pub(crate) subject: String,
    pub(crate) repo: String,
    /// What happened, as the predicate of a sentence about the subject.
    pub(crate) verdict: String,
    /// Ref, commit, pusher, duration: one line.
    pub(crate) context: Option<String>,
    /// Why.
    pub(crate) reason: Option<String>,
    /// The lines with details.
    pub(crate) lines: Vec<String>,
    /// The address of the page with more.
    pub(crate) url: Option<String>,
    /// When it happened.
    pub(crate) at: String,
    /// The run, as `quire show --json` gives it.
    pub(crate) run: Option<Value>,
}

impl Message {
    /// The version that is written.
    pub(crate) const VERSION: u32 = 1;

    /// The message about a run. Reads logs: blocking.
    pub(super) fn of_run(run: &RunView, event: NotifyEvent, run_dir: &Path, at: Timestamp) -> Self {
        let row = &run.row;
        let outcome = run.outcome().unwrap_or(Outcome::Failed);
        let failed = event == NotifyEvent::Failed;
        Self {
            v: Self::VERSION,
            event: event.as_str().to_owned(),
            subject: format!("{}#{}", row.repo, row.number),
            repo: row.repo.to_string(),
            verdict: verdict(event, outcome, run, at),
            context: Some(context(run)),
            reason: run.reason().map(|reason| reason_line(&reason.to_string())),
            lines: if failed { failing_lines(run_dir, &run.record) } else { Vec::new() },
            url: run.url.clone(),
            at: at.to_string(),
            run: Some(within(json!(RunShape::of(run, &LogSizes::read(run_dir), Vec::new())))),
        }
    }

    /// The message about an event that is not a run.
    pub(super) fn of_announcement(said: &Announcement, at: Timestamp) -> Self {
        Self {
            v: Self::VERSION,
            event: NotifyEvent::Watch.as_str().to_owned(),
            subject: said.repo.clone(),
            repo: said.repo.clone(),
            verdict: one_line(&said.what),
            context: said.ref_name.as_deref().map(one_line),
            reason: said.why.as_deref().map(one_line),
            lines: Vec::new(),
            url: None,
            at: at.to_string(),
            run: None,
        }
    }

    /// The first line: the subject and what happened to it.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.subject, self.verdict)
    }
}

fn verdict(event: NotifyEvent, outcome: Outcome, run: &RunView, at: Timestamp) -> String {
    let of_outcome = outcome.predicate();
    let word = match event {
        NotifyEvent::Fixed => "passed again".to_owned(),
        NotifyEvent::Stuck => {
            let (word, since) = match run.started_at() {
                Some(start) => ("running", start),
                None => ("queued", run.row.queued_at),
            };
            format!("is stuck: {word} for {}", between(since, at))
        }
        NotifyEvent::Failed | NotifyEvent::Passed | NotifyEvent::Cancelled | NotifyEvent::Watch => {
            of_outcome.to_owned()
        }
    };
    match run.row.event.as_rerun() {
        Some(rerun) => format!("{word} (rerun of #{})", rerun.of()),
        None => word,
    }
}

fn context(run: &RunView) -> String {
    let row = &run.row;
    let by = row.event.pusher().map(|pusher| format!(" by {}", one_line(pusher))).unwrap_or_default();
    let took =
        run.started_at().zip(run.finished_at()).map(|(start, end)| format!(", {}", between(start, end)));
    format!("{}{by}{}", run.subject_text(), took.unwrap_or_default())
}

fn between(start: Timestamp, end: Timestamp) -> String {
    let millis = u64::try_from(end.as_millis() - start.as_millis()).unwrap_or_default();
    format_duration(Duration::from_millis(millis))
}

/// A run within the limit: without steps when it is too large, then without jobs. `truncated` marks it.
fn within(mut run: Value) -> Value {
    let is_large = |run: &Value| run.to_string().len() > MAX_RUN;
    if !is_large(&run) {
        return run;
    }
    for job in run.get_mut("jobs").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(job) = job.as_object_mut() {
            job.insert("steps".to_owned(), Value::Array(Vec::new()));
        }
    }
    let still = is_large(&run);
    if let Some(members) = run.as_object_mut() {
        members.insert("truncated".to_owned(), Value::Bool(true));
        if still {
            members.insert("jobs".to_owned(), Value::Array(Vec::new()));
            members.insert("diagnostics".to_owned(), Value::Array(Vec::new()));
        }
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_large_run_loses_its_steps_and_then_its_jobs() {
        let small = json!({ "jobs": [{ "steps": ["x"] }] });
        assert_eq!(within(small.clone()), small);
        let steps = json!({ "jobs": [{ "id": "a", "steps": ["x".repeat(MAX_RUN)] }] });
        assert_eq!(within(steps), json!({ "jobs": [{ "id": "a", "steps": [] }], "truncated": true }));
        let jobs = json!({ "jobs": [{ "id": "x".repeat(MAX_RUN), "steps": [] }] });
        assert_eq!(within(jobs), json!({ "jobs": [], "truncated": true, "diagnostics": [] }));
    }
}
