//! The server is killed while pushes continue.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::forge::{Forge, Push, me};
use super::wait::until_true;

/// How many pushes are made while the server dies again and again.
const PUSHES: usize = 40;

/// Where the kills fall; printed by a test that fails. `QUIRE_SEED` chooses others.
fn seed() -> u64 {
    std::env::var("QUIRE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121)
}

/// The next number of a small generator (xorshift64).
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn no_push_is_lost_or_doubled_while_the_server_dies_again_and_again() {
    let mut state = seed();
    eprintln!("seed {state}");
    let mut forge = Forge::new("{}", "true");
    let commits = [forge.head(), forge.commit("true"), forge.commit("true")];
    // A third each: branches of their own, one branch to and fro, and branches whose run is run.
    let plan: Vec<(String, String, Vec<String>)> = (0..PUSHES)
        .map(|n| {
            let value = commits[n % commits.len()].clone();
            let note = format!("n={n}");
            match n % 3 {
                0 => (format!("refs/heads/own{n}"), value, vec!["ci.skip".to_owned(), note]),
                1 => ("refs/heads/busy".to_owned(), commits[n % 2].clone(), vec!["ci.skip".to_owned(), note]),
                _ => (format!("refs/heads/run{n}"), value, vec![note]),
            }
        })
        .collect();
    let pushes: Vec<Push> = plan
        .iter()
        .map(|(branch, value, options)| {
            let push = forge.push(&format!("{value}:{branch}")).force();
            options.iter().fold(push, |push, option| push.option(option))
        })
        .collect();
    forge.start();
    let is_done = AtomicBool::new(false);
    let kills = std::thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            pushes.into_iter().for_each(|push| drop(push.go().accepted()));
            is_done.store(true, Ordering::SeqCst);
        });
        let mut kills = 0;
        while !is_done.load(Ordering::SeqCst) && !pushing.is_finished() {
            // The point of the kill is a time on purpose: it falls anywhere in the work of the server.
            std::thread::sleep(Duration::from_millis(next(&mut state) % 90));
            forge.kill_server();
            std::thread::sleep(Duration::from_millis(next(&mut state) % 30));
            forge.start();
            kills += 1;
        }
        kills
    });
    forge.settle();
    eprintln!("{kills} kills in {PUSHES} pushes");
    assert!(kills >= 3);
    let branches: BTreeSet<&String> = plan.iter().map(|(branch, _, _)| branch).collect();
    for branch in branches {
        let expected: Vec<_> = plan.iter().filter(|(other, _, _)| other == branch).collect();
        let updates = forge.updates(branch);
        assert_eq!(updates.len(), expected.len(), "{branch}: {updates:#?}");
        for (update, (_, value, options)) in updates.iter().zip(expected) {
            assert_eq!(
                (&update.new, update.options.as_ref(), update.runs),
                (value, Some(options), 1),
                "{branch}"
            );
            assert_eq!(update.pusher, me(), "{branch}");
        }
    }
    for run in forge.runs().iter().filter(|run| run["ref"].as_str().unwrap().starts_with("refs/heads/run")) {
        assert_eq!(run["outcome"], "passed", "{run}");
    }
}

/// The server dies between the intent and the ref's move (git runs `update` there), or before the report.
fn killed_by(hook: &str) {
    let mut forge = Forge::new("{}", "true");
    forge.wrap_hook("pre-receive", "exec $QUIRE_HOOK");
    forge.wrap_hook("post-receive", "exec $QUIRE_HOOK");
    let then = if hook == "post-receive" { "exec $QUIRE_HOOK" } else { "exit 0" };
    let waits = "while [ \"$(cut -d' ' -f3 /proc/$SERVER/stat 2>/dev/null)\" != Z ]; do :; done";
    forge.wrap_hook(hook, &format!("[ -n \"$SERVER\" ] && {{ kill -9 $SERVER; {waits}; }}\n{then}"));
    for number in 0..3 {
        forge.start();
        let push = forge.push(&format!("HEAD:refs/heads/b{number}")).option("ci.skip");
        let pushed = push.env("SERVER", forge.server_pid().to_string()).go().accepted();
        assert!(pushed.text.contains("quire is not running"), "{}", pushed.text);
        forge.bury_server();
    }
    forge.start();
    forge.settle();
    for number in 0..3 {
        let updates = forge.updates(&format!("refs/heads/b{number}"));
        assert_eq!(updates.len(), 1, "{updates:#?}");
        assert_eq!((updates[0].options.clone(), updates[0].runs), (Some(vec!["ci.skip".to_owned()]), 1));
        assert_eq!(updates[0].pusher, me());
    }
}

#[test]
fn the_server_killed_between_intent_and_move() {
    killed_by("update");
}

#[test]
fn the_server_killed_between_move_and_report() {
    killed_by("post-receive");
}

/// Runs that wait keep their order, whatever happens to the server.
#[test]
fn ten_queued_runs_keep_their_order_over_five_kills_of_the_server() {
    let mut forge = Forge::new("{:limits {:runs 1}}", "true");
    let (marks, gate, folder) = (forge.path("marks"), forge.path("gate"), forge.path(""));
    let waits =
        format!("while [ ! -e {} ] && [ -d {} ]; do sleep 0.02; done", gate.display(), folder.display());
    forge.start();
    for number in 0..11 {
        forge.commit(&format!("{waits}; echo {number} >>{}; sleep 0.1", marks.display()));
        forge.push(&format!("HEAD:refs/heads/b{number}")).go().accepted();
    }
    let count = || std::fs::read_to_string(&marks).unwrap_or_default().lines().count();
    forge.kill_server();
    forge.start();
    std::fs::write(&gate, "").unwrap();
    for kill in 1..5 {
        until_true("the queue goes on", || count() >= kill * 2);
        forge.kill_server();
        forge.start();
    }
    for number in 1..=11 {
        assert_eq!(forge.outcome(number), "passed", "run {number}");
    }
    let order: Vec<String> = std::fs::read_to_string(&marks).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(order, (0..11).map(|number| number.to_string()).collect::<Vec<_>>());
}

/// A run that takes all it can get does not keep pushes from being answered.
#[test]
fn pushes_are_answered_while_runs_burn_all_processors() {
    let mut forge = Forge::new("{:limits {:runs 2}}", "true");
    let stop = forge.path("stop");
    let burner =
        format!("while [ ! -e {} ] && [ -d {} ]; do :; done", stop.display(), forge.path("").display());
    let all = format!("for i in 1 2 3 4 5 6; do ({burner}) & done; wait");
    forge.commit(&all);
    forge.start();
    forge.push("HEAD:refs/heads/one").go().accepted();
    forge.push("HEAD:refs/heads/two").go().accepted();
    let is_running = |number| forge.run(number).is_some_and(|run| run["state"] == "running");
    until_true("both runs burn", || is_running(1) && is_running(2));
    for number in 3..13 {
        let pushed = forge.push(&format!("HEAD:refs/heads/b{number}")).option("ci.skip").go().accepted();
        assert!(pushed.text.contains(&format!("run {number} ")), "not answered: {}", pushed.text);
    }
    std::fs::write(&stop, "").unwrap();
    assert_eq!((forge.outcome(1).as_str(), forge.outcome(2).as_str()), ("passed", "passed"));
}
