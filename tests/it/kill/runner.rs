//! The runner is killed, with and without its server.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use super::forge::{Forge, QUIRE, is_alive, kill};
use super::wait::{until, until_true};

/// What a step of the server's account can write into the journal of its run.
const FORGED_END: &str =
    r#"{"v":1,"t":"2026-11-29T20:33:27.304Z","fact":{"kind":"run-ended","outcome":"passed","reason":null}}"#;

/// Three processes that want to stay: the step, its child in the background, and one in a session of its own.
fn clinging(forge: &Forge) -> String {
    let pids = forge.path("pids");
    format!(
        "echo $$ >>{0}; sleep 300 & echo $! >>{0}; setsid sh -c 'trap \"\" TERM HUP; echo $$ >>{0}; sleep 300; sleep 300' & sleep 300",
        pids.display()
    )
}

/// The processes of [`clinging`], once they are all there.
fn clingers(forge: &Forge) -> Vec<i32> {
    until("the step has started its processes", || {
        let text = fs::read_to_string(forge.path("pids")).ok()?;
        let pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        (pids.len() == 3).then_some(pids)
    })
}

fn assert_gone(pids: &[i32]) {
    until_true("nothing of the run is left", || pids.iter().all(|pid| !is_alive(*pid)));
}

#[test]
fn a_run_whose_runner_is_killed_is_interrupted_and_nothing_is_left() {
    let mut forge = Forge::new("{}", "true");
    forge.commit(&clinging(&forge));
    forge.start();
    forge.push("HEAD:refs/heads/main").go().accepted();
    let pids = clingers(&forge);
    kill(forge.runner_of(1));
    assert_eq!(forge.outcome(1), "interrupted");
    assert_gone(&pids);
    assert!(!forge.path("data/runs/foo.git/1/work").exists());
    // The queue continues.
    forge.commit("true");
    forge.push("HEAD:refs/heads/main").go().accepted();
    assert_eq!(forge.outcome(2), "passed");
}

/// What a step of the server's account can do to get away from its run.
#[test]
fn a_forged_end_and_a_killed_runner_leave_nothing_of_the_run() {
    let mut forge = Forge::new("{}", "true");
    forge.commit(&clinging(&forge));
    forge.start();
    forge.push("HEAD:refs/heads/main").go().accepted();
    let (pids, runner) = (clingers(&forge), forge.runner_of(1));
    let journal = forge.path("data/runs/foo.git/1/journal.ndjson");
    fs::OpenOptions::new()
        .append(true)
        .open(&journal)
        .unwrap()
        .write_all(format!("{FORGED_END}\n").as_bytes())
        .unwrap();
    let shown = forge.quire(["show", "foo#1"]);
    assert!(shown.starts_with("run foo#1: running\n"), "{shown}");
    kill(runner);
    assert_eq!(forge.outcome(1), "interrupted");
    assert_gone(&pids);
    let work = forge.path("data/runs/foo.git/1/work");
    until_true("the workspace is removed", || !work.exists());
}

/// Without a server the end counts once the runner is gone, and who follows the run hears of it.
#[test]
fn without_a_server_a_run_has_ended_when_its_runner_is_gone() {
    let mut forge = Forge::new("{}", "true");
    let (go, begun) = (forge.path("go"), forge.path("begun"));
    forge.commit(&format!(
        "touch {}; until test -e {}; do sleep 0.01; done; echo over",
        begun.display(),
        go.display()
    ));
    forge.start();
    forge.push("HEAD:refs/heads/main").go().accepted();
    until_true("the step has begun", || begun.exists());
    forge.kill_server();
    let mut logs = forge.command(QUIRE);
    logs.arg("--data").arg(forge.path("data")).args(["logs", "-f", "foo#1"]).stdout(Stdio::piped());
    let logs = logs.spawn().unwrap();
    let journal = forge.path("data/runs/foo.git/1/journal.ndjson");
    fs::OpenOptions::new()
        .append(true)
        .open(&journal)
        .unwrap()
        .write_all(format!("{FORGED_END}\n").as_bytes())
        .unwrap();
    let run = forge.run(1).unwrap();
    assert_eq!((&run["state"], run["outcome"].as_str()), (&"running".into(), None), "{run}");
    fs::write(go, "").unwrap();
    let output = logs.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("over"), "{output:?}");
    let run = forge.run(1).unwrap();
    assert_eq!((&run["state"], run["outcome"].as_str()), (&"finished".into(), Some("failed")), "{run}");
    assert!(run["reason"]["text"].as_str().unwrap().contains("another process has written"), "{run}");
}

