//! The lines around the output of a run: which run begins, and how it ended.

use super::run::RunView;
use super::sanitize::{one_line, plain, reason_line};
use crate::journal::JobRecord;
use crate::model::render_all;
use crate::store::RunRow;

/// `site#3 main at 9f31c2a`.
pub(crate) fn run_beginning(row: &RunRow) -> String {
    let about = row.event.subject.as_ref();
    let about =
        about.map(|update| format!(" {} at {}", one_line(&update.ref_name.short()), update.new.short()));
    format!("{}#{}{}\n", row.repo, row.number, about.unwrap_or_default())
}

/// The mistakes of a pipeline, the reason of each job that has one, what was killed, and the outcome of the run.
pub(crate) fn run_ending(run: &RunView) -> String {
    let name = format!("{}#{}", run.row.repo, run.row.number);
    let mut text = plain(&render_all(&run.record.diagnostics()));
    for job in &run.record.jobs {
        text.push_str(&killed(&name, job));
        let reason = job.reason.as_ref().map(|reason| reason_line(reason.first_line()));
        if let (Some(outcome), Some(reason)) = (job.outcome, reason) {
            text.push_str(&format!("{name} {} {outcome}: {reason}\n", job.id));
        }
    }
    let state = run.outcome().map_or(run.progress().as_str(), |outcome| outcome.as_str());
    let reason = run.reason().map(|reason| reason_line(reason.first_line()));
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    text.push_str(&format!("{name} {state}{reason}\n"));
    text
}

/// A line about each step whose processes did not end with it.
fn killed(name: &str, job: &JobRecord) -> String {
    let left = job.steps.iter().filter_map(|step| Some((&step.start, step.end.as_ref()?)));
    let left = left.filter(|(_, end)| !end.leftovers.is_empty());
    left.map(|(start, end)| {
        let names: Vec<&str> = end.leftovers.iter().map(|name| &**name).collect();
        let step = one_line(&start.title);
        format!("{name} {} `{step}` left running, and was killed: {}\n", job.id, one_line(&names.join(", ")))
    })
    .collect()
}
