//! How `quire ci run` ends when it is stopped, killed, or not alone: with nothing left behind.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::place::Place;

/// How long a fact that has to come may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A pipeline with one step that writes its process id and continues until the file `go` is there.
fn waiting(before: &str) -> String {
    format!(
        "(local ci (require :quire.ci))
         (ci:job :wait [:quire/push]
           (fn [{{: sh}}] (sh \"{before} echo $$ > $HOME/pid.new; mv $HOME/pid.new $HOME/pid;
                              until [ -e $HOME/go ]; do sleep 0.02; done\")))"
    )
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A run that continues.
struct Going {
    quire: Child,
    step: Pid,
}

impl Going {
    fn start(place: &Place, before: &[&str]) -> Self {
        let args = [before, &[env!("CARGO_BIN_EXE_quire"), "ci", "run"]].concat();
        let mut command = place.command(args[0], &args[1..]);
        let quire = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let step = wait_for("the step", || fs::read_to_string(place.path("home/pid")).ok());
        Self { quire, step: Pid::from_raw(step.trim().parse().unwrap()).unwrap() }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.quire), signal).unwrap();
    }

    fn exit(&mut self) -> i32 {
        let status = wait_for("the end of quire", || self.quire.try_wait().unwrap());
        status.code().unwrap_or_else(|| -status.signal().unwrap())
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _gone = self.quire.kill().and_then(|()| self.quire.wait()).is_err();
    }
}

fn run_dir(place: &Place, number: u32) -> PathBuf {
    place.path(&format!("home/.cache/quire/ci/run-{number}"))
}

/// Whether a process continues; one that has ended may still wait for whoever reaps it.
fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Nothing is left of a run but its record, whose last fact holds this word.
fn assert_nothing_left(place: &Place, step: Pid, outcome: &str) {
    assert!(!is_alive(step), "the step goes on");
    let mut left: Vec<_> = fs::read_dir(run_dir(place, 1))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(left, ["journal.ndjson", "log", "run.json"]);
    let journal = fs::read_to_string(run_dir(place, 1).join("journal.ndjson")).unwrap();
    assert!(journal.lines().last().unwrap().contains(outcome), "{journal}");
}

#[test]
fn every_signal_that_asks_to_end_ends_the_run_and_its_steps() {
    for (signal, exit) in [(Signal::HUP, 129), (Signal::INT, 130), (Signal::QUIT, 131), (Signal::TERM, 143)] {
        let place = Place::new(&waiting(""), &[], None);
        let mut going = Going::start(&place, &[]);
        going.signal(signal);
        assert_eq!(going.exit(), exit);
        assert_nothing_left(&place, going.step, "\"cancelled\"");
    }
}

#[test]
fn a_second_signal_ends_a_step_that_ignores_the_first() {
    let place = Place::new(&waiting("trap '' TERM INT HUP;"), &[], None);
    let mut going = Going::start(&place, &[]);
    going.signal(Signal::INT);
    let journal = run_dir(&place, 1).join("journal.ndjson");
    wait_for("the stop", || fs::read_to_string(&journal).unwrap().contains("stop-asked").then_some(()));
    let asked = Instant::now();
    going.signal(Signal::TERM);
    assert_eq!(going.exit(), 130);
    assert!(asked.elapsed() < Duration::from_secs(8), "the step had its whole grace");
    assert_nothing_left(&place, going.step, "\"cancelled\"");
}

#[test]
fn a_signal_that_was_ignored_from_the_start_stays_ignored() {
    let place = Place::new(&waiting(""), &[], None);
    let mut going = Going::start(&place, &["sh", "-c", "trap '' HUP; exec \"$@\"", "nohup"]);
    going.signal(Signal::HUP);
    fs::write(place.path("home/go"), "").unwrap();
    assert_eq!(going.exit(), 0);
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_one() {
    let place = Place::new(&waiting(""), &[], None);
    let mut going = Going::start(&place, &[]);
    going.signal(Signal::KILL);
    assert_eq!(going.exit(), -9);
    assert!(run_dir(&place, 1).join("work").exists() && is_alive(going.step));
    fs::write(
        place.path("copy/.quire/ci.fnl"),
        "(local ci (require :quire.ci))
        (ci:job :a [:quire/push] (fn [{: sh}] (sh [:true])))",
    )
    .unwrap();
    let output = place.quire(&["ci", "run"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_nothing_left(&place, going.step, "\"interrupted\"");
}

#[test]
fn a_folder_that_never_became_a_run_is_removed_and_a_false_number_does_no_harm() {
    let pipeline = "(local ci (require :quire.ci)) (ci:job :a [:quire/push] (fn [] nil))";
    let place = Place::new(pipeline, &[], None);
    let runs = place.path("home/.cache/quire/ci");
    for folder in ["new-x", "run-18446744073709551615"] {
        fs::create_dir_all(runs.join(folder)).unwrap();
    }
    // A full disk: its mark was not written.
    fs::write(runs.join("new-x/lock"), "").unwrap();
    let output = place.quire(&["ci", "run"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(run_dir(&place, 1).join("run.json").exists());
    assert!(!runs.join("new-x").exists());
}

#[test]
fn a_run_that_continues_and_its_copy_are_left_alone() {
    let place = Place::new(&waiting(""), &[], None);
    let mut going = Going::start(&place, &[]);
    // Its lock is held by nobody, and its mark is that of the run.
    fs::create_dir(run_dir(&place, 7)).unwrap();
    for file in ["lock", "run.json", "journal.ndjson"] {
        fs::copy(run_dir(&place, 1).join(file), run_dir(&place, 7).join(file)).unwrap();
    }
    let other = place.path("copy/.quire/ci.fnl");
    fs::write(other, "(local ci (require :quire.ci)) (ci:job :a [:quire/push] (fn [{: sh}] (sh [:true])))")
        .unwrap();
    assert_eq!(place.quire(&["ci", "run"]).status.code(), Some(0));
    assert!(run_dir(&place, 1).join("work").exists());
    fs::write(place.path("home/go"), "").unwrap();
    assert_eq!(going.exit(), 0);
    assert_nothing_left(&place, going.step, "\"passed\"");
}

#[test]
fn runs_that_are_started_together_all_pass() {
    let pipeline =
        "(local ci (require :quire.ci)) (ci:job :a [:quire/push] (fn [{: sh}] (sh [:test :-e :x])))";
    let place = Place::new(pipeline, &[("x".to_owned(), "1".to_owned())], None);
    let start = || {
        place
            .command(env!("CARGO_BIN_EXE_quire"), &["ci", "run"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    };
    let runs: Vec<_> = (0..8).map(|_| start().unwrap()).collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    for number in 1..=8 {
        let journal = fs::read_to_string(run_dir(&place, number).join("journal.ndjson")).unwrap();
        assert!(journal.lines().last().unwrap().contains("\"passed\""), "{journal}");
    }
}
