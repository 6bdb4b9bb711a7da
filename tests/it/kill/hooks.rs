//! Each hook is killed at each of its system calls.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::forge::{Forge, me};
use super::strace::{calls, exec_line, is_full, require_strace, was_killed};

/// Of the calls before the hook's own work (the loader, the allocator, the standard library), which differ in nothing
/// that a push could see, the default run tries each one out of so many.
const START_STRIDE: usize = 16;

/// A push of a sweep.
struct Tried {
    branch: String,
    options: Vec<String>,
    is_accepted: bool,
}

/// Kills a hook at each of its calls and compares what git did with what quire knows.
fn sweep(hook: &str, server_is_up: bool) {
    require_strace();
    let mut forge = Forge::new("{}", "true");
    forge.wrap_hook("pre-receive", "exec $QUIRE_HOOK");
    forge.wrap_hook("post-receive", "exec $QUIRE_HOOK");
    forge.wrap_hook(hook, &exec_line("$QUIRE_HOOK"));
    if server_is_up {
        forge.start();
    }
    let trace = forge.path("trace");
    // The first push brings the objects and makes the spool, which the others have no need of.
    forge.push("HEAD:refs/heads/first").go().accepted();
    forge.push("HEAD:refs/heads/count").env("TRACE", &trace).go().accepted();
    let calls = calls(&trace);
    let own =
        calls.iter().position(|call| call.text.contains("/proc/self/maps") || call.text.contains("getcwd"));
    let own = own.unwrap_or_else(|| panic!("the hook's own work is not in its trace: {calls:#?}"));
    let mut killed = 0;
    let places = (1..=calls.len()).filter(|k| is_full() || *k > own || k % START_STRIDE == 0);
    let mut tried = Vec::new();
    for k in places {
        let branch = format!("refs/heads/k{k}");
        // Most are not to run, which says at the same time that the options are kept; some are.
        let options: Vec<String> = match k % 10 {
            0 => vec![format!("note={k}")],
            _ => vec!["ci.skip".to_owned(), format!("note={k}")],
        };
        let mut push = forge.push(&format!("HEAD:{branch}")).env("KILL_AT", calls[k - 1].kill_at());
        let _stale = std::fs::remove_file(&trace).is_err();
        push = push.env("TRACE", &trace);
        for option in &options {
            push = push.option(option);
        }
        tried.push(Tried { branch, options, is_accepted: push.go().is_accepted });
        killed += usize::from(was_killed(&trace));
    }
    if !server_is_up {
        forge.start();
    }
    forge.settle();
    eprintln!("{hook}: {killed} killed, {} of {} calls tried, own work from {own}", tried.len(), calls.len());
    // The clock may spare a hook a wait or two; what the process does itself is the same each time.
    assert!(killed + 3 >= tried.len(), "the kills were not where they were meant to be");
    agree(&forge, &tried, hook);
}

/// Every ref that moved has one update and one run, with pusher and options; no other ref has any.
fn agree(forge: &Forge, tried: &[Tried], hook: &str) {
    let refs = forge.refs();
    let runs = forge.runs();
    let accepted = tried.iter().filter(|push| push.is_accepted).count();
    assert!(hook != "post-receive" || accepted == tried.len(), "post-receive has refused a push");
    for Tried { branch, options, is_accepted } in tried {
        let moved = refs.get(branch);
        assert_eq!(*is_accepted, moved.is_some(), "{branch}: what git said is not what it did");
        let updates = forge.updates(branch);
        let seen: Vec<_> = runs.iter().filter(|run| run["ref"] == branch.as_str()).collect();
        let Some(value) = moved else {
            assert!(updates.is_empty() && seen.is_empty(), "{branch} has not moved: {updates:?} {seen:?}");
            continue;
        };
        assert_eq!(updates.len(), 1, "{branch}: {updates:?}");
        assert_eq!(&updates[0].new, value, "{branch}");
        assert_eq!(updates[0].pusher, me(), "{branch}");
        assert_eq!(updates[0].options.as_ref(), Some(options), "{branch}");
        assert_eq!(seen.len(), 1, "{branch}: {seen:?}");
        let outcome = if options.len() == 2 { "skipped" } else { "passed" };
        assert_eq!(seen[0]["outcome"], outcome, "{branch}: {}", seen[0]);
    }
}

