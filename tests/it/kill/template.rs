//! The template of runners: what it has, and that runs need neither it nor the server that started it.

use std::fs;
use std::path::Path;

use quire::sys::process::{self, Pid};
use rustix::process::{Signal, kill_process};

use super::forge::{Forge, is_alive};
use super::wait::{until, until_true};

/// The template: the one child of the server.
fn template(forge: &Forge) -> Pid {
    let server = Pid::from_raw(i32::try_from(forge.server_pid()).unwrap()).unwrap();
    let is_runner =
        |pid: &Pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == b"quire\0runner\0");
    until("the template waits alone", || match process::children(server)[..] {
        [only] => Some(only).filter(is_runner),
        _ => None,
    })
}

fn is_socket_or_null(to: &Path) -> bool {
    to == Path::new("/dev/null") || to.to_str().is_some_and(|to| to.starts_with("socket:"))
}

fn push(forge: &Forge, number: u64) {
    forge.push(&format!("HEAD:refs/heads/b{number}")).go().accepted();
}

#[test]
fn a_template_has_one_thread_and_no_descriptor_but_sockets() {
    let mut forge = Forge::new("{}", "true");
    forge.start();
    let template = template(&forge);
    assert_eq!(fs::read_dir(format!("/proc/{template}/task")).unwrap().count(), 1);
    push(&forge, 1);
    assert_eq!(forge.outcome(1), "passed");
    let mut opened: Vec<_> = fs::read_dir(format!("/proc/{template}/fd"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !["0", "1", "2"].iter().any(|number| path.ends_with(number)))
        .map(|path| fs::read_link(path).unwrap())
        .collect();
    opened.retain(|to| !is_socket_or_null(to));
    assert!(opened.is_empty(), "{opened:?}");
    for number in ["0", "1"] {
        let to = fs::read_link(format!("/proc/{template}/fd/{number}")).unwrap();
        assert!(is_socket_or_null(&to), "{to:?}");
    }
    let environment = fs::read(format!("/proc/{template}/environ")).unwrap();
    assert!(environment.is_empty());
}

#[test]
fn a_run_starts_without_a_template_and_with_one_that_does_not_answer() {
    let mut forge = Forge::new("{}", "true");
    forge.start();
    let first = template(&forge);
    kill_process(first, Signal::KILL).unwrap();
    push(&forge, 1);
    assert_eq!(forge.outcome(1), "passed");
    let second = template(&forge);
    assert_ne!(first, second);
    kill_process(second, Signal::STOP).unwrap();
    push(&forge, 2);
    assert_eq!(forge.outcome(2), "passed");
    until_true("the stopped template is gone", || !is_alive(Pid::as_raw(Some(second))));
    template(&forge);
    push(&forge, 3);
    assert_eq!(forge.outcome(3), "passed");
}

#[test]
fn a_run_outlives_the_template_and_the_server() {
    let mut forge = Forge::new("{}", "true");
    let gate = forge.path("gate");
    forge.commit(&format!("until [ -e {} ]; do sleep 0.01; done", gate.display()));
    forge.start();
    let template = template(&forge);
    push(&forge, 1);
    let runner = forge.runner_of(1);
    assert_ne!(runner, template);
    kill_process(template, Signal::KILL).unwrap();
    forge.kill_server();
    assert!(is_alive(Pid::as_raw(Some(runner))));
    fs::write(gate, "").unwrap();
    until_true("the runner has ended", || !is_alive(Pid::as_raw(Some(runner))));
    forge.start();
    assert_eq!(forge.outcome(1), "passed");
}

#[test]
fn copies_of_one_template_have_seeds_of_their_own() {
    let mut forge = Forge::new("{}", "true");
    let numbers = forge.path("numbers");
    let pipeline = format!(
        "(local ci (require :quire.ci))\n(ci:job :work [:quire/push] (fn [] (sh (.. \"echo \" (math.random 1 1000000000) \" >>{}\"))))\n",
        numbers.display()
    );
    forge.commit_pipeline(&pipeline);
    forge.start();
    template(&forge);
    let refspecs: Vec<String> = (1..=4).map(|number| format!("HEAD:refs/heads/b{number}")).collect();
    forge.push_all(&refspecs).go().accepted();
    (1..=4).for_each(|number| assert_eq!(forge.outcome(number), "passed"));
    let text = fs::read_to_string(numbers).unwrap();
    let mut seen: Vec<&str> = text.lines().collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4, "{text}");
}
