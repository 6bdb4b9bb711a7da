//! The index of runs: what the server fills while it follows them is what their journals say, row for row.

use std::fs;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::fixtures::{quire, unpacked};
use crate::stories::world::World;

/// All rows of the three tables, in their order.
fn rows(world: &World) -> Vec<String> {
    let db = Connection::open(world.path().join("data/quire.db")).unwrap();
    let mut rows = Vec::new();
    for sql in ["SELECT * FROM runs", "SELECT * FROM jobs", "SELECT * FROM steps"] {
        let mut statement = db.prepare(sql).unwrap();
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let found = statement.query_map([], |row| {
            let column = |(place, name)| {
                Ok(match row.get_ref(place)? {
                    ValueRef::Text(text) => format!("{name}={}", String::from_utf8_lossy(text)),
                    value @ (ValueRef::Null
                    | ValueRef::Integer(_)
                    | ValueRef::Real(_)
                    | ValueRef::Blob(_)) => {
                        format!("{name}={value:?}")
                    }
                })
            };
            names.iter().enumerate().map(column).collect::<rusqlite::Result<Vec<_>>>()
        });
        rows.extend(found.unwrap().map(|row| format!("{}: {}", &sql[14..], row.unwrap().join(" "))));
    }
    rows
}

#[track_caller]
fn assert_rows(world: &World, expected: &[String]) {
    let rows = rows(world);
    let differ = |some: &[String], others: &[String]| -> Vec<String> {
        some.iter().filter(|row| !others.contains(row)).cloned().collect()
    };
    assert_eq!(differ(&rows, expected), differ(expected, &rows));
    assert_eq!(rows.len(), expected.len());
}

fn change(world: &World, sql: &str) {
    Connection::open(world.path().join("data/quire.db")).unwrap().execute_batch(sql).unwrap();
}

fn count(world: &World, sql: &str) -> i64 {
    let db = Connection::open(world.path().join("data/quire.db")).unwrap();
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// A data folder of an older version that a server has taken up: runs of every outcome, with journals of both versions.
fn served(name: &str) -> World {
    let (mut world, expected) = unpacked(name);
    world.serve(&[]).unwrap();
    let open = "SELECT count(*) FROM runs WHERE state <> 'finished'";
    assert!(world.eventually(|world| count(world, open) == 0), "{}", world.serve_log());
    for outcome in ["passed", "failed", "skipped"] {
        let is_so = |(_, run): &(&String, &crate::fixtures::ExpectedRun)| {
            run.outcome == outcome && !run.jobs.is_empty()
        };
        let (of, _) = expected.runs.iter().find(is_so).unwrap();
        let again = quire(&world, &["rerun", of]);
        world.run(world.command("quire").args(["wait", again.trim()]));
    }
    let unindexed =
        "SELECT count(*) FROM runs WHERE state = 'finished' AND applied_seq = 0 AND started_at IS NOT NULL";
    assert!(world.eventually(|world| count(world, unindexed) == 0), "{}", world.serve_log());
    world
}

#[test]
fn reindexing_gives_every_row_that_following_the_runs_gave() {
    for name in ["0.1.0", "journal-1"] {
        let mut world = served(name);
        let refused = world.run(world.command("quire").args(["doctor", "--reindex"]));
        assert_eq!(refused.exit, 1);
        assert!(refused.output.contains("error: a server has the data folder"), "{}", refused.output);
        world.end_server("TERM");
        let before = rows(&world);
        for (outcome, least) in
            [("passed", 3), ("failed", 2), ("skipped", 1), ("interrupted", 1), ("cancelled", 1)]
        {
            let runs = format!("SELECT count(*) FROM runs WHERE outcome = '{outcome}'");
            assert!(count(&world, &runs) >= least, "{name}: {outcome}");
        }
        assert!(count(&world, "SELECT count(*) FROM steps") > 10);
        change(
            &world,
            "DELETE FROM jobs WHERE place > 0; UPDATE jobs SET outcome = 'passed', name = 'x', attempt = 9; DELETE FROM steps;
             DROP TRIGGER runs_end;
             UPDATE runs SET state = 'running', outcome = NULL, reason = 'x', finished_at = 1, started_at = started_at + 1,
                             attempt = 7, applied_seq = 0
             WHERE applied_seq > 0",
        );
        assert_ne!(rows(&world), before);
        let said = quire(&world, &["doctor", "--reindex"]);
        assert!(said.starts_with("indexed from their journals: "), "{said}");
        assert_rows(&world, &before);
        quire(&world, &["doctor", "--reindex"]);
        assert_rows(&world, &before);
    }
}

#[test]
fn a_damaged_journal_is_named_and_its_rows_stay() {
    let mut world = served("0.1.0");
    world.end_server("TERM");
    let journal = |run: &str| {
        let (repo, number) = run.split_once('#').unwrap();
        world.path().join(format!("data/runs/{repo}.git/{number}/journal.ndjson"))
    };
    let whole = fs::read_to_string(journal("old#2")).unwrap();
    let half = whole.lines().count() / 2;
    let cut: Vec<&str> = whole.lines().take(half).collect();
    fs::write(journal("old#1"), "\u{1}garbage\n{\n").unwrap();
    fs::write(journal("old#2"), format!("{}\n", cut.join("\n"))).unwrap();
    fs::remove_file(journal("old#4")).unwrap();
    fs::copy(journal("old#7"), journal("old#5")).unwrap();
    fs::write(journal("old#6"), "{\"v\":99}\n").unwrap();
    // Nothing of these is known but what their rows say.
    change(&world, "UPDATE runs SET applied_seq = 0 WHERE seq = 1");
    let before = rows(&world);
    let ended = world.run(world.command("quire").args(["doctor", "--reindex"]));
    assert_eq!(ended.exit, 1, "{}", ended.output);
    for (run, said) in [
        ("old#1", "is damaged: it has 0 records of at least 1"),
        ("old#2", "is damaged: it has"),
        ("old#4", "is damaged: it has 0 records of at least"),
        ("old#5", "is the journal of another run"),
        ("old#6", "has version 99"),
    ] {
        let lines = ended.output.lines().filter(|line| line.starts_with(&format!("error: {run}: ")));
        let lines: Vec<&str> = lines.collect();
        assert!(lines.len() == 1 && lines[0].contains(said), "{run}: {}", ended.output);
        assert!(lines[0].ends_with("its rows are unchanged"), "{}", lines[0]);
    }
    assert_rows(&world, &before);
}
