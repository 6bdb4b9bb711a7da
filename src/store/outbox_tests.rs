//! Notices and messages, in memory.

use rusqlite::Connection;

use super::*;
use crate::event::{Event, EventKind, RefUpdate, RerunScope};
use crate::model::{CommitId, Outcome, RefName, RunId, RunName, Timestamp};

const SCHEMA_1: &str = include_str!("schema.sql");

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A database of version 1, with a run that has ended and one that has not.
fn version_1(path: &std::path::Path) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(SCHEMA_1).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    db.execute("INSERT INTO repos (id, name, present) VALUES ('r1', 'site', 1)", []).unwrap();
    for (seed, state, outcome) in [(1, "finished", Some("failed")), (2, "queued", None)] {
        let id = RunId::new(1, [seed; 10]).to_string();
        db.execute(
            "INSERT INTO runs (id, repo, number, ref, old, sha, event, options, pushed_at, state, outcome, queued_at)
             VALUES (?1, 'r1', ?2, CAST('refs/heads/main' AS BLOB), ?3, ?3, 'push', '[]', 1, ?4, ?5, 1)",
            rusqlite::params![id, seed, "0".repeat(40), state, outcome],
        )
        .unwrap();
    }
}

fn run(seed: u8, ended: Option<Outcome>) -> NewRun {
    NewRun {
        id: RunId::new(1, [seed; 10]),
        repo: "r1".to_owned(),
        update: None,
        event: Event {
            kind: EventKind::Push,
            subject: Some(RefUpdate {
                ref_name: RefName::parse(b"refs/heads/main").unwrap(),
                old: crate::model::CommitId::ZERO,
                new: crate::model::CommitId::ZERO,
            }),
            actor: None,
            at: at(1),
        },
        commit_subject: None,
        options: vec![],
        queued_at: at(1),
        ended: ended.map(|outcome| (outcome, crate::model::Reason::new("other", "why"))),
    }
}

fn message(id: &str, target: &str, due: i64) -> OutboxRow {
    OutboxRow {
        id: id.to_owned(),
        target: target.to_owned(),
        event: "failed".to_owned(),
        subject: "site#1".to_owned(),
        message: "{}".to_owned(),
        state: Delivery::Waiting,
        attempts: 0,
        due_at: at(due),
        problem: None,
        created_at: at(due),
        ended_at: None,
    }
}

fn database() -> Connection {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quire.db");
    version_1(&path);
    open(&path).unwrap()
}

#[test]
fn an_older_database_gives_notices_from_now_on_and_of_nothing_before() {
    let db = database();
    assert_eq!(notices(&db, 9).unwrap(), []);
    let id = RunId::new(1, [2; 10]);
    assert!(finish_run(&db, id, Outcome::Passed, None, at(5)).unwrap());
    assert!(!finish_run(&db, id, Outcome::Failed, None, at(6)).unwrap());
    insert_run(&db, &run(3, Some(Outcome::Failed))).unwrap();
    insert_run(&db, &run(4, Some(Outcome::Skipped))).unwrap();
    insert_notice(&db, &NoticeKind::Watch("{}".to_owned()), at(7)).unwrap();
    let kinds: Vec<NoticeKind> = notices(&db, 9).unwrap().into_iter().map(|notice| notice.kind).collect();
    let ended = |seed| NoticeKind::Ended(RunId::new(1, [seed; 10]));
    assert_eq!(kinds, [ended(2), ended(3), NoticeKind::Watch("{}".to_owned())]);
}

#[test]
fn what_was_rolled_back_gives_no_notice() {
    let mut db = database();
    let transaction = db.transaction().unwrap();
    finish_run(&transaction, RunId::new(1, [2; 10]), Outcome::Passed, None, at(5)).unwrap();
    drop(transaction);
    assert_eq!(notices(&db, 9).unwrap(), []);
}

