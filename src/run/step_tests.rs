//! Tables for [`step`]: events in, actions out.

use super::state::{Action, Event, RunState};
use super::step::step;
use crate::journal::StopReason;
use crate::model::Outcome;
use crate::pipeline::check::{Declared, DeclaredNeed};
use crate::pipeline::{JobGraph, JobOptions, When};

fn job(id: &str, needs: &[&str]) -> Declared {
    let needs = needs.iter().map(|name| DeclaredNeed { name: (*name).to_owned(), span: None }).collect();
    Declared { id: id.to_owned(), id_span: None, span: None, needs, options: JobOptions::default() }
}

fn with(mut job: Declared, change: impl FnOnce(&mut JobOptions)) -> Declared {
    change(&mut job.options);
    job
}

fn run(jobs: &[Declared]) -> RunState {
    RunState::new(JobGraph::check(jobs, "f", "").unwrap(), 4)
}

fn ended(job: usize, outcome: Outcome) -> Event {
    Event::JobEnded { job, outcome, reason: None }
}

fn starts(actions: &[Action]) -> Vec<usize> {
    actions
        .iter()
        .filter_map(|action| if let Action::StartJob { job } = action { Some(*job) } else { None })
        .collect()
}

fn ends(actions: &[Action]) -> Vec<(usize, Outcome)> {
    let end = |action: &Action| {
        if let Action::RecordJobEnd { job, outcome, .. } = action { Some((*job, *outcome)) } else { None }
    };
    actions.iter().filter_map(end).collect()
}

fn end_of_run(actions: &[Action]) -> Option<Outcome> {
    actions
        .iter()
        .find_map(|action| if let Action::EndRun { outcome, .. } = action { Some(*outcome) } else { None })
}

fn chain() -> Vec<Declared> {
    vec![job("a", &["quire/push"]), job("b", &["a"]), job("c", &["b"])]
}

#[test]
fn jobs_that_do_not_wait_for_each_other_start_together() {
    let mut run = run(&[job("a", &["quire/push"]), job("b", &["quire/push"]), job("c", &["a", "b"])]);
    assert_eq!(starts(&step(&mut run, Event::Started)), [0, 1]);
    assert_eq!(starts(&step(&mut run, ended(0, Outcome::Passed))), [0; 0]);
    assert_eq!(starts(&step(&mut run, ended(1, Outcome::Passed))), [2]);
    assert_eq!(end_of_run(&step(&mut run, ended(2, Outcome::Passed))), Some(Outcome::Passed));
}

#[test]
fn no_more_jobs_than_allowed_run_at_once() {
    let jobs: Vec<Declared> = (0..6).map(|index| job(&format!("j{index}"), &["quire/push"])).collect();
    let mut run = run(&jobs);
    assert_eq!(starts(&step(&mut run, Event::Started)), [0, 1, 2, 3]);
    assert_eq!(starts(&step(&mut run, ended(2, Outcome::Passed))), [4]);
}

