//! What is prepared while git moves a ref becomes the run, or nothing.

use std::fs;
use std::path::PathBuf;

use quire::sys::process::{self, Pid};

use super::forge::{Forge, kill};
use super::wait::{until, until_true};

/// Between the two hooks, waits until the commit is checked out, notes where, and then ends as `rest` says.
fn between_the_hooks(forge: &Forge, rest: &str) {
    for hook in ["pre-receive", "post-receive"] {
        forge.wrap_hook(hook, "\"$QUIRE_HOOK\"");
    }
    let (ahead, place) = (forge.path("data/ahead"), forge.path("place"));
    let script = format!(
        "until set -- {}/*/files/.quire/ci.fnl && [ -e \"$1\" ]; do sleep 0.01; done\n\
         stat -c %i \"${{1%/.quire/ci.fnl}}\" >{}\n{rest}\n",
        ahead.display(),
        place.display()
    );
    forge.wrap_hook("update", &script);
}

fn forge() -> (Forge, PathBuf) {
    let forge = Forge::new("{}", "true");
    let seen = forge.path("seen");
    forge.commit(&format!("stat -c %i . >>{}; ls -A >>{}", seen.display(), seen.display()));
    (forge, seen)
}

fn children(forge: &Forge) -> Vec<Pid> {
    let server = Pid::from_raw(i32::try_from(forge.server_pid()).unwrap()).unwrap();
    process::children(server)
}

fn expect_nothing_prepared(forge: &Forge) {
    until_true("nothing is left of what was prepared", || {
        fs::read_dir(forge.path("data/ahead")).is_ok_and(|mut entries| entries.next().is_none())
    });
}

#[test]
fn what_was_checked_out_while_the_ref_moved_is_what_the_run_has() {
    let (mut forge, seen) = forge();
    between_the_hooks(&forge, "");
    forge.start();
    until_true("the template waits", || children(&forge).len() == 1);
    forge.push("HEAD:refs/heads/main").go().accepted();
    assert_eq!(forge.outcome(1), "passed");
    let place = fs::read_to_string(forge.path("place")).unwrap();
    assert_eq!(fs::read_to_string(seen).unwrap(), format!("{place}.quire\n"));
    expect_nothing_prepared(&forge);
}

#[test]
fn a_push_that_git_refuses_leaves_nothing_of_what_was_prepared() {
    let (mut forge, seen) = forge();
    between_the_hooks(&forge, "exit 1");
    forge.start();
    until_true("the template waits", || children(&forge).len() == 1);
    assert!(!forge.push("HEAD:refs/heads/main").go().is_accepted);
    expect_nothing_prepared(&forge);
    until_true("its runner has ended", || children(&forge).len() == 1);
    assert!(forge.runs().is_empty() && !seen.exists() && !forge.path("data/runs/foo.git/1").exists());
}

#[test]
fn a_run_does_without_what_was_prepared_when_its_runner_or_the_server_was_killed() {
    let (mut forge, seen) = forge();
    let gate = forge.path("gate");
    between_the_hooks(&forge, &format!("until [ -e {} ]; do sleep 0.01; done", gate.display()));
    forge.start();
    until("the template waits", || children(&forge).first().copied());
    for (number, is_server) in [(1, false), (2, true)] {
        let before = children(&forge);
        let mut push = forge.push(&format!("HEAD:refs/heads/b{number}")).command().spawn().unwrap();
        until_true("the commit is checked out", || forge.path("place").exists());
        if is_server {
            forge.kill_server();
        } else {
            let preparing = children(&forge).into_iter().find(|child| !before.contains(child));
            kill(preparing.unwrap());
        }
        fs::write(&gate, "").unwrap();
        assert!(push.wait().unwrap().success());
        if is_server {
            forge.start();
        }
        assert_eq!(forge.outcome(number), "passed");
        assert_eq!(fs::read_to_string(&seen).unwrap().lines().count() as u64, 2 * number);
        expect_nothing_prepared(&forge);
        fs::remove_file(&gate).unwrap();
        fs::remove_file(forge.path("place")).unwrap();
    }
}

#[test]
fn one_of_two_pushes_at_the_same_time_is_prepared_and_both_run() {
    let (mut forge, seen) = forge();
    let gate = forge.path("gate");
    between_the_hooks(&forge, &format!("until [ -e {} ]; do sleep 0.01; done", gate.display()));
    forge.start();
    until_true("the template waits", || children(&forge).len() == 1);
    let pushes = [1, 2].map(|number| {
        let push = forge.push(&format!("HEAD:refs/heads/b{number}")).command().spawn().unwrap();
        until_true("the commit is checked out", || forge.path("place").exists());
        push
    });
    fs::write(&gate, "").unwrap();
    for mut push in pushes {
        assert!(push.wait().unwrap().success());
    }
    [1, 2].iter().for_each(|number| assert_eq!(forge.outcome(*number), "passed"));
    let place = fs::read_to_string(forge.path("place")).unwrap();
    // The second may get the number of a folder that the first has left.
    assert!(fs::read_to_string(seen).unwrap().contains(&place), "{place}");
    expect_nothing_prepared(&forge);
}
