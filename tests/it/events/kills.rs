//! Events while server, runner and clients are killed.

use super::{Forge, printed, texts};

/// Ticks for a second and a half.
const TICKS: &str = "for i in $(seq 1 50); do echo tick-$i; sleep 0.03; done";

#[test]
fn every_event_is_read_once_while_the_server_is_killed_again_and_again() {
    let mut forge = Forge::new();
    forge.push_step(TICKS, "");
    let readers =
        ["header", "query", "lines"].map(|how| forge.reader(&["follow", "foo#1", how, "9,3,1000,1"]));
    for tick in ["tick-5", "tick-20", "tick-35"] {
        forge.until_logged(1, tick);
        forge.world.end_server("KILL");
        forge.serve();
    }
    let read = readers.map(printed);
    assert_eq!(forge.outcome(1), "passed");
    let expected: Vec<String> = (1..=50).map(|tick| format!("tick-{tick}")).collect();
    assert_eq!(texts(&read[0]), expected);
    assert!(read.iter().all(|events| *events == read[0]), "{read:#?}");
    forge.world.end_server("TERM");
    forge.serve();
    assert_eq!(printed(forge.reader(&["follow", "foo#1", "lines", "1000"])), read[0]);
}

#[test]
fn a_reader_and_one_who_comes_later_see_the_same_of_a_run_whose_runner_was_killed() {
    let mut forge = Forge::new();
    forge.push_step(&format!("{TICKS}; sleep 60"), "");
    let reader = forge.reader(&["follow", "foo#1", "header", "1000"]);
    forge.until_logged(1, "tick-10");
    let run = forge.world.path().join("data/runs/foo.git/1");
    let runner = std::fs::read_to_string(run.join("lock")).unwrap();
    forge.shell(&format!("kill -9 {}", runner.trim()));
    let read = printed(reader);
    assert_eq!(forge.outcome(1), "interrupted");
    assert!(texts(&read).contains(&"tick-10".to_owned()));
    let kinds: Vec<&str> =
        read.lines().filter_map(|event| event.split("\"kind\":\"").nth(1)?.split('"').next()).collect();
    assert_eq!(kinds[kinds.len() - 3..], ["step.finished", "job.finished", "run.finished"]);
    assert_eq!(printed(forge.reader(&["follow", "foo#1", "lines", "7"])), read);
    forge.world.end_server("KILL");
    forge.serve();
    assert_eq!(printed(forge.reader(&["follow", "foo#1", "query", "1000"])), read);
}

#[test]
fn a_runner_and_its_server_that_die_together_leave_one_sequence() {
    let mut forge = Forge::new();
    forge.push_step(&format!("{TICKS}; sleep 60"), "");
    let reader = forge.reader(&["follow", "foo#1", "query", "1000"]);
    forge.until_logged(1, "tick-10");
    let runner = std::fs::read_to_string(forge.world.path().join("data/runs/foo.git/1/lock")).unwrap();
    forge.world.end_server("KILL");
    forge.shell(&format!("kill -9 {}", runner.trim()));
    forge.serve();
    let read = printed(reader);
    assert!(read.contains("\"outcome\":\"interrupted\""), "{read}");
    assert_eq!(printed(forge.reader(&["follow", "foo#1", "lines", "2,1000"])), read);
}

#[test]
fn each_event_is_read_once_wherever_the_run_is_when_the_server_is_killed() {
    let mut forge = Forge::new();
    std::fs::write(forge.world.path().join("data/config.fnl"), "{:limits {:runs 1}}").unwrap();
    forge.world.end_server("TERM");
    forge.serve();
    let go = forge.world.path().join("go");
    let first = forge.world.path().join("first");
    let first =
        format!("if mkdir {} 2>/dev/null; then cat {}; else {TICKS}; fi", first.display(), go.display());
    forge.shell("mkfifo go");
    forge.push_step(&first, "");
    forge.until_started();
    forge.shell("cd foo && git push -q origin HEAD:other 2>&1");
    let readers = ["header", "lines"].map(|how| forge.reader(&["follow", "foo#2", how, "1,2,1000"]));
    let kill = |forge: &mut Forge| {
        forge.world.end_server("KILL");
        forge.serve();
    };
    kill(&mut forge); // queued
    std::fs::write(&go, "").unwrap();
    let run = forge.world.path().join("data/runs/foo.git/2");
    assert!(forge.world.eventually(|_| run.exists()));
    kill(&mut forge); // starting
    forge.until_logged(2, "tick-5");
    kill(&mut forge); // running
    forge.until_logged(2, "tick-50");
    kill(&mut forge); // ending
    let read = readers.map(printed);
    assert_eq!((forge.outcome(2).as_str(), read[0] == read[1]), ("passed", true), "{read:#?}");
    let expected: Vec<String> = (1..=50).map(|tick| format!("tick-{tick}")).collect();
    assert_eq!(texts(&read[0]), expected);
    let late = forge.reader(&["follow", "foo#2", "query", "1"]);
    kill(&mut forge); // ended
    assert_eq!(printed(late), read[0]);
}
