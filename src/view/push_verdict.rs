//! The last lines of a push that waits: how its runs ended, and what to do next.

use std::time::Duration;

use super::push::{Comparison, WIDTH, explains, hints, predicate};
use super::push_job::wrap;
use super::run::RunView;
use super::text::between;
use crate::model::{Outcome, codes};
use crate::view::one_line;

/// `error: run 41 failed, 1 of 6 jobs, 1 m 45 s; run 40 passed`, and the command that is next. `quire` is how the pusher calls it.
pub(crate) fn push_verdict(run: &RunView, quire: &str, compared: Comparison) -> String {
    let outcome = run.outcome().unwrap_or(Outcome::Failed);
    let jobs = &run.record.jobs;
    let count = jobs.iter().filter(|job| job.outcome == Some(outcome)).count();
    let is_by_jobs =
        outcome == Outcome::Passed || run.reason().is_some_and(|reason| reason.code == codes::JOBS);
    let (did, reason) = match is_by_jobs && count > 0 {
        true => (outcome.predicate().to_owned(), None),
        false => predicate(outcome, run.reason()),
    };
    let mut verdict = format!("{} run {} {did}", word(outcome), run.row.number);
    if is_by_jobs && count > 0 {
        verdict.push_str(&format!(", {}", of_jobs(count, jobs.len())));
    }
    let took = run.started_at().zip(run.finished_at()).filter(|_| outcome != Outcome::Skipped);
    if let Some((start, end)) = took {
        verdict.push_str(&format!(", {}", between(start, end)));
    }
    verdict.push_str(&compared.verdict(run));
    let mut before = hints(run.reason());
    if let Some(reason) = reason {
        if verdict.chars().count() + 2 + reason.chars().count() <= WIDTH {
            verdict.push_str(&format!(": {reason}"));
        } else {
            before = wrap(&reason) + &before;
        }
    }
    format!("{before}{verdict}\n{}", next(run, quire, (outcome, is_by_jobs)))
}

/// What the verdict of a run begins with: git colours all but the last.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "success:",
        Outcome::Failed | Outcome::TimedOut | Outcome::Interrupted | Outcome::Denied => "error:",
        Outcome::Cancelled | Outcome::Superseded => "warning:",
        Outcome::Skipped => "quire:",
    }
}

fn of_jobs(count: usize, all: usize) -> String {
    let jobs = if all == 1 { "job" } else { "jobs" };
    if count == all { format!("{all} {jobs}") } else { format!("{count} of {all} {jobs}") }
}

/// The command that is next, after a run that did not pass.
fn next(run: &RunView, quire: &str, (outcome, is_by_jobs): (Outcome, bool)) -> String {
    let (quire, name) = (one_line(quire), format!("'{}#{}'", run.row.repo, run.row.number));
    let hint = |command: &str, option: &str| format!("hint: {quire} {command} {name}{option}\n");
    match outcome {
        Outcome::Passed | Outcome::Skipped | Outcome::Superseded => String::new(),
        Outcome::Cancelled | Outcome::Interrupted => hint("rerun", ""),
        Outcome::Failed | Outcome::TimedOut if is_by_jobs => {
            let has_page = run.url.is_some();
            let explain = if has_page { String::new() } else { hint(explains(run), "") };
            explain + &hint("rerun", " --failed")
        }
        Outcome::Failed | Outcome::TimedOut | Outcome::Denied => hint("show", ""),
    }
}

/// The verdict over several runs of one push.
pub(crate) fn pushes_verdict(outcomes: &[Outcome]) -> String {
    let count = |wanted: Outcome| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    let all = outcomes.len();
    let bad = outcomes.iter().filter(|outcome| word(**outcome) == "error:").count();
    match (bad, count(Outcome::Passed)) {
        (0, passed) if passed == all => format!("success: {all} runs passed\n"),
        (0, passed) => format!("quire: {passed} of {all} runs passed\n"),
        (bad, _) => format!("error: {bad} of {all} runs failed\n"),
    }
}

/// What is printed when a push has waited for as long as it may.
pub(crate) fn watched_too_long(run: &RunView, quire: &str, limit: Duration) -> String {
    let (number, minutes) = (run.row.number, limit.as_secs() / 60);
    let hint = format!("hint: {} wait '{}#{number}'\n", one_line(quire), run.row.repo);
    format!("warning: stopped watching run {number} after {minutes} minutes; it continues\n{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_runs_have_one_verdict() {
        use Outcome::{Cancelled, Denied, Failed, Passed, Skipped};
        for (outcomes, expected) in [
            (&[Passed, Passed][..], "success: 2 runs passed\n"),
            (&[Passed, Failed, Denied], "error: 2 of 3 runs failed\n"),
            (&[Passed, Skipped], "quire: 1 of 2 runs passed\n"),
            (&[Cancelled, Skipped], "quire: 0 of 2 runs passed\n"),
        ] {
            assert_eq!(pushes_verdict(outcomes), expected);
        }
        assert_eq!(of_jobs(1, 1) + &of_jobs(6, 6) + &of_jobs(1, 6), "1 job6 jobs1 of 6 jobs");
    }
}
