//! What the index says of runs, filled in any order, as often as one likes.

use rusqlite::Connection;

use super::tests::{database, hosted, run};
use super::*;
use crate::journal::{End, Fact, JobFact, Record, RunRecord, StepEnd, StepStart};
use crate::model::{Outcome, Progress, Reason, RunId, RunName, Timestamp, codes};

const ID: u8 = 1;

fn now() -> Timestamp {
    Timestamp::from_millis(9_000)
}

fn with_run() -> Connection {
    let db = database();
    sync_repo(&db, &hosted("r1")).unwrap();
    insert_run(&db, &run(ID, "r1", None)).unwrap();
    db
}

/// What a journal with these facts says, each a second after the one before.
fn record(facts: &[Fact]) -> RunRecord {
    let mut record = RunRecord::default();
    for (seq, fact) in (1..).zip(facts) {
        let (at, fact) = (Timestamp::from_millis(1000 * seq), fact.clone());
        record.apply(Record { seq: seq.cast_unsigned(), attempt: 1, at, fact, is_in_order: true });
    }
    record
}

fn facts() -> Vec<Fact> {
    let job = |id: &str, need: &str| JobFact { id: id.to_owned(), needs: vec![need.to_owned()] };
    let ended = |outcome, text: &'static str| End {
        outcome,
        reason: (outcome != Outcome::Passed).then(|| Reason {
            code: codes::STEP_FAILED.to_owned(),
            text: text.into(),
            hints: vec!["look".into()],
        }),
    };
    let start = |number| StepStart { number, title: "make".into(), line: Some(3) };
    let end = StepEnd {
        outcome: Outcome::Failed,
        exit: 137,
        signal: Some(9),
        duration_ms: 20,
        left_out: 7,
        log_bytes: None,
        secrets: vec![],
        leftovers: vec![],
    };
    let (a, b) = (|| "a".to_owned(), || "b".to_owned());
    vec![
        Fact::Evaluated { jobs: vec![job("a", "quire/push"), job("b", "a")], diagnostics: vec![] },
        Fact::RunStarted {},
        Fact::JobStarted { job: a() },
        Fact::StepStarted { job: a(), step: start(1) },
        Fact::StepEnded { job: a(), number: 1, end },
        Fact::StepStarted { job: a(), step: start(2) },
        Fact::JobsAdded { by: a(), jobs: vec![job("c", "a")] },
        Fact::JobEnded { job: a(), end: ended(Outcome::Failed, "make failed") },
        Fact::JobEnded { job: b(), end: ended(Outcome::Skipped, "a has failed") },
        Fact::RunEnded { end: ended(Outcome::Failed, "a has failed") },
    ]
}

/// Indexes what a record says since its record number `indexed`.
fn index(db: &mut Connection, indexed: u64, record: &RunRecord) {
    if let Some(change) = RunChange::since(indexed, RunId::new(1, [ID; 10]), record, now()) {
        index_run(db, &change).unwrap();
    }
}

/// All rows of the three tables.
fn rows(db: &Connection) -> Vec<String> {
    let tables = ["SELECT * FROM runs", "SELECT * FROM jobs", "SELECT * FROM steps"];
    let mut rows = Vec::new();
    for sql in tables {
        let mut statement = db.prepare(sql).unwrap();
        let columns = statement.column_count();
        let found = statement.query_map([], |row| {
            (0..columns)
                .map(|column| Ok(format!("{:?}", row.get_ref(column)?)))
                .collect::<Result<Vec<_>, _>>()
        });
        rows.extend(found.unwrap().map(|row| row.unwrap().join(" ")));
    }
    rows
}

/// However a journal is cut into changes, and whatever of it is read again, the rows are those of reading it once.
#[test]
fn a_journal_in_pieces_and_twice_gives_the_rows_of_one_reading() {
    let facts = facts();
    let mut whole = with_run();
    index(&mut whole, 0, &record(&facts));
    for step in 1..facts.len() {
        let mut db = with_run();
        let mut indexed = 0;
        for end in (step..facts.len()).step_by(step).chain([facts.len()]) {
            let record = record(&facts[..end]);
            index(&mut db, indexed, &record);
            indexed = if record.started_at.is_some() { record.seq } else { 0 };
            // A server that starts reads everything again, and one with an old journal less.
            index(&mut db, 0, &record);
            index(&mut db, 0, &self::record(&facts[..step.min(end)]));
        }
        assert_eq!(rows(&db), rows(&whole), "in steps of {step}");
    }
}