#[test]
fn pre_receive_killed_anywhere_with_a_server() {
    sweep("pre-receive", true);
}

#[test]
fn pre_receive_killed_anywhere_without_a_server() {
    sweep("pre-receive", false);
}

#[test]
fn post_receive_killed_anywhere_with_a_server() {
    sweep("post-receive", true);
}

#[test]
fn post_receive_killed_anywhere_without_a_server() {
    sweep("post-receive", false);
}

/// A hook that is killed while the server is at work closes its connection: what has begun is done to its end all the
/// same, or the push would stay open, and its repository unseen, until the next start.
#[test]
fn a_hook_that_is_killed_while_the_server_records_leaves_no_open_push() {
    let mut forge = Forge::new("{}", "true");
    forge.start();
    let (head, repo) = (forge.head(), forge.repo());
    for number in 0..200_u32 {
        // No process has this id: its receive-pack is gone.
        let body = serde_json::json!({
            "v": 1, "push": format!("test-{number}"), "git_dir": repo, "pid": 4_194_999, "started": 1, "boot": "b",
            "pusher": "x", "options": [], "at": "2026-01-01T00:00:00.000Z",
            "updates": [{"ref": format!("refs/heads/b{number}"), "old": "0".repeat(40), "new": head}],
        });
        let body = body.to_string();
        let length = body.len();
        let head = "POST /intents HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length";
        let mut hook = UnixStream::connect(forge.path("data/server.sock")).unwrap();
        hook.write_all(format!("{head}: {length}\r\n\r\n{body}").as_bytes()).unwrap();
        // Somewhere in the server's work, which takes about a millisecond.
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(u64::from(number) * 10) {}
    }
    forge.settle();
    assert_eq!(forge.runs().len(), 1, "only the sentinel has a run");
}

/// A→B→A→B is three updates after the branch is made, each with its own options, whichever hooks survive.
fn there_and_back(server_is_up: bool, post_receive: &str) {
    let mut forge = Forge::new("{}", "true");
    let a = forge.head();
    let b = forge.commit("true");
    forge.wrap_hook("pre-receive", "exec $QUIRE_HOOK");
    forge.wrap_hook("post-receive", post_receive);
    if server_is_up {
        forge.start();
    }
    let values = [&a, &b, &a, &b, &a, &b];
    for (number, value) in values.iter().enumerate() {
        let push = forge.push(&format!("{value}:refs/heads/main")).force().option("ci.skip");
        push.option(&format!("n={number}")).env("N", number.to_string()).go().accepted();
    }
    if !server_is_up {
        forge.start();
    }
    forge.settle();
    let updates = forge.updates("refs/heads/main");
    let found: Vec<_> = updates.iter().map(|update| &update.new).collect();
    assert_eq!(found, values, "{updates:#?}");
    for (number, update) in updates.iter().enumerate() {
        let options = vec!["ci.skip".to_owned(), format!("n={number}")];
        assert_eq!((update.options.as_ref(), update.runs), (Some(&options), 1), "{updates:#?}");
        assert_eq!(update.pusher, me());
    }
}

#[test]
fn there_and_back_with_post_receive_killed() {
    there_and_back(true, "kill -9 $$");
}

#[test]
fn there_and_back_with_every_other_post_receive_killed() {
    there_and_back(true, "case $N in *[024]) kill -9 $$;; esac; exec $QUIRE_HOOK");
}

#[test]
fn there_and_back_without_a_server() {
    there_and_back(false, "kill -9 $$");
}

#[test]
fn there_and_back_without_a_server_and_with_hooks_alive() {
    there_and_back(false, "exec $QUIRE_HOOK");
}
