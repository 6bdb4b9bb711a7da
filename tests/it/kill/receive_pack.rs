//! The other two processes of a push are killed: git's receive-pack, and the client.

use std::fs;

use super::forge::{Forge, is_alive, me, write_script};
use super::strace::{calls, exec_line, is_full, require_strace, was_killed};
use super::wait::until;

/// The default run tries so many calls at the beginning of receive-pack, where nothing is decided yet.
const EARLY: usize = 8;

/// Kills receive-pack at its calls from the moment when the hook has answered, and at some before.
fn sweep(server_is_up: bool) {
    require_strace();
    let mut forge = Forge::new("{}", "true");
    let script = forge.path("receive-pack");
    write_script(&script, &exec_line("git-receive-pack \"$@\""));
    if server_is_up {
        forge.start();
    }
    let trace = forge.path("trace");
    // The first push brings the objects, which the others have no need of.
    forge.push("HEAD:refs/heads/first").go().accepted();
    pack_refs(&forge);
    let push = forge.push("HEAD:refs/heads/count").receive_pack(&script);
    push.env("TRACE", &trace).go().accepted();
    let calls = calls(&trace);
    // The ref's value is written to its lock file, the line to the log, then the ref is renamed.
    let locked = calls.iter().position(|call| call.text.contains("refs/heads/count.lock")).unwrap();
    let early = locked / EARLY;
    let places = (1..=calls.len()).filter(|k| is_full() || *k + 8 > locked || k % early == 0);
    let places: Vec<usize> = places.collect();
    let (mut accepted, mut killed) = (Vec::new(), 0);
    for k in &places {
        pack_refs(&forge);
        let push = forge.push(&format!("HEAD:refs/heads/k{k}")).receive_pack(&script);
        let _stale = fs::remove_file(&trace).is_err();
        let push = push
            .env("KILL_AT", calls[k - 1].kill_at())
            .env("TRACE", &trace)
            .option("ci.skip")
            .option(&format!("n={k}"));
        accepted.push(push.go().is_accepted);
        killed += usize::from(was_killed(&trace));
    }
    if !server_is_up {
        forge.start();
    }
    forge.settle();
    let refs = forge.refs();
    let moved = |k: &usize| refs.contains_key(&format!("refs/heads/k{k}"));
    let late = places.iter().filter(|k| **k > locked && !moved(k)).count();
    let cut = places.iter().zip(&accepted).filter(|(k, is_accepted)| moved(k) && !**is_accepted).count();
    eprintln!(
        "receive-pack: {killed} killed, {} of {} calls tried, {late} with the ref locked, {cut} with it moved",
        places.len(),
        calls.len()
    );
    assert!(late > 0 && cut > 0 && killed * 10 >= places.len() * 9, "the kills were not where they matter");
    for (k, is_accepted) in places.iter().zip(accepted) {
        let branch = format!("refs/heads/k{k}");
        let updates = forge.updates(&branch);
        let Some(value) = refs.get(&branch) else {
            assert!(!is_accepted && updates.is_empty(), "{branch} has not moved: {updates:?}");
            continue;
        };
        let options = vec!["ci.skip".to_owned(), format!("n={k}")];
        assert_eq!(updates.len(), 1, "{branch}: {updates:?}");
        assert_eq!((&updates[0].new, updates[0].runs), (value, 1), "{branch}");
        assert_eq!(updates[0].options.as_ref(), Some(&options), "{branch}: {updates:?}");
        assert_eq!(updates[0].pusher, me(), "{branch}");
    }
}

/// With packed refs a push has the same calls, however many refs there are.
fn pack_refs(forge: &Forge) {
    let repo = forge.repo();
    forge.git(["-C".as_ref(), repo.as_os_str(), "pack-refs".as_ref(), "--all".as_ref()]);
}

#[test]
fn receive_pack_killed_with_a_server() {
    sweep(true);
}

#[test]
fn receive_pack_killed_without_a_server() {
    sweep(false);
}