#[test]
fn a_run_whose_server_and_runner_are_killed_is_interrupted_and_nothing_is_left() {
    for runner_first in [false, true] {
        let mut forge = Forge::new("{}", "true");
        forge.commit(&clinging(&forge));
        forge.start();
        forge.push("HEAD:refs/heads/main").go().accepted();
        let (pids, runner) = (clingers(&forge), forge.runner_of(1));
        if runner_first {
            // The server may or may not get to it: both must end the same.
            kill(runner);
            forge.kill_server();
        } else {
            forge.kill_server();
            kill(runner);
        }
        forge.start();
        assert_eq!(forge.outcome(1), "interrupted");
        assert_gone(&pids);
        assert_eq!(forge.runs().len(), 1);
    }
}

/// One run holds the only slot; the runner of the next is evaluated and waits.
fn with_a_waiting_runner() -> Forge {
    let mut forge = Forge::new("{:limits {:runs 1}}", "true");
    let waits = format!(
        "while [ ! -e {} ] && [ -d {} ]; do sleep 0.02; done",
        forge.path("gate").display(),
        forge.path("").display()
    );
    forge.commit(&waits);
    forge.start();
    forge.push("HEAD:refs/heads/one").go().accepted();
    until_true("the first run has begun", || forge.run(1).is_some_and(|run| run["state"] == "running"));
    forge.commit(&format!("echo x >>{}", forge.path("marks").display()));
    forge.push("HEAD:refs/heads/two").go().accepted();
    forge
}

#[test]
fn a_runner_that_is_killed_before_its_first_job_leaves_an_interrupted_run() {
    let forge = with_a_waiting_runner();
    kill(forge.runner_of(2));
    assert_eq!(forge.outcome(2), "interrupted");
    fs::write(forge.path("gate"), "").unwrap();
    assert_eq!(forge.outcome(1), "passed");
    assert!(!forge.path("marks").exists());
    // Its slot is not lost.
    forge.push("HEAD:refs/heads/three").go().accepted();
    assert_eq!(forge.outcome(3), "passed");
}

#[test]
fn a_run_that_had_not_begun_when_server_and_runner_died_runs_once() {
    let mut forge = with_a_waiting_runner();
    let runner = forge.runner_of(2);
    forge.kill_server();
    kill(runner);
    forge.start();
    fs::write(forge.path("gate"), "").unwrap();
    assert_eq!((forge.outcome(1).as_str(), forge.outcome(2).as_str()), ("passed", "passed"));
    assert_eq!(fs::read_to_string(forge.path("marks")).unwrap(), "x\n");
}

/// Runners killed at any moment of their start: each run ends once, none stays, and The queue continues.
#[test]
fn runners_killed_while_they_start() {
    let mut forge = Forge::new("{}", "true");
    forge.start();
    for number in 1..=20_u64 {
        let pushing = forge.push(&format!("HEAD:refs/heads/b{number}"));
        let mut client = pushing.command().stderr(std::process::Stdio::null()).spawn().unwrap();
        let runner = forge.runner_of_or_end(number);
        if let Some(runner) = runner {
            let _gone = rustix::process::kill_process(runner, rustix::process::Signal::KILL).is_err();
        }
        assert!(client.wait().unwrap().success());
        let outcome = forge.outcome(number);
        assert!(["interrupted", "passed"].contains(&outcome.as_str()), "{outcome}");
    }
    forge.settle();
}