#[test]
fn a_run_is_indexed_with_its_jobs_and_steps() {
    let mut db = with_run();
    index(&mut db, 0, &record(&facts()[..1]));
    let count = |db: &Connection, sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(&db, "SELECT count(*) FROM jobs"), 0, "its jobs have not begun");
    index(&mut db, 0, &record(&facts()[..6]));
    let text = |db: &Connection, sql: &str| -> Vec<String> {
        let mut statement = db.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let jobs = "SELECT concat_ws(' ', place, name, needs, added_by, attempt, state, outcome, reason_code, reason_hints,
                                 started_at, finished_at) FROM jobs ORDER BY place";
    let steps =
        "SELECT concat_ws(' ', job, number, title, line, outcome, exit, signal, started_at, finished_at,
                                  duration_ms, left_out) FROM steps ORDER BY number";
    assert_eq!(text(&db, jobs), [r#"0 a ["quire/push"] 1 running 3000"#, r#"1 b ["a"] 1 waiting"#]);
    assert_eq!(text(&db, steps), ["a 1 make 3 failed 137 9 4000 5000 20 7", "a 2 make 3 6000 0"]);
    let row = find_run(&db, &RunName::Id(RunId::new(1, [ID; 10]))).unwrap().unwrap();
    assert_eq!((row.state, row.started_at), (Progress::Running, Some(Timestamp::from_millis(2000))));
    index(&mut db, 6, &record(&facts()));
    let reason = r#"step.failed ["look"]"#;
    assert_eq!(
        text(&db, jobs),
        [
            format!(r#"0 a ["quire/push"] 1 finished failed {reason} 3000 8000"#),
            format!(r#"1 b ["a"] 1 finished skipped {reason} 9000"#),
            format!(r#"2 c ["a"] a 1 finished failed {reason} 10000"#),
        ]
    );
    assert_eq!(text(&db, steps)[1], "a 2 make 3 failed 6000 8000 0", "closed by its job");
    let row = find_run(&db, &RunName::Id(row.id)).unwrap().unwrap();
    assert_eq!((row.state, row.outcome), (Progress::Finished, Some(Outcome::Failed)));
    assert_eq!(count(&db, "SELECT applied_seq FROM runs"), 10);
    assert_eq!(count(&db, "SELECT count(*) FROM notices"), 1, "one end, one notice");
}

#[test]
fn a_new_attempt_takes_the_place_of_the_one_before() {
    let mut db = with_run();
    index(&mut db, 0, &record(&facts()[..6]));
    let opened =
        crate::journal::OpenedRun { repo: "r".into(), number: 1, id: "i".into(), event: None, runner: 1 };
    let jobs = vec![JobFact { id: "z".into(), needs: vec![] }];
    let again = [
        Fact::RunOpened { run: Box::new(opened) },
        Fact::Evaluated { jobs, diagnostics: vec![] },
        Fact::RunStarted {},
    ];
    index(&mut db, 6, &record(&[&facts()[..6], &again[..]].concat()));
    let names: String = db.query_row("SELECT group_concat(name) FROM jobs", [], |row| row.get(0)).unwrap();
    assert_eq!(names, "z");
    assert_eq!(db.query_row("SELECT count(*) FROM steps", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

/// The end of a run whose journal could not be written, or read, is in its row, its jobs and its steps.
#[test]
fn a_run_that_ends_without_its_journal_leaves_nothing_running() {
    let mut db = with_run();
    index(&mut db, 0, &record(&facts()[..6]));
    let end = RunRecord::without_journal(Outcome::Interrupted, Reason::new(codes::INTERRUPTED, "gone"));
    index(&mut db, 0, &end);
    let open = "SELECT (SELECT count(*) FROM jobs WHERE state <> 'finished') + (SELECT count(*) FROM steps WHERE outcome IS NULL)";
    assert_eq!(db.query_row(open, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    let ended = "SELECT concat_ws(' ', outcome, reason, finished_at) FROM jobs WHERE name = 'b'";
    assert_eq!(db.query_row(ended, [], |row| row.get::<_, String>(0)).unwrap(), "interrupted gone 9000");
    // Cancelled without a server: only the row says so.
    let mut db = with_run();
    index(&mut db, 0, &record(&facts()[..6]));
    finish_run(&db, RunId::new(1, [ID; 10]), Outcome::Cancelled, None, now()).unwrap();
    assert_eq!(db.query_row(open, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

/// A journal that another process has written to may declare a job or a step twice: its rows stay unique.
#[test]
fn what_a_journal_declares_twice_is_one_row_and_never_green() {
    let start = || Fact::StepStarted {
        job: "a".into(),
        step: StepStart { number: 1, title: "x".into(), line: None },
    };
    let job = || JobFact { id: "a".into(), needs: vec![] };
    let passed = || End { outcome: Outcome::Passed, reason: None };
    for twice in [
        vec![Fact::Evaluated { jobs: vec![job(), job()], diagnostics: vec![] }, Fact::RunStarted {}, start()],
        vec![
            Fact::Evaluated { jobs: vec![job()], diagnostics: vec![] },
            Fact::RunStarted {},
            start(),
            start(),
        ],
        vec![
            Fact::Evaluated { jobs: vec![job()], diagnostics: vec![] },
            Fact::RunStarted {},
            start(),
            Fact::JobsAdded { by: "a".into(), jobs: vec![job()] },
        ],
    ] {
        let mut db = with_run();
        index(&mut db, 0, &record(&[&twice[..], &[Fact::RunEnded { end: passed() }]].concat()));
        let counts = "SELECT concat_ws(' ', (SELECT count(*) FROM jobs), (SELECT count(*) FROM steps), outcome) FROM runs";
        assert_eq!(
            db.query_row(counts, [], |row| row.get::<_, String>(0)).unwrap(),
            "1 1 failed",
            "{twice:?}"
        );
    }
}
