//! The sequence of a run, while it grows, after it has ended, and from every place in it.

use std::path::Path;

use serde_json::{Value, json};

use super::{RunEvent, RunEvents};
use crate::event::{Event, EventKind};
use crate::journal::{
    EVALUATION_LOG, End, Fact, JobFact, JournalSink as _, JournalWriter, OpenedRun, StepEnd, StepStart,
};
use crate::log::{LogLimit, LogWriter, PassThrough, Sink as _, Stream};
use crate::model::{Outcome, Progress, RepoName, RunId, Timestamp};
use crate::store::RunRow;
use crate::store::repos::RepoOrigin;
use crate::sys::folder::Folder;

fn row(outcome: Option<Outcome>) -> RunRow {
    let at = Timestamp::from_millis(7);
    RunRow {
        seq: 1,
        id: RunId::new(7, [0; 10]),
        repo: RepoName::parse("site").unwrap(),
        repo_id: "r".into(),
        origin: RepoOrigin::Hosted,
        number: 1,
        event: Event { kind: EventKind::Push, subject: None, actor: Some("ada".into()), at },
        commit_subject: None,
        options: Vec::new(),
        state: if outcome.is_some() { Progress::Finished } else { Progress::Running },
        outcome,
        reason: None,
        superseded_by: None,
        queued_at: at,
        started_at: Some(at),
        finished_at: outcome.map(|_| at),
    }
}

fn log(run: &Path, path: &str) -> LogWriter<PassThrough> {
    let limit = LogLimit::new(64 << 20);
    LogWriter::create(&Folder::open(run).unwrap(), Path::new(path), limit, || PassThrough).unwrap()
}

/// A run that is written as a runner does it.
struct Written {
    folder: tempfile::TempDir,
    journal: JournalWriter,
}

impl Written {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = JournalWriter::open(folder.path()).unwrap();
        let run = OpenedRun { repo: "site".into(), number: 1, id: "x".into(), event: None, runner: 1 };
        journal.append(Fact::RunOpened { run: Box::new(run) }).unwrap();
        let mut run = Self { folder, journal };
        let jobs = vec![JobFact { id: "test".into(), needs: vec!["quire/push".into()] }];
        run.fact(Fact::Evaluated { jobs, diagnostics: Vec::new() });
        run.fact(Fact::RunStarted {});
        run.fact(Fact::JobStarted { job: "test".into() });
        run
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn fact(&mut self, fact: Fact) {
        self.journal.append(fact).unwrap();
    }

    fn step(&mut self, number: u32) {
        let step = StepStart { number, title: "make".into(), line: Some(3) };
        self.fact(Fact::StepStarted { job: "test".into(), step });
    }

    fn grown(&mut self, number: u32, bytes: u64) {
        self.fact(Fact::LogGrown { job: Some("test".into()), number, bytes });
    }

    fn step_ended(&mut self, number: u32, log_bytes: Option<u64>) {
        let end = StepEnd {
            outcome: Outcome::Passed,
            exit: 0,
            signal: None,
            duration_ms: 1_500,
            left_out: 0,
            log_bytes,
            secrets: Vec::new(),
            leftovers: Vec::new(),
        };
        self.fact(Fact::StepEnded { job: "test".into(), number, end });
    }

    fn job_ended(&mut self) {
        let end = End { outcome: Outcome::Passed, reason: None };
        self.fact(Fact::JobEnded { job: "test".into(), end });
    }

    fn reader(&self, after: u64) -> RunEvents {
        RunEvents::new(&row(None), self.path(), after)
    }

    /// All events behind one, of the run as it ended.
    fn ended(&self, after: u64, outcome: Outcome) -> Vec<RunEvent> {
        let row = row(Some(outcome));
        read(&mut RunEvents::new(&row, self.path(), after), Some(&row))
    }
}

/// What is there now.
fn read(events: &mut RunEvents, ended: Option<&RunRow>) -> Vec<RunEvent> {
    let mut read = Vec::new();
    loop {
        let batch = events.read(ended).unwrap();
        read.extend(batch.events);
        if batch.is_drained {
            return read;
        }
    }
}

