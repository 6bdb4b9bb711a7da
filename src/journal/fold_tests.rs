//! What journals say about runs.

use super::fact::Record;
use super::{Fact, JobFact, RunRecord};
use crate::model::{Outcome, Progress};
use crate::secret::RedactedText;

fn fold(facts: Vec<Fact>) -> RunRecord {
    let mut run = RunRecord::default();
    for (second, fact) in facts.into_iter().enumerate() {
        run.apply(Record { v: 1, t: format!("2026-01-01T00:00:{second:02}.000Z"), fact });
    }
    run
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
        Fact::StepStarted { job: "build".into(), step: 1, title: "make".into(), line: None },
        Fact::RunEnded { outcome: "interrupted".into(), reason: Some("gone".into()) },
    ]);
    for job in &run.jobs {
        assert_eq!((job.state(), job.outcome), ("finished", Some(Outcome::Interrupted)), "{}", job.id);
        assert_eq!((job.reason.as_deref(), &job.finished_at), (Some("gone"), &run.finished_at));
        assert!(job.steps.iter().all(|step| step.outcome == Some(Outcome::Interrupted)));
    }
}

fn opened() -> Fact {
    Fact::RunOpened {
        repo: "foo".into(),
        number: 1,
        id: "i".into(),
        r#ref: Some("refs/heads/main".into()),
        sha: Some("0".repeat(40)),
        event: "push".into(),
        pusher: None,
        runner: 1,
    }
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
        Fact::StepStarted { job: job(), step: 1, title: "true".into(), line: Some(3) },
        Fact::StepEnded {
            job: job(),
            step: 1,
            outcome: "failed".into(),
            exit: 3,
            signal: None,
            duration_ms: 5,
            left_out: 0,
            secrets: vec![],
            leftovers: vec![],
        },
        Fact::JobEnded { job: job(), outcome: "failed".into(), reason: Some("step 1".into()) },
        Fact::RunEnded { outcome: "failed".into(), reason: None },
    ]);
    assert_eq!(run.progress(), Progress::Finished);
    assert_eq!(run.jobs[0].outcome, Some(Outcome::Failed));
    assert_eq!(run.jobs[0].steps[0].exit, Some(3));
}

/// A step of the same account can append to the journal. What it writes comes before what its runner writes.
#[test]
fn an_end_that_something_follows_does_not_count() {
    let job = || "test".to_owned();
    let began = || {
        let jobs = vec![JobFact { id: job(), needs: vec![] }];
        let started = Fact::StepStarted { job: job(), step: 1, title: "t".into(), line: None };
        vec![
            opened(),
            Fact::Evaluated { jobs, diagnostics: vec![] },
            Fact::RunStarted {},
            Fact::JobStarted { job: job() },
            started,
        ]
    };
    let passed = || Fact::RunEnded { outcome: "passed".into(), reason: None };
    let job_ended = |outcome: &str| Fact::JobEnded { job: job(), outcome: outcome.into(), reason: None };
    let failed = || Fact::RunEnded { outcome: "failed".into(), reason: Some("test failed".into()) };
    // Forged by the step, then what the runner writes.
    let whole = [began(), vec![passed(), job_ended("failed"), failed()]].concat();
    let run = fold(whole.clone());
    assert_eq!((run.outcome, run.is_tampered), (Some(Outcome::Failed), true));
    assert!(run.reason.unwrap().starts_with("test failed; another process"));
    assert_eq!(run.jobs[0].outcome, Some(Outcome::Failed));
    // In between the run has not ended.
    let run = fold([began(), vec![passed(), job_ended("failed")]].concat());
    assert_eq!((run.outcome, run.progress()), (None, Progress::Running));
    // A process that outlives the run writes last: not green either.
    let run = fold([whole, vec![passed()]].concat());
    assert_eq!(run.outcome, Some(Outcome::Failed));
    // The server's word about a runner that was killed at its end: neither green nor anybody's forgery.
    let interrupted = || Fact::RunEnded { outcome: "interrupted".into(), reason: None };
    let run = fold([began(), vec![job_ended("passed"), passed(), interrupted()]].concat());
    assert_eq!((run.outcome, run.is_tampered), (Some(Outcome::Interrupted), false));
    // The end of a job in its place.
    let run = fold([began(), vec![job_ended("passed"), job_ended("failed"), failed()]].concat());
    assert_eq!((run.jobs[0].outcome, run.is_tampered), (Some(Outcome::Failed), true));
    // Nothing was forged.
    let run = fold([began(), vec![job_ended("passed"), passed()]].concat());
    assert_eq!((run.outcome, run.is_tampered), (Some(Outcome::Passed), false));
}

#[test]
fn decisions_belong_to_their_job() {
    let decided = |job: &str, hint: Option<&'static str>| Fact::PolicyDecision {
        job: job.into(),
        subject: "db".into(),
        verdict: "deny".into(),
        code: "policy.denied".into(),
        reason: "why".into(),
        hint: hint.map(RedactedText::from),
    };
    let jobs = vec![JobFact { id: "a".into(), needs: vec![] }, JobFact { id: "b".into(), needs: vec![] }];
    let evaluated = Fact::Evaluated { jobs, diagnostics: vec![] };
    let run = fold(vec![opened(), evaluated, decided("b", Some("how")), decided("nobody", None)]);
    assert!(run.jobs[0].policy.is_empty());
    let [decision] = run.jobs[1].policy.as_slice() else { panic!("{:?}", run.jobs[1]) };
    assert_eq!((decision.subject.as_str(), decision.reason.as_str()), ("db", "why"));
    assert_eq!(decision.hint.as_deref(), Some("how"));
}

#[test]
fn what_goes_on_ends_with_its_run() {
    let job = || "test".to_owned();
    let run = fold(vec![
        opened(),
        Fact::Evaluated { jobs: vec![JobFact { id: job(), needs: vec![] }], diagnostics: vec![] },
        Fact::JobStarted { job: job() },
        Fact::StepStarted { job: job(), step: 1, title: "sleep".into(), line: None },
        Fact::RunEnded { outcome: "interrupted".into(), reason: None },
    ]);
    assert_eq!((run.jobs[0].outcome, run.jobs[0].state()), (Some(Outcome::Interrupted), "finished"));
    assert_eq!(run.jobs[0].steps[0].outcome, Some(Outcome::Interrupted));
}

#[test]
fn a_second_attempt_forgets_the_first_and_unknown_words_are_not_green() {
    let jobs = vec![JobFact { id: "a".into(), needs: vec![] }];
    let run = fold(vec![opened(), Fact::Evaluated { jobs, diagnostics: vec![] }, opened()]);
    assert!(run.jobs.is_empty() && run.is_opened && !run.is_evaluated);
    let run = fold(vec![opened(), Fact::RunEnded { outcome: "splendid".into(), reason: None }]);
    assert_eq!(run.outcome, Some(Outcome::Failed));
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