#[test]
fn a_message_is_there_once_and_each_target_has_its_first() {
    let mut db = database();
    post(&mut db, 0, &[message("a", "team", 5), message("b", "team", 3), message("c", "ops", 4)]).unwrap();
    post(&mut db, 0, &[message("a", "team", 1)]).unwrap();
    let next = |db: &Connection| -> Vec<String> {
        next_messages(db).unwrap().into_iter().map(|row| row.id).collect()
    };
    assert_eq!(next(&db), ["b", "c"]);
    record_attempt(&db, "b", &Attempted::Later(at(9), "it answered 500".to_owned()), at(6)).unwrap();
    record_attempt(&db, "c", &Attempted::GivenUp("it answered 404".to_owned()), at(6)).unwrap();
    assert_eq!(next(&db), ["a"]);
    record_attempt(&db, "a", &Attempted::Sent, at(7)).unwrap();
    assert_eq!(next(&db), ["b"]);
    let all = list_messages(&db, 9).unwrap();
    let shown: Vec<_> = all.iter().map(|row| (row.id.as_str(), row.state, row.attempts)).collect();
    let expected = [("a", Delivery::Sent, 1), ("c", Delivery::GivenUp, 1), ("b", Delivery::Waiting, 1)];
    assert_eq!(shown, expected);
    assert!(retry_message(&db, "c", at(8)).unwrap() && !retry_message(&db, "x", at(8)).unwrap());
    assert_eq!(next(&db), ["c", "b"]);
}

#[test]
fn the_outbox_has_limits() {
    let mut db = database();
    let many: Vec<OutboxRow> = (0..1001).map(|n| message(&format!("{n:04}"), "team", n)).collect();
    post(&mut db, 0, &many).unwrap();
    let last = list_messages(&db, 1).unwrap().remove(0);
    assert_eq!((last.id.as_str(), last.state), ("1000", Delivery::GivenUp));
    assert!(last.problem.unwrap().contains("1000 messages wait"));
    for n in 0..1000 {
        record_attempt(&db, &format!("{n:04}"), &Attempted::Sent, at(n)).unwrap();
    }
    post(&mut db, 0, &[message("new", "team", 2000)]).unwrap();
    assert_eq!(list_messages(&db, 9999).unwrap().len(), 1002);
    record_attempt(&db, "new", &Attempted::Sent, at(2001)).unwrap();
    post(&mut db, 0, &[]).unwrap();
    assert_eq!(list_messages(&db, 9999).unwrap().len(), 1001);
}

#[test]
fn the_verdict_before_is_that_of_the_newest_commit_of_the_ref() {
    let db = database();
    let add = |seed: u8, digit: char, ended: Option<Outcome>, rerun_of: Option<u64>| {
        let mut new = run(seed, ended);
        let update = new.event.subject.as_mut().unwrap();
        update.new = CommitId::parse(&digit.to_string().repeat(40)).unwrap();
        if let Some(of) = rerun_of {
            new.event = Event::rerun(&new.event, of, RerunScope::All, None);
        }
        insert_run(&db, &new).unwrap();
        let row = find_run(&db, &RunName::Id(RunId::new(1, [seed; 10]))).unwrap().unwrap();
        let verdict = verdict_before(&db, &row).unwrap();
        (verdict.before, verdict.is_outdated)
    };
    let (passed, failed) = (Some(Outcome::Passed), Some(Outcome::Failed));
    assert_eq!(add(11, 'a', passed, None), (failed, false), "the run of the older database");
    assert_eq!(add(12, 'b', failed, None), (passed, false));
    assert_eq!(add(13, 'a', passed, Some(3)), (failed, true), "an older commit, run once more");
    assert_eq!(add(14, 'b', Some(Outcome::Cancelled), Some(4)), (failed, false));
    assert_eq!(add(15, 'c', passed, None), (failed, false), "what fixes it");
    assert_eq!(add(16, 'd', failed, None), (passed, false));
    assert_eq!(add(17, 'd', passed, Some(8)), (failed, false), "the newest commit, run once more");
    assert_eq!(add(18, 'c', failed, Some(7)), (passed, true));
    assert_eq!(add(19, 'e', None, None), (passed, false));
    assert_eq!(add(20, 'd', passed, Some(8)), (passed, true), "a newer commit is queued");
    db.execute("UPDATE runs SET outcome = 'splendid'", []).unwrap();
    let problem = find_run(&db, &RunName::Id(RunId::new(1, [19; 10]))).unwrap_err().to_string();
    assert!(problem.contains("splendid"), "{problem}");
}