fn data(event: &RunEvent) -> Value {
    serde_json::from_slice(event.line()).unwrap()
}

/// The kinds, and the texts of lines.
fn shown(events: &[RunEvent]) -> Vec<String> {
    let show = |event: &RunEvent| {
        let data = data(event);
        assert_eq!(data["seq"], event.seq);
        let texts =
            |lines: &Vec<Value>| lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect();
        let texts: Vec<String> = data["lines"].as_array().map(texts).unwrap_or_default();
        format!("{} {}", data["kind"].as_str().unwrap(), texts.join(","))
    };
    events.iter().map(show).collect()
}

#[test]
fn a_reader_of_a_growing_run_has_the_events_of_one_who_comes_later_from_every_place() {
    let mut run = Written::new();
    let (mut live, mut seen) = (run.reader(0), Vec::new());
    let mut look = |seen: &mut Vec<RunEvent>| seen.extend(read(&mut live, None));
    look(&mut seen);
    run.step(1);
    let mut one = log(run.path(), "log/test/1.log");
    one.write(Stream::Stdout, b"a\nb\n").unwrap();
    // What is in the log and in no fact is not given yet.
    look(&mut seen);
    run.grown(1, one.length());
    look(&mut seen);
    one.write(Stream::Stderr, b"c\n").unwrap();
    one.write(Stream::Stdout, b"prompt> ").unwrap();
    one.quiet().unwrap();
    run.grown(1, one.length());
    one.write(Stream::Stdout, b"typed\nno end").unwrap();
    look(&mut seen);
    let end = one.finish().unwrap();
    run.step_ended(1, Some(end.length));
    look(&mut seen);
    run.step(2);
    run.step_ended(2, Some(0));
    run.job_ended();
    run.fact(Fact::run_ended((Outcome::Passed, None)).redacted(&crate::secret::Redactor::none()));
    look(&mut seen);
    assert!(!seen.last().unwrap().is_last, "the end in the journal does not count by itself");
    seen.extend(read(&mut live, Some(&row(Some(Outcome::Passed)))));
    let expected = [
        "run.queued ",
        "pipeline.evaluated ",
        "run.started ",
        "job.started ",
        "step.started ",
        "log a,b",
        "log c",
        "log prompt> ",
        "log typed,no end",
        "step.finished ",
        "step.started ",
        "step.finished ",
        "job.finished ",
        "run.finished ",
    ];
    assert_eq!(shown(&seen), expected);
    assert_eq!(seen.iter().map(|event| event.seq).collect::<Vec<_>>(), (1..=14).collect::<Vec<u64>>());
    for after in 0..=14 {
        assert_eq!(run.ended(after, Outcome::Passed), seen[usize::try_from(after).unwrap()..], "{after}");
    }
    has_what_the_contract_says(&seen);
}

fn has_what_the_contract_says(seen: &[RunEvent]) {
    let logged = data(&seen[8]);
    assert_eq!((&logged["job"], &logged["step"], &logged["attempt"]), (&json!("test"), &json!(1), &json!(1)));
    let lines = &logged["lines"];
    assert_eq!((&lines[0]["n"], &lines[0]["part"], &lines[1]["n"]), (&json!(4), &json!(2), &json!(5)));
    // Nobody knew that the line would have no end.
    assert_eq!((&lines[1]["part"], data(&seen[5])["lines"][0].get("part")), (&json!(1), None));
    let finished = data(&seen[9]);
    assert_eq!((&finished["duration_s"], &finished["exit"]), (&json!(1.5), &json!(0)));
    assert_eq!(
        seen[2].sse(),
        b"id: 3\nevent: run.started\ndata: "
            .iter()
            .chain(seen[2].line())
            .chain(b"\n")
            .copied()
            .collect::<Vec<u8>>()
    );
}

