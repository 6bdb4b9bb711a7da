//! Who pushes and reads nothing of what the hook writes, or is killed meanwhile: no hook is left, and the run is what it is.

use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use super::sshd::{Asks, Place};

const RULES: &str = r#"{:access [{:user "ada" :repos ["*"] :may :admin}]}"#;

/// A job that writes far more than all pipes and sockets on the way hold, and then waits for a file.
const COMMIT: &str = "git init -q work && cd work && mkdir .quire && \
    printf '%s' \"(local ci (require :quire.ci)) (ci:job :t [:quire/push] \
      (fn [] (sh \\\"yes 'a line that many lines are like' | head -n 600000; \
                  while [ ! -e $T/gate ] && [ -d $T/data ]; do sleep 0.05; done\\\")))\" >.quire/ci.fnl && \
    git add -A && git commit -qm first";

/// A push that reads nothing, in a group of processes of its own.
fn push(place: &Place, to: &str) -> Child {
    let mut push = place.shell_of("ada");
    push.arg("-c").arg(format!("cd work && exec git push -o ci.log {to} HEAD:main"));
    push.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    push.spawn().unwrap()
}

/// The hooks that run.
fn hooks(place: &Place) -> Vec<String> {
    let is_hook = |process: &String| {
        let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains("post-receive")
    };
    place.world.processes().into_iter().filter(is_hook).collect()
}

/// Pushes to this address; `is_killed` says whether the client is killed, or only reads nothing.
fn nothing_is_left(to: &str, is_killed: bool) {
    if !Place::is_possible() {
        return;
    }
    let place = Place::new(RULES, &Asks::ForKeys);
    place.shell("quire repo new site; quire user add ada; quire key add ada ssh/ada.pub");
    place.by("ada", COMMIT);
    let mut client = push(&place, to);
    let begun = place.world.eventually(|_| !hooks(&place).is_empty());
    let log = place.world.path().join("data/runs/site.git/1/log/t/1.log");
    let has_written = place.world.eventually(|_| log.metadata().is_ok_and(|log| log.len() > 20_000_000));
    assert!(begun && has_written, "{}", place.world.serve_log());
    let group = Pid::from_child(&client);
    if is_killed {
        kill_process_group(group, Signal::KILL).unwrap();
    }
    assert!(place.world.eventually(|_| hooks(&place).is_empty()), "{:?}", place.world.processes());
    // Nothing that it does stops the run.
    assert!(place.shell("quire show site#1 --json").contains("\"state\": \"running\""));
    place.shell("touch gate");
    assert!(place.shell("quire wait site#1").contains("site#1 passed"));
    if !is_killed {
        kill_process_group(group, Signal::KILL).unwrap();
    }
    client.wait().unwrap();
}

#[test]
fn a_client_over_ssh_that_reads_nothing_holds_no_hook() {
    nothing_is_left("$HOST/site", false);
}

#[test]
fn a_client_over_ssh_that_is_killed_holds_no_hook() {
    nothing_is_left("$HOST/site", true);
}

#[test]
fn a_client_by_path_that_reads_nothing_holds_no_hook() {
    nothing_is_left("$T/data/repos/site.git", false);
}

#[test]
fn a_client_by_path_that_is_killed_holds_no_hook() {
    nothing_is_left("$T/data/repos/site.git", true);
}
