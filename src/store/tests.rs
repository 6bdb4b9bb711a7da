//! The tables, in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rusqlite::Connection;

use super::*;
use crate::event::{Event, EventKind, RefUpdate, RerunScope, Trigger};
use crate::model::{
    CommitId, JobId, Outcome, Progress, Reason, RefName, RepoName, RunId, RunName, Timestamp, codes,
};

pub(super) fn database() -> Connection {
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

pub(super) fn run(seed: u8, repo: &str, ended: Option<(Outcome, Reason)>) -> NewRun {
    NewRun {
        id: RunId::new(1, [seed; 10]),
        repo: repo.to_owned(),
        update: None,
        event: Event {
            kind: EventKind::Push,
            subject: Some(RefUpdate { ref_name: main_ref(), old: CommitId::ZERO, new: commit('a') }),
            actor: None,
            at: Timestamp::from_millis(1),
        },
        commit_subject: Some("a subject".to_owned()),
        options: vec![],
        queued_at: Timestamp::from_millis(1),
        ended,
    }
}

pub(super) fn hosted(id: &str) -> RepoRow {
    RepoRow::hosted(id.to_owned(), RepoName::parse("foo").unwrap())
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
        updates: vec![RefUpdate { ref_name: main_ref(), old: CommitId::ZERO, new: commit('a') }],
    }
}

#[test]
fn numbers_belong_to_the_repository_and_not_to_its_name() {
    let db = database();
    let foo = RepoName::parse("foo").unwrap();
    sync_repo(&db, &hosted("r1")).unwrap();
    assert_eq!(insert_run(&db, &run(1, "r1", None)).unwrap(), 1);
    assert_eq!(insert_run(&db, &run(2, "r1", None)).unwrap(), 2);
    // The repository is removed and another one gets its name: its runs begin at 1 and are the only ones shown.
    forget_missing(&db, &[]).unwrap();
    sync_repo(&db, &hosted("r2")).unwrap();
    assert_eq!(insert_run(&db, &run(3, "r2", None)).unwrap(), 1);
    let shown = list_runs(&db, &RunFilter::newest(Some(foo.clone()), 10)).unwrap();
    assert_eq!(shown.iter().map(|run| run.number).collect::<Vec<_>>(), [1]);
    // The first one comes back under its old name: it takes the name.
    sync_repo(&db, &hosted("r1")).unwrap();
    assert_eq!(find_repo(&db, &foo).unwrap().unwrap().id, "r1");
    assert_eq!(find_run(&db, &RunName::Number(foo, 2)).unwrap().unwrap().id, RunId::new(1, [2; 10]));
}

#[test]
fn a_push_is_recorded_once_and_settled_update_by_update() {
    let db = database();
    sync_repo(&db, &hosted("r1")).unwrap();
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
    sync_repo(&db, &hosted("r1")).unwrap();
    insert_run(&db, &run(1, "r1", Some((Outcome::Skipped, Reason::new(codes::SKIPPED, "ci.skip"))))).unwrap();
    insert_run(&db, &run(2, "r1", None)).unwrap();
    let newest = insert_run(&db, &run(3, "r1", None)).unwrap();
    assert_eq!(mark_superseded(&db, "r1", &main_ref(), newest).unwrap(), [RunId::new(1, [2; 10])]);
    assert_eq!(unfinished_runs(&db).unwrap()[0].superseded_by, Some(3));
}

#[test]
fn a_run_ends_once() {
    let db = database();
    sync_repo(&db, &hosted("r1")).unwrap();
    insert_run(&db, &run(1, "r1", None)).unwrap();
    let id = RunId::new(1, [1; 10]);
    assert!(finish_run(&db, id, Outcome::Passed, None, Timestamp::from_millis(10)).unwrap());
    assert!(!finish_run(&db, id, Outcome::Interrupted, None, Timestamp::from_millis(11)).unwrap());
    let row = find_run(&db, &RunName::Id(id)).unwrap().unwrap();
    assert_eq!((row.state, row.outcome), (Progress::Finished, Some(Outcome::Passed)));
}