#[test]
fn what_a_killed_runner_left_comes_before_the_end_of_the_run() {
    let mut run = Written::new();
    let mut script = log(run.path(), "log/test/script.log");
    script.write(Stream::Stdout, b"printed\n").unwrap();
    run.grown(0, script.length());
    script.write(Stream::Stdout, b"printed and not said\n").unwrap();
    run.step(1);
    let mut one = log(run.path(), "log/test/1.log");
    one.write(Stream::Stdout, b"a\n").unwrap();
    run.grown(1, one.length());
    one.write(Stream::Stdout, b"b\n").unwrap();
    let mut top = log(run.path(), &format!("log/{EVALUATION_LOG}"));
    top.write(Stream::Stdout, b"top\n").unwrap();
    drop((one, script, top));
    let torn = std::fs::OpenOptions::new().append(true).open(run.path().join("log/test/1.log")).unwrap();
    std::io::Write::write_all(&mut &torn, b"2026-11-30T04:00:00.000Z stdout F torn").unwrap();
    let mut live = run.reader(0);
    let before = read(&mut live, None);
    assert_eq!(before.len(), 7);
    let seen = run.ended(0, Outcome::Interrupted);
    assert_eq!(seen[..7], before);
    let expected =
        ["log top", "log printed and not said", "log b", "step.finished ", "job.finished ", "run.finished "];
    assert_eq!(shown(&seen[7..]), expected);
    assert_eq!(data(&seen[10])["outcome"], "interrupted");
    assert_eq!(seen[7..], read(&mut live, Some(&row(Some(Outcome::Interrupted)))));
}

#[test]
fn lines_of_a_journal_that_does_not_say_how_logs_grow_come_at_the_end_of_their_step() {
    let mut run = Written::new();
    run.step(1);
    let mut one = log(run.path(), "log/test/1.log");
    for number in 0..5_000 {
        one.write(Stream::Stdout, format!("line {number} of many that are as long as this\n").as_bytes())
            .unwrap();
    }
    one.finish().unwrap();
    run.step_ended(1, None);
    run.job_ended();
    let seen = run.ended(0, Outcome::Passed);
    let logs: Vec<Value> = seen.iter().map(data).filter(|data| data["kind"] == "log").collect();
    let texts = |log: &Value| -> Vec<String> {
        log["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["text"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(logs.iter().all(|log| texts(log).concat().len() <= 64 << 10) && logs.len() > 3);
    let all: Vec<String> = logs.iter().flat_map(texts).collect();
    assert_eq!(all.len(), 5_000);
    assert!(all.iter().enumerate().all(|(number, text)| text.starts_with(&format!("line {number} "))));
    for after in [5, 6, 7, seen.len() as u64 - 1] {
        assert_eq!(run.ended(after, Outcome::Passed), seen[usize::try_from(after).unwrap()..], "{after}");
    }
}

#[test]
fn a_run_that_never_had_a_runner_is_queued_and_finished() {
    let folder = tempfile::tempdir().unwrap();
    let row = row(Some(Outcome::Cancelled));
    let seen = read(&mut RunEvents::new(&row, &folder.path().join("none"), 0), Some(&row));
    assert_eq!(shown(&seen), ["run.queued ", "run.finished "]);
    assert_eq!(
        (data(&seen[0])["pusher"].clone(), data(&seen[1])["outcome"].clone()),
        (json!("ada"), json!("cancelled"))
    );
    assert!(seen[1].is_last);
}

#[test]
fn a_second_runner_continues_the_sequence_of_the_first() {
    let mut run = Written::new();
    let mut live = run.reader(0);
    let mut seen = read(&mut live, None);
    let opened = OpenedRun { repo: "site".into(), number: 1, id: "x".into(), event: None, runner: 2 };
    run.fact(Fact::RunOpened { run: Box::new(opened) });
    run.fact(Fact::Evaluated { jobs: Vec::new(), diagnostics: Vec::new() });
    run.fact(Fact::RunStarted {});
    seen.extend(read(&mut live, Some(&row(Some(Outcome::Passed)))));
    assert_eq!(shown(&seen)[4..], ["pipeline.evaluated ", "run.started ", "run.finished "]);
    assert_eq!(run.ended(0, Outcome::Passed), seen);
}
