//! The index of runs cannot be written when a run ends. The journal says that it has, so it is never run again.

use std::fs;
use std::path::Path;

use super::forge::Forge;
use super::wait::until_true;
use crate::containers::full_disk::Disk;

/// A forge in whose repository one run is in the middle of its only step: it has left its mark and waits for the gate.
fn in_the_middle(mut forge: Forge) -> Forge {
    let (marks, gate, folder) = (forge.path("marks"), forge.path("gate"), forge.path(""));
    let command = format!(
        "echo x >>{}; while [ ! -e {} ] && [ -d {} ]; do sleep 0.02; done",
        marks.display(),
        gate.display(),
        folder.display()
    );
    forge.commit(&command);
    forge.start();
    forge.push("HEAD:refs/heads/one").go().accepted();
    until_true("the step has begun", || marks.exists());
    until_true("its start is indexed", || forge.run(1).is_some_and(|run| run["state"] == "running"));
    forge
}

fn count(marks: &Path) -> usize {
    fs::read_to_string(marks).unwrap_or_default().lines().count()
}

/// Another process holds the database for longer than quire waits for it.
fn a_locked_database(is_server_killed: bool) {
    let mut forge = in_the_middle(Forge::new("{}", "true"));
    let other = quire::store::open(&forge.path("data/quire.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    fs::write(forge.path("gate"), "").unwrap();
    until_true("the run has ended", || forge.journal(1).contains("run-ended"));
    // It answers all the while, and says what is wrong.
    until_true("the server says that it is degraded", || {
        let health = forge.health();
        health.contains(" 503 ") && health.contains("the database cannot be written: database is locked")
    });
    if is_server_killed {
        forge.kill_server();
    }
    other.execute_batch("ROLLBACK").unwrap();
    if is_server_killed {
        forge.start();
    }
    until_true("the server is well again", || forge.health().contains(" 200 "));
    forge.push("HEAD:refs/heads/two").go().accepted();
    assert_eq!((forge.outcome(1).as_str(), forge.outcome(2).as_str()), ("passed", "passed"));
    assert_eq!(count(&forge.path("marks")), 2, "each run ran once");
    forge.settle();
}

#[test]
fn a_run_whose_end_could_not_be_indexed_is_not_run_again() {
    a_locked_database(false);
}

#[test]
fn a_run_whose_end_could_not_be_indexed_is_not_run_again_by_the_next_server() {
    a_locked_database(true);
}

/// The index lost the end of a run altogether: its row says that it is still to be run.
#[test]
fn the_journal_is_asked_before_a_queued_run_is_started() {
    let mut forge = in_the_middle(Forge::new("{}", "true"));
    fs::write(forge.path("gate"), "").unwrap();
    assert_eq!(forge.outcome(1), "passed");
    let other = quire::store::open(&forge.path("data/quire.db")).unwrap();
    let lost = "UPDATE runs SET state = 'queued', outcome = NULL, started_at = NULL, finished_at = NULL";
    forge.push("HEAD:refs/heads/two").go().accepted();
    assert_eq!(forge.outcome(2), "passed");
    other.execute_batch(lost).unwrap();
    forge.kill_server();
    forge.start();
    assert_eq!((forge.outcome(1).as_str(), forge.outcome(2).as_str()), ("passed", "passed"));
    assert_eq!(count(&forge.path("marks")), 2, "each run ran once");
}

/// A backup was restored in the wrong order: the folders of later runs are there.
#[test]
fn a_run_has_its_own_verdict_when_an_older_database_gives_its_number_again() {
    let mut forge = Forge::new("{}", "true");
    let (marks, database) = (forge.path("marks"), forge.path("data/quire.db"));
    let sides = ["data/quire.db-wal", "data/quire.db-shm"].map(|side| forge.path(side));
    forge.start();
    forge.push("HEAD:refs/heads/main").go().accepted();
    assert_eq!(forge.outcome(1), "passed");
    let connection = quire::store::open(&database).unwrap();
    connection.execute("VACUUM INTO ?1", [forge.path("backup.db").to_str().unwrap()]).unwrap();
    drop(connection);
    for k in 2..=3 {
        forge.commit(&format!("echo {k} >>{}", marks.display()));
        forge.push("HEAD:refs/heads/main").go().accepted();
        assert_eq!(forge.outcome(k), "passed");
    }
    forge.kill_server();
    sides.iter().for_each(|side| drop(fs::remove_file(side)));
    fs::copy(forge.path("backup.db"), &database).unwrap();
    forge.commit(&format!("echo again >>{}; exit 3", marks.display()));
    forge.start();
    let pushed = forge.push("HEAD:refs/heads/other").option("ci.wait").go().accepted();
    assert!(pushed.text.contains("exit 3 in step 1"), "{}", pushed.text);
    assert!(fs::read_to_string(&marks).unwrap().ends_with("again\n"));
    for run in forge.runs() {
        let (id, number) = (run["id"].as_str().unwrap(), run["number"].as_u64().unwrap());
        assert!(forge.journal(number).contains(id), "run {number} has the folder of another");
    }
    assert!(forge.path("data/runs/foo.git/3.set-aside-1/journal.ndjson").exists());
    assert!(forge.server_log().contains("the database is older than these runs"), "{}", forge.server_log());
}

#[test]
fn a_full_disk_does_not_run_a_step_twice() {
    for is_server_killed in [false, true] {
        let forge = Forge::new("{}", "true");
        let marks = forge.path("marks");
        let Some(disk) = Disk::mount_over(&forge.path("data"), "16m") else { return };
        let mut forge = in_the_middle(forge);
        disk.fill();
        fs::write(forge.path("gate"), "").unwrap();
        until_true("the server notices", || forge.server_log().contains("could not"));
        if is_server_killed {
            forge.kill_server();
        }
        disk.clear();
        if is_server_killed {
            forge.start();
        }
        let outcome = forge.outcome(1);
        assert!(["interrupted", "passed"].contains(&outcome.as_str()), "{outcome}");
        forge.push("HEAD:refs/heads/two").go().accepted();
        assert_eq!(forge.outcome(2), "passed");
        assert_eq!(count(&marks), 2, "each run ran once");
        forge.kill_server();
    }
}

/// What keeps a run from being started has nothing to do with it: it waits, says why, and is started when it can be.
#[test]
fn a_run_that_could_not_be_started_waits_and_is_started_later() {
    let mut forge = Forge::new("{}", "true");
    forge.start();
    let in_the_way = forge.path("data/runs/foo.git");
    fs::write(&in_the_way, "").unwrap();
    forge.push("HEAD:refs/heads/main").go().accepted();
    until_true("it says why it waits", || {
        let run = forge.run(1).unwrap();
        run["state"] == "queued"
            && run["reason"]["text"].as_str().is_some_and(|r| r.contains("could not be started"))
    });
    fs::remove_file(&in_the_way).unwrap();
    assert_eq!(forge.outcome(1), "passed");
    assert!(forge.run(1).unwrap()["reason"].is_null());
}

/// A process that cannot be started keeps all runs waiting, and none of them fails for it.
#[test]
fn runs_wait_while_the_server_has_no_descriptors() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let mut forge = Forge::new("{}", "true");
    forge.start();
    forge.push("HEAD:refs/heads/one").go().accepted();
    assert_eq!(forge.outcome(1), "passed");
    let pid = Pid::from_raw(i32::try_from(forge.server_pid()).unwrap());
    let open = fs::read_dir(format!("/proc/{}/fd", forge.server_pid())).unwrap().count() as u64;
    let before =
        prlimit(pid, Resource::Nofile, Rlimit { current: Some(open), maximum: Some(20_000) }).unwrap();
    // The server cannot even be asked: the push goes to the spool.
    forge.push("HEAD:refs/heads/two").go().accepted();
    prlimit(pid, Resource::Nofile, Rlimit { maximum: Some(20_000), ..before }).unwrap();
    forge.push("HEAD:refs/heads/three").go().accepted();
    assert_eq!((forge.outcome(2).as_str(), forge.outcome(3).as_str()), ("passed", "passed"));
    forge.settle();
}