/// A run of each kind of event, with a ref and without, comes back as it was recorded.
#[test]
fn events_survive_their_columns() {
    let db = database();
    let mirror = RepoRow::watched("r1", RepoName::parse("mirror").unwrap());
    sync_repo(&db, &hosted("r1")).unwrap();
    sync_repo(&db, &mirror).unwrap();
    let (job, due_at) = (JobId::parse("deploy").unwrap(), Timestamp::from_millis(7));
    let args = [("to".to_owned(), "staging".into())].into();
    let kinds = [
        EventKind::Push,
        EventKind::Watch,
        EventKind::Manual { job: Some(job.clone()), args, secrets: vec!["token".to_owned()] },
        EventKind::Cron { schedule: "0 3 * * *".to_owned(), due_at },
    ];
    let mut seed = 0;
    for (number, kind) in (1..).zip(kinds) {
        let pushed = Event { kind, ..run(1, "", None).event };
        let again = Event::rerun(&pushed, number, RerunScope::Job(job.clone()), Some("ann".to_owned()));
        let of_folder = Event { subject: None, ..again.clone() };
        for event in [pushed, again, of_folder] {
            seed += 1;
            let repo = if seed % 2 == 0 { "r1" } else { mirror.id.as_str() };
            let new = NewRun { event: event.clone(), ..run(seed, repo, None) };
            insert_run(&db, &new).unwrap();
            let row = find_run(&db, &RunName::Id(new.id)).unwrap().unwrap();
            assert_eq!((row.is_watched(), row.event), (seed % 2 == 1, event));
            assert_eq!(row.commit_subject.as_deref(), Some("a subject"));
        }
    }
    assert_eq!(all_repos(&db).unwrap(), [hosted("r1")]);
    assert_eq!(find_repo(&db, &mirror.name).unwrap(), Some(mirror));
}

/// What a row holds that this version does not know is named, and never taken for something else.
#[test]
fn an_unreadable_row_is_an_error_with_a_name() {
    for (change, said) in [
        ("UPDATE runs SET options = 'none'", "expected ident"),
        ("UPDATE runs SET outcome = 'splendid'", "unknown outcome: `splendid`"),
        ("UPDATE runs SET sha = 'x'", "`x` is not a commit id"),
        ("UPDATE runs SET id = '7'", "unknown run id: `7`"),
        ("UPDATE runs SET event = 'manual'", "unknown cause of a run: `null`"),
        ("UPDATE runs SET rerun_of = 1, rerun_what = '\"some\"'", "unknown variant `some`"),
        ("UPDATE repos SET name = '../x'", "unknown repository name: `../x`"),
    ] {
        let db = database();
        sync_repo(&db, &hosted("r1")).unwrap();
        insert_run(&db, &run(1, "r1", None)).unwrap();
        db.execute(change, []).unwrap();
        let problem = list_runs(&db, &RunFilter::newest(None, 1)).unwrap_err();
        assert!(problem.to_string().contains(said), "{change}: {problem}");
    }
}

