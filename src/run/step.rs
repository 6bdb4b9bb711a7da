//! Decides what follows from one event.

use super::state::{Action, Event, JobState, RunState};
use crate::journal::StopReason;
use crate::model::{Outcome, Reason, codes};
use crate::pipeline::{Job, Need, When};

/// Decides what follows from one event.
#[must_use]
pub(crate) fn step(run: &mut RunState, event: Event) -> Vec<Action> {
    let mut actions = Vec::new();
    if run.has_ended {
        return actions;
    }
    match event {
        Event::Started => {}
        Event::JobEnded { job, outcome, reason } => settle(run, job, (outcome, reason), &mut actions),
        Event::JobDeadlinePassed { job, limit } => {
            let reason = Reason::new(codes::JOB_TIMED_OUT, format!("it took longer than {limit}"));
            stop_one(run, job, (Outcome::TimedOut, &reason), &mut actions);
        }
        Event::StopAsked(reason) => stop_all(run, reason, &mut actions),
    }
    advance(run, &mut actions);
    actions
}

/// Records the end of a job that was running. What stopped it decides over what it said itself.
fn settle(run: &mut RunState, job: usize, own: (Outcome, Option<Reason>), actions: &mut Vec<Action>) {
    let Some(state) = run.jobs.get_mut(job) else { return };
    let JobState::Running { stopping } = state else { return };
    let (outcome, reason) = match stopping.take() {
        Some((outcome, reason)) => (outcome, Some(reason)),
        None => own,
    };
    *state = JobState::Ended(outcome);
    actions.push(Action::RecordJobEnd { job, outcome, reason });
}

/// Asks one job to stop, if it is running and was not stopped before.
fn stop_one(run: &mut RunState, job: usize, end: (Outcome, &Reason), actions: &mut Vec<Action>) {
    if let Some(JobState::Running { stopping: stopping @ None }) = run.jobs.get_mut(job) {
        *stopping = Some((end.0, end.1.clone()));
        actions.push(Action::StopJob { job });
    }
}

/// Stops what the reason reaches: everything, except that a newer push leaves jobs that are not interruptible.
fn stop_all(run: &mut RunState, reason: StopReason, actions: &mut Vec<Action>) {
    // A person or the clock may still stop what a newer push has left.
    let again = match (&run.stop, &reason) {
        (None, _) => false,
        (Some(StopReason::Superseded { .. }), StopReason::Cancelled { .. } | StopReason::TimedOut {}) => {
            false
        }
        (Some(_), _) => true,
    };
    if again {
        return;
    }
    let (outcome, why) = reason.end();
    for job in 0..run.jobs.len() {
        if reaches(run, job, &reason) {
            stop_one(run, job, (outcome, &why), actions);
        }
    }
    actions.insert(0, Action::RecordStop(reason.clone()));
    run.stop = Some(reason);
}

/// Whether a stop reason reaches a job.
fn reaches(run: &RunState, job: usize, reason: &StopReason) -> bool {
    match reason {
        StopReason::Superseded { .. } => {
            run.graph.jobs().get(job).is_some_and(|job| job.options.interruptible.unwrap_or(true))
        }
        StopReason::Cancelled { .. } | StopReason::TimedOut {} | StopReason::OutOfMemory {} => true,
    }
}

/// Begins what may begin, ends what can never begin, and ends the run when nothing is left.
fn advance(run: &mut RunState, actions: &mut Vec<Action>) {
    let mut running = run.jobs.iter().filter(|state| matches!(state, JobState::Running { .. })).count();
    // A job that ends here may decide about one before it in the file: again, until nothing changes.
    loop {
        let mut changed = false;
        for job in 0..run.jobs.len() {
            match verdict(run, job) {
                Verdict::Wait => {}
                Verdict::Start if running < run.max_jobs => {
                    running += 1;
                    set(run, job, JobState::Running { stopping: None });
                    actions.push(Action::StartJob { job });
                }
                Verdict::Start => {}
                Verdict::Never(outcome, reason) => {
                    changed = true;
                    set(run, job, JobState::Ended(outcome));
                    actions.push(Action::RecordJobEnd { job, outcome, reason: Some(reason) });
                }
            }
        }
        if !changed {
            break;
        }
    }
    if run.jobs.iter().all(|state| matches!(state, JobState::Ended(_))) {
        run.has_ended = true;
        let (outcome, reason) = run_outcome(run);
        actions.push(Action::EndRun { outcome, reason });
    }
}

fn set(run: &mut RunState, job: usize, state: JobState) {
    if let Some(place) = run.jobs.get_mut(job) {
        *place = state;
    }
}

