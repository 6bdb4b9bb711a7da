//! The tables, in memory.

use rusqlite::Connection;

use super::*;
use crate::model::{CommitId, Outcome, Progress, RefName, RepoName, RunId, RunName, Timestamp};

fn database() -> Connection {
    let folder = tempfile::tempdir().unwrap();
    let connection = open(&folder.path().join("quire.db")).unwrap();
    // The file may go: the connection holds it open.
    connection
}

fn commit(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).unwrap()
}

fn main_ref() -> RefName {
    RefName::parse(b"refs/heads/main").unwrap()
}

fn run(seed: u8, repo: &str, ended: Option<(Outcome, String)>) -> NewRun {
    NewRun {
        id: RunId::new(1, [seed; 10]),
        repo: repo.to_owned(),
        update: None,
        ref_name: main_ref(),
        old: CommitId::ZERO,
        sha: commit('a'),
        event: "push".to_owned(),
        pusher: None,
        options: vec![],
        pushed_at: Timestamp::from_millis(1),
        queued_at: Timestamp::from_millis(1),
        ended,
        rerun_of: None,
    }
}

fn push(id: &str) -> NewPush {
    NewPush {
        push: id.to_owned(),
        repo: "r1".to_owned(),
        pid: 7,
        started: 8,
        boot: "b".to_owned(),
        pusher: Some("ann".to_owned()),
        options: vec!["ci.skip".to_owned()],
        at: Timestamp::from_millis(5),
        updates: vec![PushedUpdate { ref_name: main_ref(), old: CommitId::ZERO, new: commit('a') }],
    }
}

#[test]
fn numbers_belong_to_the_repository_and_not_to_its_name() {
    let db = database();
    let foo = RepoName::parse("foo").unwrap();
    sync_repo(&db, "r1", &foo).unwrap();
    assert_eq!(insert_run(&db, &run(1, "r1", None)).unwrap(), 1);
    assert_eq!(insert_run(&db, &run(2, "r1", None)).unwrap(), 2);
    // The repository is removed and another one gets its name: its runs begin at 1 and are the only ones shown.
    forget_missing(&db, &[]).unwrap();
    sync_repo(&db, "r2", &foo).unwrap();
    assert_eq!(insert_run(&db, &run(3, "r2", None)).unwrap(), 1);
    let shown = list_runs(&db, &RunFilter { repo: Some(foo.clone()), limit: 10 }).unwrap();
    assert_eq!(shown.iter().map(|run| run.number).collect::<Vec<_>>(), [1]);
    // The first one comes back under its old name: it takes the name.
    sync_repo(&db, "r1", &foo).unwrap();
    assert_eq!(find_repo(&db, &foo).unwrap().unwrap().id, "r1");
    assert_eq!(find_run(&db, &RunName::Number(foo, 2)).unwrap().unwrap().id, RunId::new(1, [2; 10]));
}

#[test]
fn a_push_is_recorded_once_and_settled_update_by_update() {
    let db = database();
    sync_repo(&db, "r1", &RepoName::parse("foo").unwrap()).unwrap();
    insert_push(&db, &push("p1")).unwrap();
    insert_push(&db, &push("p1")).unwrap();
    let intents = open_intents(&db, "r1", &main_ref()).unwrap();
    assert_eq!(intents.len(), 1);
    assert_eq!(
        (intents[0].pusher.as_deref(), &*intents[0].options),
        (Some("ann"), &["ci.skip".to_owned()][..])
    );
    assert_eq!(pushed_refs(&db, "p1").unwrap(), 1);
    assert_eq!(open_pushes(&db).unwrap().len(), 1);
    settle_intent(&db, intents[0].id, true).unwrap();
    assert_eq!(settle_push(&db, "p1").unwrap(), 0);
    assert!(open_pushes(&db).unwrap().is_empty());
    assert!(open_intents(&db, "r1", &main_ref()).unwrap().is_empty());
}

#[test]
fn a_newer_run_supersedes_those_before_it_that_have_not_ended() {
    let db = database();
    sync_repo(&db, "r1", &RepoName::parse("foo").unwrap()).unwrap();
    insert_run(&db, &run(1, "r1", Some((Outcome::Skipped, "ci.skip".to_owned())))).unwrap();
    insert_run(&db, &run(2, "r1", None)).unwrap();
    let newest = insert_run(&db, &run(3, "r1", None)).unwrap();
    assert_eq!(mark_superseded(&db, "r1", &main_ref(), newest).unwrap(), [RunId::new(1, [2; 10])]);
    assert_eq!(unfinished_runs(&db).unwrap()[0].superseded_by, Some(3));
}

#[test]
fn a_run_ends_once() {
    let db = database();
    sync_repo(&db, "r1", &RepoName::parse("foo").unwrap()).unwrap();
    insert_run(&db, &run(1, "r1", None)).unwrap();
    let id = RunId::new(1, [1; 10]);
    mark_started(&db, id, Timestamp::from_millis(9)).unwrap();
    assert!(finish_run(&db, id, Outcome::Passed, None, Timestamp::from_millis(10)).unwrap());
    assert!(!finish_run(&db, id, Outcome::Interrupted, None, Timestamp::from_millis(11)).unwrap());
    mark_started(&db, id, Timestamp::from_millis(12)).unwrap();
    let row = find_run(&db, &RunName::Id(id)).unwrap().unwrap();
    assert_eq!((row.state, row.outcome), (Progress::Finished, Some(Outcome::Passed)));
}