/// A receive-pack that is killed between log line and ref leaves a phantom; each retry an equal one.
#[test]
fn phantom_lines_are_no_updates() {
    require_strace();
    let mut forge = Forge::new("{}", "true");
    let script = forge.path("receive-pack");
    let lock = forge.repo().join("refs/heads/dev.lock");
    // As receive-pack writes it: strace compares letter by letter.
    let written = forge.repo().join("./refs/heads/dev.lock");
    let inject = "-e trace=rename -e inject=rename:signal=KILL";
    let line =
        format!("exec strace -D -o /dev/null -P {} {inject} -- git-receive-pack \"$@\"", written.display());
    write_script(&script, &line);
    forge.start();
    forge.push("HEAD:refs/heads/dev").option("n=0").go().accepted();
    let new = forge.commit("true");
    let log = forge.repo().join("logs/refs/heads/dev");
    for retry in 1..=3 {
        let push = forge.push("HEAD:refs/heads/dev").receive_pack(&script).option("n=dead");
        let pushed = push.go();
        assert!(!pushed.is_accepted);
        let lines = fs::read_to_string(&log).unwrap().lines().filter(|line| line.contains(&new)).count();
        assert_eq!(lines, retry, "no phantom line was made: {}", pushed.text);
        fs::remove_file(&lock).unwrap();
        // `dev` is the default branch: git has locked `HEAD` for its log, too.
        fs::remove_file(forge.repo().join("HEAD.lock")).unwrap();
    }
    forge.push("HEAD:refs/heads/dev").option("n=alive").go().accepted();
    forge.settle();
    let updates = forge.updates("refs/heads/dev");
    assert_eq!(updates.len(), 2, "{updates:#?}");
    assert_eq!(updates[1].options, Some(vec!["n=alive".to_owned()]));
}

/// The hook outlives receive-pack, whose child it no longer is when it looks.
#[test]
fn post_receive_that_outlives_receive_pack() {
    for waits in ["", "while kill -0 $parent 2>/dev/null; do :; done\n"] {
        let mut forge = Forge::new("{}", "true");
        forge.wrap_hook("pre-receive", "exec $QUIRE_HOOK");
        // The shell knows its first parent; the hook, which it becomes, asks anew.
        let done = forge.path("done");
        let script = format!(
            "parent=$PPID\ncat >{0}.in\nkill -9 $parent\n{waits}\
             while [ \"$(cut -d' ' -f4 /proc/$$/stat)\" = $parent ]; do :; done\n\
             $QUIRE_HOOK <{0}.in\necho >{0}",
            done.display()
        );
        forge.wrap_hook("post-receive", &script);
        forge.start();
        for number in 0..3 {
            let _stale = fs::remove_file(&done).is_err();
            forge.push(&format!("HEAD:refs/heads/b{number}")).option("ci.skip").go();
            until("the hook has ended", || done.exists().then_some(()));
        }
        forge.wrap_hook("post-receive", "exec $QUIRE_HOOK");
        forge.settle();
        for number in 0..3 {
            let updates = forge.updates(&format!("refs/heads/b{number}"));
            assert_eq!(updates.len(), 1, "{updates:#?}");
            assert_eq!(updates[0].options, Some(vec!["ci.skip".to_owned()]), "{updates:#?}");
        }
    }
}

/// The client is killed the moment its ref has moved.
#[test]
fn a_client_that_is_killed_has_its_run() {
    let mut forge = Forge::new("{}", "true");
    forge.start();
    for number in 0..10 {
        let branch = format!("refs/heads/b{number}");
        let push = forge.push(&format!("HEAD:{branch}")).option("ci.skip").option(&format!("n={number}"));
        let mut command = push.command();
        let mut client = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        let tip = forge.repo().join(&branch);
        // No pause here: the hook lives for milliseconds.
        while !tip.exists() && is_alive(client.id().cast_signed()) {}
        let _gone = client.kill().is_err();
        client.wait().unwrap();
        assert!(tip.exists());
    }
    forge.settle();
    for number in 0..10 {
        let updates = forge.updates(&format!("refs/heads/b{number}"));
        let options = vec!["ci.skip".to_owned(), format!("n={number}")];
        assert_eq!(updates.len(), 1, "{updates:?}");
        assert_eq!((updates[0].options.as_ref(), updates[0].runs), (Some(&options), 1));
    }
}

/// A client that reads nothing of what the hook says, while the run continues.
#[test]
fn a_client_that_leaves_while_it_waits_does_not_stop_the_run() {
    let mut forge = Forge::new("{}", "true");
    let gate = forge.path("gate");
    forge.commit(&format!(
        "while [ ! -e {0} ] && [ -d {1} ]; do sleep 0.05; done",
        gate.display(),
        forge.path("").display()
    ));
    forge.start();
    let mut command = forge.push("HEAD:refs/heads/main").option("ci.wait").command();
    let mut client = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    until("the run has begun", || forge.run(1).filter(|run| run["state"] == "running"));
    client.kill().unwrap();
    client.wait().unwrap();
    fs::write(&gate, "").unwrap();
    assert_eq!(forge.outcome(1), "passed");
}
