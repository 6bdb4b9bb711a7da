//! Runners that do not listen: stopped, or out of reach. They are killed in time, and nothing runs beside them.

use std::fs;

use rustix::process::{Signal, kill_process};

use super::forge::Forge;
use super::wait::until_true;

/// A step that leaves its number and waits for the gate, or for ever.
fn waiting(forge: &Forge, number: u32) -> String {
    let (marks, gate, folder) = (forge.path("marks"), forge.path("gate"), forge.path(""));
    format!(
        "echo {number} >>{}; while [ ! -e {} ] && [ -d {} ]; do sleep 0.02; done",
        marks.display(),
        gate.display(),
        folder.display()
    )
}

fn marks(forge: &Forge) -> String {
    fs::read_to_string(forge.path("marks")).unwrap_or_default()
}

/// A forge one run of which is in its step.
fn running(config: &str) -> Forge {
    let mut forge = Forge::new(config, "true");
    forge.commit(&waiting(&forge, 1));
    forge.start();
    forge.push("HEAD:refs/heads/main").go().accepted();
    until_true("the first run has begun", || marks(&forge) == "1\n");
    forge
}

#[test]
fn a_stopped_runner_is_killed_when_its_run_is_cancelled() {
    let forge = running("{}");
    kill_process(forge.runner_of(1), Signal::STOP).unwrap();
    forge.cancel(1);
    assert_eq!(forge.outcome(1), "cancelled");
    let run = forge.run(1).unwrap();
    assert!(run["reason"]["text"].as_str().unwrap().contains("did not answer"), "{run}");
}

#[test]
fn a_newer_run_waits_for_a_superseded_one_that_ignores_the_stop() {
    let forge = running("{}");
    kill_process(forge.runner_of(1), Signal::STOP).unwrap();
    forge.commit(&format!("{}; true", waiting(&forge, 2)));
    forge.push("HEAD:refs/heads/main").go().accepted();
    until_true("the newer run begins", || marks(&forge) != "1\n");
    let first = forge.run(1).unwrap();
    assert_eq!((&first["state"], &first["outcome"]), (&"finished".into(), &"superseded".into()), "{first}");
    fs::write(forge.path("gate"), "").unwrap();
    assert_eq!(forge.outcome(2), "passed");
}

/// What a step can do to the socket in its run's folder: remove it, or answer in its place.
#[test]
fn a_run_without_its_socket_or_with_a_false_one_can_be_cancelled() {
    for is_restarted in [false, true] {
        let mut forge = running("{}");
        let socket = forge.path("data/runs/foo.git/1/control.sock");
        fs::remove_file(&socket).unwrap();
        if is_restarted {
            forge.kill_server();
            forge.start();
        }
        let liar = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let answering = std::thread::spawn(move || {
            let (stream, _) = liar.accept()?;
            std::io::Write::write_all(&mut &stream, b"ok\n")
        });
        forge.cancel(1);
        assert_eq!(forge.outcome(1), "cancelled", "restarted: {is_restarted}");
        // Who still waits for somebody to lie to is let go.
        let _ended = std::os::unix::net::UnixStream::connect(&socket).is_ok();
        let _lied = answering.join().is_ok();
    }
}

/// The lock of a run is held, and nobody who leads the run can be found: that run waits alone.
#[test]
fn a_held_lock_without_a_runner_holds_up_no_other_run() {
    let mut forge = running("{:limits {:runs 1}}");
    let lock = forge.path("data/runs/foo.git/1/lock");
    let runner = forge.runner_of(1);
    // The id of a process that is no runner, and one of none.
    for pid in [std::process::id(), 1 << 30] {
        fs::write(&lock, format!("{pid}\n")).unwrap();
        forge.kill_server();
        forge.start();
        let branch = format!("HEAD:refs/heads/other{pid}");
        forge.commit("true");
        forge.push(&branch).go().accepted();
        let number = forge.runs().len() as u64;
        assert_eq!(forge.outcome(number), "passed");
        assert_eq!(forge.run(1).unwrap()["state"], "running");
    }
    // When it is free, the run is settled.
    super::forge::kill(runner);
    assert_eq!(forge.outcome(1), "interrupted");
}