#[test]
fn a_failure_skips_what_needs_it_and_fails_the_run() {
    let mut run = run(&chain());
    let _started = step(&mut run, Event::Started);
    let actions = step(&mut run, ended(0, Outcome::Failed));
    assert_eq!(ends(&actions), [(0, Outcome::Failed), (1, Outcome::Skipped), (2, Outcome::Skipped)]);
    assert_eq!(end_of_run(&actions), Some(Outcome::Failed));
    let reasons: Vec<_> = actions
        .iter()
        .filter_map(|action| {
            if let Action::RecordJobEnd { reason: Some(reason), .. } = action {
                Some(&*reason.text)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(reasons, ["needs a, which failed", "needs b, which was skipped"]);
}

#[test]
fn when_and_allow_failure_keep_edges() {
    let jobs = [
        with(job("flaky", &["quire/push"]), |options| options.allow_failure = true),
        job("after", &["flaky"]),
        with(job("cleanup", &["after"]), |options| options.when = When::Always),
        with(job("alarm", &["after"]), |options| options.when = When::Failed),
    ];
    let mut run = run(&jobs);
    let _started = step(&mut run, Event::Started);
    assert_eq!(starts(&step(&mut run, ended(0, Outcome::Failed))), [1]);
    let actions = step(&mut run, ended(1, Outcome::Passed));
    assert_eq!(starts(&actions), [2]);
    assert_eq!(ends(&actions), [(1, Outcome::Passed), (3, Outcome::Skipped)]);
    assert_eq!(end_of_run(&step(&mut run, ended(2, Outcome::Passed))), Some(Outcome::Passed));
}

#[test]
fn an_alarm_runs_when_what_it_needs_failed() {
    let jobs = [job("a", &["quire/push"]), with(job("alarm", &["a"]), |options| options.when = When::Failed)];
    let mut run = run(&jobs);
    let _started = step(&mut run, Event::Started);
    assert_eq!(starts(&step(&mut run, ended(0, Outcome::TimedOut))), [1]);
    assert_eq!(end_of_run(&step(&mut run, ended(1, Outcome::Passed))), Some(Outcome::TimedOut));
}

#[test]
fn a_skipped_input_skips_and_only_skipped_jobs_make_a_skipped_run() {
    let mut state = run(&chain());
    let _started = step(&mut state, Event::Started);
    assert_eq!(end_of_run(&step(&mut state, ended(0, Outcome::Skipped))), Some(Outcome::Skipped));
    let mut state = run(&[job("a", &["quire/push"]), job("b", &["quire/push"])]);
    let _started = step(&mut state, Event::Started);
    let _one = step(&mut state, ended(0, Outcome::Skipped));
    assert_eq!(end_of_run(&step(&mut state, ended(1, Outcome::Passed))), Some(Outcome::Passed));
}

#[test]
fn a_superseded_run_stops_its_jobs_but_not_those_that_are_not_interruptible() {
    let jobs = [
        job("test", &["quire/push"]),
        with(job("deploy", &["quire/push"]), |options| options.interruptible = Some(false)),
        with(job("announce", &["deploy"]), |options| options.interruptible = Some(false)),
        job("docs", &["test"]),
    ];
    let mut run = run(&jobs);
    let _started = step(&mut run, Event::Started);
    let actions = step(&mut run, Event::StopAsked(StopReason::Superseded { by: 8 }));
    assert!(actions.contains(&Action::StopJob { job: 0 }) && !actions.contains(&Action::StopJob { job: 1 }));
    assert_eq!(ends(&actions), [(3, Outcome::Superseded)]);
    // What the stopped job says about itself does not count.
    assert_eq!(ends(&step(&mut run, ended(0, Outcome::Failed))), [(0, Outcome::Superseded)]);
    assert_eq!(starts(&step(&mut run, ended(1, Outcome::Passed))), [2]);
    assert_eq!(end_of_run(&step(&mut run, ended(2, Outcome::Passed))), Some(Outcome::Superseded));
}

#[test]
fn a_person_stops_what_a_newer_push_has_left() {
    let jobs = [with(job("deploy", &["quire/push"]), |options| options.interruptible = Some(false))];
    let mut run = run(&jobs);
    let _started = step(&mut run, Event::Started);
    let _superseded = step(&mut run, Event::StopAsked(StopReason::Superseded { by: 8 }));
    let actions = step(&mut run, Event::StopAsked(StopReason::Cancelled { by: Some("ann".to_owned()) }));
    assert!(actions.contains(&Action::StopJob { job: 0 }));
    assert_eq!(end_of_run(&step(&mut run, ended(0, Outcome::Passed))), Some(Outcome::Cancelled));
}

#[test]
fn a_run_that_is_stopped_before_it_begins_ends_at_once() {
    let mut run = run(&chain());
    let actions = step(&mut run, Event::StopAsked(StopReason::Cancelled { by: None }));
    assert_eq!(end_of_run(&actions), Some(Outcome::Cancelled));
    assert!(step(&mut run, Event::Started).is_empty());
}

#[test]
fn a_job_over_its_time_is_stopped_once() {
    let mut run = run(&[job("a", &["quire/push"])]);
    let _started = step(&mut run, Event::Started);
    let over = || Event::JobDeadlinePassed { job: 0, limit: "2 s".to_owned() };
    assert_eq!(step(&mut run, over()), [Action::StopJob { job: 0 }]);
    assert!(step(&mut run, over()).is_empty());
    let actions = step(&mut run, ended(0, Outcome::Passed));
    assert_eq!(
        (ends(&actions), end_of_run(&actions)),
        (vec![(0, Outcome::TimedOut)], Some(Outcome::TimedOut))
    );
}

#[test]
fn no_order_of_events_leaves_a_job_running_after_the_run_has_ended() {
    use proptest::prelude::*;
    let jobs = [
        job("a", &["quire/push"]),
        with(job("b", &["a"]), |options| options.when = When::Always),
        with(job("c", &["quire/push"]), |options| options.interruptible = Some(false)),
        with(job("d", &["c", "b"]), |options| options.when = When::Failed),
    ];
    let event = prop_oneof![
        (0..4_usize, 0..8_usize).prop_map(|(job, outcome)| ended(job, Outcome::ALL[outcome])),
        (0..4_usize).prop_map(|job| Event::JobDeadlinePassed { job, limit: String::new() }),
        Just(Event::StopAsked(StopReason::Superseded { by: 9 })),
        Just(Event::StopAsked(StopReason::Cancelled { by: None })),
        Just(Event::StopAsked(StopReason::TimedOut {})),
    ];
    proptest!(|(events in prop::collection::vec(event, 0..30))| {
        let mut state = run(&jobs);
        let mut actions = step(&mut state, Event::Started);
        for event in events {
            actions.extend(step(&mut state, event));
        }
        // Whatever is still running ends at last.
        for job in 0..4 {
            actions.extend(step(&mut state, ended(job, Outcome::Passed)));
            actions.extend(step(&mut state, ended(job, Outcome::Passed)));
        }
        for job in 0..4 {
            actions.extend(step(&mut state, ended(job, Outcome::Passed)));
        }
        prop_assert!(end_of_run(&actions).is_some());
        let ends_last = matches!(actions.last(), Some(Action::EndRun { .. }));
        prop_assert!(ends_last);
        let count = |is_counted: fn(&Action) -> bool| actions.iter().filter(|action| is_counted(action)).count();
        let (job_ends, run_ends) = (
            count(|action| matches!(action, Action::RecordJobEnd { .. })),
            count(|action| matches!(action, Action::EndRun { .. })),
        );
        prop_assert_eq!((job_ends, run_ends), (4, 1));
    });
}
