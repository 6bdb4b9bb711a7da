//! What journals say about runs.

use super::fact::{OpenedRun, PolicyRecord, Record, StepEnd, StepStart};
use super::{Fact, JobFact, RunRecord};
use crate::model::{Outcome, Progress, Reason, Timestamp, codes};
use crate::secret::{RedactedText, Redactor};

fn fold(facts: Vec<Fact>) -> RunRecord {
    let mut run = RunRecord::default();
    for (seq, fact) in (1..).zip(facts) {
        let at = Timestamp::from_millis(1000 * seq);
        run.apply(Record { seq: seq.cast_unsigned(), attempt: 1, at, fact, is_in_order: true });
    }
    run
}

fn run_ended(outcome: Outcome, reason: Option<&str>) -> Fact {
    let reason = reason.map(|text| Reason::new(codes::OTHER, text));
    Fact::run_ended((outcome, reason)).redacted(&Redactor::none())
}

fn job_ended(job: &str, outcome: Outcome, reason: Option<&str>) -> Fact {
    let reason = reason.map(|text| Reason::new(codes::OTHER, text));
    Fact::job_ended(job.into(), (outcome, reason)).redacted(&Redactor::none())
}

fn step_started(job: &str, title: &'static str, line: Option<u32>) -> Fact {
    Fact::StepStarted { job: job.into(), step: StepStart { number: 1, title: title.into(), line } }
}

#[test]
fn what_a_dead_runner_left_open_ends_with_its_run() {
    let run = fold(vec![
        opened(),
        Fact::Evaluated {
            jobs: vec![
                JobFact { id: "build".into(), needs: Vec::new() },
                JobFact { id: "test".into(), needs: Vec::new() },
            ],
            diagnostics: Vec::new(),
        },
        Fact::RunStarted {},
        Fact::JobStarted { job: "build".into() },
        step_started("build", "make", None),
        run_ended(Outcome::Interrupted, Some("gone")),
    ]);
    for job in &run.jobs {
        assert_eq!(job.outcome, Some(Outcome::Interrupted), "{}", job.id);
        assert_eq!(
            (job.reason.as_ref().map(|reason| &*reason.text), job.finished_at),
            (Some("gone"), run.finished_at)
        );
        assert!(job.steps.iter().all(|step| step.outcome == Some(Outcome::Interrupted)));
    }
}

fn opened() -> Fact {
    let run = OpenedRun { repo: "foo".into(), number: 1, id: "i".into(), event: None, runner: 1 };
    Fact::RunOpened { run: Box::new(run) }
}

#[test]
fn a_whole_run_folds_to_its_jobs_and_steps() {
    let job = || "test".to_owned();
    let run = fold(vec![
        opened(),
        Fact::Evaluated {
            jobs: vec![JobFact { id: job(), needs: vec!["quire/push".into()] }],
            diagnostics: vec![],
        },
        Fact::RunStarted {},
        Fact::JobStarted { job: job() },
        step_started("test", "true", Some(3)),
        Fact::StepEnded {
            job: job(),
            number: 1,
            end: StepEnd {
                outcome: Outcome::Failed,
                exit: 3,
                signal: None,
                duration_ms: 5,
                left_out: 0,
                log_bytes: None,
                secrets: vec![],
                leftovers: vec![],
            },
        },
        job_ended("test", Outcome::Failed, Some("step 1")),
        run_ended(Outcome::Failed, None),
    ]);
    assert_eq!(run.progress(), Progress::Finished);
    assert_eq!(run.jobs[0].outcome, Some(Outcome::Failed));
    assert_eq!(run.jobs[0].steps[0].end.as_ref().unwrap().exit, 3);
}

/// A step of the same account can append to the journal. What it writes comes before what its runner writes.
#[test]
fn an_end_that_something_follows_does_not_count() {
    let job = || "test".to_owned();
    let began = || {
        let jobs = vec![JobFact { id: job(), needs: vec![] }];
        let started = step_started("test", "t", None);
        vec![
            opened(),
            Fact::Evaluated { jobs, diagnostics: vec![] },
            Fact::RunStarted {},
            Fact::JobStarted { job: job() },
            started,
        ]
    };
    let passed = || run_ended(Outcome::Passed, None);
    let job_ended = |outcome| job_ended("test", outcome, None);
    let failed = || run_ended(Outcome::Failed, Some("test failed"));
    // Forged by the step, then what the runner writes.
    let whole = [began(), vec![passed(), job_ended(Outcome::Failed), failed()]].concat();
    let run = fold(whole.clone());
    assert_eq!((run.outcome, run.is_tampered), (Some(Outcome::Failed), true));
    assert!(run.reason.unwrap().text.starts_with("test failed; another process"));
    assert_eq!(run.jobs[0].outcome, Some(Outcome::Failed));
    // In between the run has not ended.
    let run = fold([began(), vec![passed(), job_ended(Outcome::Failed)]].concat());
    assert_eq!((run.outcome, run.progress()), (None, Progress::Running));
    // A process that outlives the run writes last: not green either.
    let run = fold([whole, vec![passed()]].concat());
    assert_eq!(run.outcome, Some(Outcome::Failed));
    // The server's word about a runner that was killed at its end: neither green nor anybody's forgery.
    let interrupted = || run_ended(Outcome::Interrupted, None);
    let run = fold([began(), vec![job_ended(Outcome::Passed), passed(), interrupted()]].concat());
    assert_eq!((run.outcome, run.is_tampered), (Some(Outcome::Interrupted), false));
    // The end of a job in its place.
    let run =
        fold([began(), vec![job_ended(Outcome::Passed), job_ended(Outcome::Failed), failed()]].concat());
    assert_eq!((run.jobs[0].outcome, run.is_tampered), (Some(Outcome::Failed), true));
    // Nothing was forged.
    let run = fold([began(), vec![job_ended(Outcome::Passed), passed()]].concat());
    assert_eq!((run.outcome, run.is_tampered), (Some(Outcome::Passed), false));
}