/// What is to be done with a job now.
enum Verdict {
    /// Nothing: it is running, has ended, or its needs have not.
    Wait,
    /// It may begin.
    Start,
    /// It will never begin.
    Never(Outcome, Reason),
}

fn verdict(run: &RunState, index: usize) -> Verdict {
    let (Some(JobState::Waiting), Some(job)) = (run.jobs.get(index), run.graph.jobs().get(index)) else {
        return Verdict::Wait;
    };
    if let Some(reason) = &run.stop
        && reaches(run, index, reason)
    {
        let (outcome, why) = reason.end();
        return Verdict::Never(outcome, why);
    }
    needs_verdict(run, job)
}

/// What the needs of a job say about it.
fn needs_verdict(run: &RunState, job: &Job) -> Verdict {
    let mut failed = None;
    let mut not_passed = None;
    for need in &job.needs {
        let Need::Job(index) = need else { continue };
        let (Some(state), Some(needed)) = (run.jobs.get(*index), run.graph.jobs().get(*index)) else {
            continue;
        };
        let JobState::Ended(outcome) = state else { return Verdict::Wait };
        let held = *outcome == Outcome::Passed || (is_failure(*outcome) && needed.options.allow_failure);
        if is_failure(*outcome) {
            failed = failed.or(Some(needed));
        }
        if !held {
            not_passed = not_passed.or(Some((needed, *outcome)));
        }
    }
    match (job.options.when, not_passed, failed) {
        (When::Always, _, _) | (When::Passed, None, _) | (When::Failed, _, Some(_)) => Verdict::Start,
        (When::Passed, Some((needed, outcome)), _) => {
            let what = outcome.predicate();
            let why = format!("needs {}, which {what}", needed.id);
            Verdict::Never(Outcome::Skipped, Reason::new(codes::NEEDS, why))
        }
        (When::Failed, _, None) => {
            Verdict::Never(Outcome::Skipped, Reason::new(codes::NEEDS, "nothing that it needs failed"))
        }
    }
}

/// Whether an outcome is a failure of the job itself.
fn is_failure(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Failed | Outcome::TimedOut | Outcome::Denied | Outcome::Interrupted => true,
        Outcome::Passed | Outcome::Cancelled | Outcome::Superseded | Outcome::Skipped => false,
    }
}

/// What became of some jobs, as a sentence.
pub(super) fn ended_so(jobs: &[&str], outcome: Outcome) -> String {
    let past = outcome.predicate();
    let past = if jobs.len() > 1 { past.replacen("was ", "were ", 1) } else { past.to_owned() };
    // The jobs of a workflow file are numbers, which would read as how many there were.
    let is_number = |job: &&str| job.bytes().all(|byte| byte.is_ascii_digit());
    let word = if jobs.iter().any(is_number) { "job " } else { "" };
    format!("{word}{} {past}", jobs.join(", "))
}

/// How a run ended all of whose jobs have ended.
fn run_outcome(run: &RunState) -> (Outcome, Option<Reason>) {
    let mut counted: Vec<(Outcome, &Job)> = Vec::new();
    for (state, job) in run.jobs.iter().zip(run.graph.jobs()) {
        if let JobState::Ended(outcome) = state
            && !(is_failure(*outcome) && job.options.allow_failure)
        {
            counted.push((*outcome, job));
        }
    }
    if let Some(reason) = &run.stop
        && !matches!(reason, StopReason::Superseded { .. })
    {
        let (outcome, why) = reason.end();
        if counted.iter().any(|(ended, _)| *ended == outcome) {
            return (outcome, Some(why));
        }
    }
    // Without a stop, what was cancelled is a job of an earlier run that a rerun has kept.
    let bad = [Outcome::Denied, Outcome::Failed, Outcome::TimedOut, Outcome::Interrupted, Outcome::Cancelled];
    for worst in bad {
        let jobs: Vec<&str> =
            counted.iter().filter(|(outcome, _)| *outcome == worst).map(|(_, job)| job.id.as_str()).collect();
        if !jobs.is_empty() {
            return (worst, Some(Reason::new(codes::JOBS, ended_so(&jobs, worst))));
        }
    }
    if counted.iter().any(|(outcome, _)| *outcome == Outcome::Superseded) {
        return (Outcome::Superseded, run.stop.as_ref().map(|reason| reason.end().1));
    }
    // A job whose failure is allowed has done something: only skipped jobs make a skipped run.
    if run.jobs.iter().all(|state| *state == JobState::Ended(Outcome::Skipped)) {
        return (Outcome::Skipped, Some(Reason::new(codes::JOBS, "all its jobs were skipped")));
    }
    (Outcome::Passed, None)
}
