//! Why a run failed: its failed jobs with the last lines of what failed, and the mistakes of its pipeline.

use super::ansi::push_html;
use super::ask::Ask;
use super::html::Html;
use super::mark::Mark;
use super::trend::Trend;
use crate::app::{Problem, RunRow, read_job_end};
use crate::view::{DiagnosticShape, JobEnd, JobShape, RunShape, StepShape, one_line, reason_line};

/// How many failed jobs are explained, and with how many lines each.
const MAX_CAUSES: usize = 4;
const MAX_LINES: usize = 20;

/// A failed job.
pub(super) struct Cause {
    pub(super) job: String,
    /// `step 2`, what it runs, and how it ended.
    pub(super) step: Option<String>,
    pub(super) text: String,
    pub(super) hints: Vec<String>,
    pub(super) since: Option<String>,
    pub(super) lines: Vec<Failing>,
}

/// A line of the output of what failed.
pub(super) struct Failing {
    /// Its number in the log of the job; nothing when that is not known.
    pub(super) number: Option<u64>,
    pub(super) html: Html,
}

/// A mistake in a file of the pipeline.
pub(super) struct Mistake {
    pub(super) place: String,
    pub(super) severity: String,
    pub(super) message: String,
    pub(super) source: Option<String>,
    pub(super) hint: Option<String>,
}

impl Mistake {
    pub(super) fn of(found: &DiagnosticShape) -> Self {
        let place = [found.line, found.column].into_iter().flatten().map(|number| format!(":{number}"));
        Self {
            place: one_line(&format!("{}{}", found.file, place.collect::<String>())),
            severity: found.severity.clone(),
            message: reason_line(&found.message),
            source: found.source_line.as_deref().map(reason_line),
            hint: found.hint.as_deref().map(reason_line),
        }
    }
}

/// The causes, the first failed job first; how many there are in all.
pub(super) async fn causes(
    ask: &Ask,
    (row, run): (&RunRow, &RunShape),
    (trend, shows_logs): (&Trend, bool),
) -> Result<(Vec<Cause>, usize), Problem> {
    let mut failed: Vec<&JobShape> = run.jobs.iter().filter(|job| is_cause(job)).collect();
    failed.sort_by(|one, other| one.finished_at.cmp(&other.finished_at));
    let mut causes = Vec::new();
    for job in failed.iter().take(MAX_CAUSES) {
        let step = failed_step(job);
        let number = step.map(|step| step.number);
        let end = match shows_logs {
            true => read_job_end(&ask.app, row, &job.id, (number, MAX_LINES)).await?,
            false => JobEnd::default(),
        };
        causes.push(Cause::of(job, step, trend.since(&job.id), end));
    }
    Ok((causes, failed.len()))
}

/// Whether a job is why its run has failed.
fn is_cause(job: &JobShape) -> bool {
    job.outcome.as_deref().is_some_and(|word| Mark::of_word(word).is_bad())
}

/// The step that a job failed at.
fn failed_step(job: &JobShape) -> Option<&StepShape> {
    let steps = job.steps.as_deref().unwrap_or_default();
    let is_bad = |step: &&StepShape| step.outcome.as_deref().is_some_and(|word| Mark::of_word(word).is_bad());
    steps.iter().rev().find(is_bad)
}

impl Cause {
    fn of(job: &JobShape, step: Option<&StepShape>, since: Option<String>, end: JobEnd) -> Self {
        let ended = |step: &StepShape| match (step.signal, step.exit) {
            (Some(signal), _) => format!(" · signal {signal}"),
            (None, Some(exit)) => format!(" · exit {exit}"),
            (None, None) => String::new(),
        };
        let reason = job.reason.as_ref();
        let line = |(number, bytes): (Option<u64>, Vec<u8>)| {
            let mut html = String::new();
            push_html(&mut html, &bytes);
            Failing { number, html: Html(html) }
        };
        Self {
            job: job.id.clone(),
            step: step.map(|step| format!("step {} {}{}", step.number, one_line(&step.title), ended(step))),
            text: reason.map_or_else(|| job.word().to_owned(), |reason| reason_line(&reason.text)),
            hints: reason.iter().flat_map(|reason| &reason.hints).map(|hint| reason_line(hint)).collect(),
            since,
            lines: end.lines.into_iter().map(line).collect(),
        }
    }
}
