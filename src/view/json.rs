//! Runs as JSON, version 1 of the public shape: what `--json` prints and the API answers.

use serde_json::{Value, json};

use super::run::RunView;
use crate::event::Rerun;
use crate::journal::{ImageRecord, JobRecord, PolicyRecord, RunRecord, StepRecord};
use crate::model::Outcome;

/// One run, with its jobs and steps.
pub fn run_json(run: &RunView) -> Value {
    let row = &run.row;
    let subject = row.event.subject.as_ref();
    json!({
        "repo": row.repo.as_str(),
        "number": row.number,
        "id": row.id.to_string(),
        "ref": subject.map(|update| update.ref_name.to_string()),
        "sha": subject.map(|update| update.new.to_string()),
        "event": row.event.trigger().shown(),
        "pusher": row.event.pusher(),
        "state": run.progress().as_str(),
        "outcome": run.outcome().map(Outcome::as_str),
        "reason": run.reason().map(ToString::to_string),
        "rerun_of": row.event.as_rerun().map(Rerun::of),
        "queued_at": row.queued_at.to_string(),
        "started_at": run.started_at().map(|time| time.to_string()),
        "finished_at": run.finished_at().map(|time| time.to_string()),
        "url": run.url,
        "problem": run.problem,
        "diagnostics": run.record.diagnostics,
        "jobs": jobs_json(&run.record),
        "images": run.record.images.iter().map(image_json).collect::<Vec<_>>(),
    })
}

/// Runs as an array.
pub fn runs_json(runs: &[RunView]) -> Value {
    Value::Array(runs.iter().map(run_json).collect())
}

/// The jobs of a run.
pub fn jobs_json(record: &RunRecord) -> Value {
    record.jobs.iter().map(job_json).collect()
}

fn job_json(job: &JobRecord) -> Value {
    json!({
        "id": job.id,
        "needs": job.needs,
        "state": job.state(),
        "outcome": job.outcome.map(Outcome::as_str),
        "reason": job.reason.as_ref().map(ToString::to_string),
        "started_at": job.started_at.map(|time| time.to_string()),
        "finished_at": job.finished_at.map(|time| time.to_string()),
        "steps": job.steps.iter().map(step_json).collect::<Vec<_>>(),
        "policy": job.policy.iter().map(decision_json).collect::<Vec<_>>(),
    })
}

fn image_json(image: &ImageRecord) -> Value {
    json!({ "image": image.image, "id": image.id, "digest": image.digest })
}

fn decision_json(decision: &PolicyRecord) -> Value {
    json!({
        "subject": decision.subject,
        "verdict": decision.verdict,
        "code": decision.code,
        "reason": decision.reason,
        "hint": decision.hint,
    })
}

fn step_json(step: &StepRecord) -> Value {
    let (start, end) = (&step.start, step.end.as_ref());
    json!({
        "number": start.number,
        "title": start.title,
        "line": start.line,
        "state": if step.outcome.is_some() { "finished" } else { "running" },
        "outcome": step.outcome.map(Outcome::as_str),
        "exit": end.map(|end| end.exit),
        "signal": end.and_then(|end| end.signal),
        "started_at": step.started_at.to_string(),
        "finished_at": step.finished_at.map(|time| time.to_string()),
        "duration_ms": end.map(|end| end.duration_ms),
        "left_out": end.map_or(0, |end| end.left_out),
        "secrets": end.map(|end| end.secrets.as_slice()).unwrap_or_default(),
        "leftovers": end.map(|end| end.leftovers.as_slice()).unwrap_or_default(),
    })
}