/// Every filter, alone and with others, over repositories that are present and one that is gone.
#[test]
fn runs_are_listed_newest_first_by_every_filter() {
    let db = database();
    for id in ["r1", "r2", "gone"] {
        let name = RepoName::parse(id).unwrap();
        sync_repo(&db, &RepoRow::hosted(id.to_owned(), name)).unwrap();
    }
    let refs = [main_ref(), RefName::parse(b"refs/tags/v1").unwrap()];
    let ends = [Some(Outcome::Passed), Some(Outcome::Failed), None];
    let (mut expected, mut seed) = (Vec::new(), 0);
    for repo in ["r1", "r2", "gone"] {
        for (ref_name, end) in refs.iter().flat_map(|name| ends.map(|end| (name.clone(), end))) {
            seed += 1;
            let mut new = run(seed, repo, end.map(|outcome| (outcome, Reason::new(codes::OTHER, "x"))));
            new.queued_at = Timestamp::from_millis(i64::from(seed));
            new.event.subject.as_mut().unwrap().ref_name = ref_name.clone();
            insert_run(&db, &new).unwrap();
            expected.insert(0, (seed, repo, ref_name, end));
        }
    }
    forget_missing(&db, &["r1".to_owned(), "r2".to_owned()]).unwrap();
    let mut count = 0;
    for repo in [None, Some("r1"), Some("r2"), Some("gone")] {
        for ref_names in [vec![], vec![refs[1].clone()], refs.to_vec()] {
            for outcome in [None, Some(Outcome::Failed), Some(Outcome::Denied)] {
                for state in [None, Some(Progress::Queued), Some(Progress::Finished)] {
                    for (since, limit) in [(None, 100), (Some(5), 100), (Some(99), 100), (None, 3)] {
                        let filter = RunFilter {
                            repo: repo.map(|name| RepoName::parse(name).unwrap()),
                            ref_names: ref_names.clone(),
                            outcome,
                            state,
                            since: since.map(Timestamp::from_millis),
                            limit,
                            ..RunFilter::default()
                        };
                        let is_in = |(seed, of, ref_name, end): &&(u8, &str, RefName, Option<Outcome>)| {
                            *of != "gone"
                                && repo.is_none_or(|repo| repo == *of)
                                && (ref_names.is_empty() || ref_names.contains(ref_name))
                                && (outcome.is_none() || outcome == *end)
                                && state.is_none_or(|state| (state == Progress::Finished) == end.is_some())
                                && since.is_none_or(|since| i64::from(*seed) >= since)
                        };
                        let wanted: Vec<RunId> = expected
                            .iter()
                            .filter(is_in)
                            .map(|(seed, ..)| RunId::new(1, [*seed; 10]))
                            .collect();
                        let listed = list_runs(&db, &filter).unwrap();
                        let listed: Vec<RunId> = listed.iter().map(|run| run.id).collect();
                        assert_eq!(listed, &wanted[..limit.min(wanted.len())], "{filter:?}");
                        count += listed.len();
                    }
                }
            }
        }
    }
    assert!(count > 300, "{count}");
}

#[test]
fn a_page_of_runs_begins_where_the_one_before_it_ended() {
    let db = database();
    sync_repo(&db, &RepoRow::hosted("r1".to_owned(), RepoName::parse("r1").unwrap())).unwrap();
    let outcomes = [None, Some(Outcome::Failed), Some(Outcome::Passed)];
    for seed in 1..=30 {
        let end = outcomes[usize::from(seed) % 3].map(|outcome| (outcome, Reason::new(codes::OTHER, "x")));
        let mut new = run(seed, "r1", end);
        new.queued_at = Timestamp::from_millis(i64::from(seed));
        if seed % 2 == 0 {
            new.event.kind = EventKind::Manual { job: None, args: BTreeMap::new(), secrets: Vec::new() };
        }
        insert_run(&db, &new).unwrap();
    }
    let filters = [
        RunFilter::default(),
        RunFilter { triggers: vec![Trigger::Manual], ..RunFilter::default() },
        RunFilter { triggers: vec![Trigger::Push, Trigger::Watch], ..RunFilter::default() },
        RunFilter { outcome: Some(Outcome::Failed), ..RunFilter::default() },
        RunFilter { until: Some(Timestamp::from_millis(20)), ..RunFilter::default() },
        RunFilter { visible: Some(vec!["r1".to_owned()]), ..RunFilter::default() },
        RunFilter { sha: Some(run(1, "r1", None).event.subject.unwrap().new), ..RunFilter::default() },
    ];
    for filter in filters {
        let all = list_runs(&db, &RunFilter { limit: 100, ..filter.clone() }).unwrap();
        assert!(all.len() >= 7 && all.is_sorted_by_key(|run| Reverse(run.seq)), "{filter:?}");
        let (mut paged, mut before) = (Vec::new(), None);
        loop {
            let page = list_runs(&db, &RunFilter { limit: 4, before, ..filter.clone() }).unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.seq);
            paged.extend(page);
        }
        assert_eq!(paged, all, "{filter:?}");
    }
    let none = RunFilter { visible: Some(Vec::new()), limit: 9, ..RunFilter::default() };
    assert_eq!(list_runs(&db, &none).unwrap(), []);
    let unknown = RunFilter { job: Some("none".to_owned()), limit: 9, ..RunFilter::default() };
    assert_eq!(list_runs(&db, &unknown).unwrap(), []);
}