#[test]
fn decisions_belong_to_their_job() {
    let decided = |job: &str, hint: Option<&'static str>| Fact::PolicyDecision {
        job: job.into(),
        decision: PolicyRecord {
            subject: "db".into(),
            point: None,
            verdict: "deny".into(),
            code: "policy.denied".into(),
            reason: "why".into(),
            hint: hint.map(RedactedText::from),
        },
    };
    let jobs = vec![JobFact { id: "a".into(), needs: vec![] }, JobFact { id: "b".into(), needs: vec![] }];
    let evaluated = Fact::Evaluated { jobs, diagnostics: vec![] };
    let run = fold(vec![opened(), evaluated, decided("b", Some("how")), decided("nobody", None)]);
    assert!(run.jobs[0].policy.is_empty());
    let [decision] = run.jobs[1].policy.as_slice() else { panic!("{:?}", run.jobs[1]) };
    assert_eq!((&*decision.subject, &*decision.reason), ("db", "why"));
    assert_eq!(decision.hint.as_deref(), Some("how"));
}

#[test]
fn what_still_runs_ends_with_its_run() {
    let job = || "test".to_owned();
    let run = fold(vec![
        opened(),
        Fact::Evaluated { jobs: vec![JobFact { id: job(), needs: vec![] }], diagnostics: vec![] },
        Fact::JobStarted { job: job() },
        step_started("test", "sleep", None),
        run_ended(Outcome::Interrupted, None),
    ]);
    assert_eq!(run.jobs[0].outcome, Some(Outcome::Interrupted));
    assert_eq!(run.jobs[0].steps[0].outcome, Some(Outcome::Interrupted));
}

#[test]
fn a_second_attempt_forgets_the_first() {
    let jobs = vec![JobFact { id: "a".into(), needs: vec![] }];
    let run = fold(vec![opened(), Fact::Evaluated { jobs, diagnostics: vec![] }, opened()]);
    assert!(run.jobs.is_empty() && run.is_opened && !run.is_evaluated);
}

#[test]
fn a_run_whose_journal_is_damaged_may_have_begun() {
    let may_have_begun = |bytes: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(super::JOURNAL), bytes).unwrap();
        RunRecord::may_have_begun(folder.path()).unwrap()
    };
    assert!(!may_have_begun(b""));
    // A runner that was killed while it wrote its first line.
    assert!(!may_have_begun(b"{\"v\":1,\"t\":\"2026"));
    assert!(may_have_begun(b"\xff\xfe garbage\n"));
}

/// What a step appends has not the next number, or the runner's next line has not.
#[test]
fn a_record_out_of_order_is_never_green() {
    let mut run = RunRecord::default();
    let jobs = vec![JobFact { id: "a".into(), needs: vec![] }];
    let facts = [opened(), Fact::Evaluated { jobs, diagnostics: vec![] }, run_ended(Outcome::Passed, None)];
    for (seq, fact) in (1..).zip(facts) {
        let at = Timestamp::from_millis(seq);
        run.apply(Record { seq: seq.cast_unsigned(), attempt: 1, at, fact, is_in_order: seq != 2 });
    }
    assert_eq!((run.outcome, run.is_tampered, run.seq), (Some(Outcome::Failed), true, 3));
    assert_eq!(run.reason.unwrap().code, codes::JOURNAL);
}

#[test]
fn a_graph_that_grows_has_the_jobs_that_were_added() {
    let jobs = |id: &str, need: &str| vec![JobFact { id: id.into(), needs: vec![need.into()] }];
    let run = fold(vec![
        opened(),
        Fact::Evaluated { jobs: jobs("plan", "quire/push"), diagnostics: vec![] },
        Fact::JobsAdded { by: "plan".into(), jobs: jobs("build", "plan") },
        job_ended("build", Outcome::Passed, None),
    ]);
    let added = &run.jobs[1];
    assert_eq!((added.id.as_str(), added.added_by.as_deref()), ("build", Some("plan")));
    assert_eq!((added.outcome, run.is_tampered), (Some(Outcome::Passed), false));
}
