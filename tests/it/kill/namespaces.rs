//! Pushes from another namespace of process ids, as by an sshd in a container: the server cannot see their receive-pack.

use std::fs;

use super::forge::{Forge, Push, me, write_script};
use super::wait::{until, until_true};

/// A server, and a receive-pack that moves no ref before there is a file `gate`.
fn forge() -> Forge {
    let forge = Forge::new("{:limits {:runs-per-push 2}}", "true");
    forge.wrap_hook("pre-receive", "exec $QUIRE_HOOK");
    forge.wrap_hook("post-receive", "exec $QUIRE_HOOK");
    let wait = format!(
        "while [ ! -e {} ] && [ -d {} ]; do sleep 0.01; done",
        forge.path("gate").display(),
        forge.path("").display()
    );
    forge.wrap_hook("update", &wait);
    // The first process of a namespace is no receive-pack: that of a container is its sshd.
    let inner = "git-receive-pack \"$@\"; exit $?";
    let script = format!("exec unshare --pid --fork --mount-proc sh -c '{inner}' sh \"$@\"");
    write_script(&forge.path("receive-pack"), &script);
    forge
}

fn count(forge: &Forge, sql: &str) -> i64 {
    let connection = quire::store::open_read_only(&forge.path("data/quire.db")).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Pushes, opens the gate when the server knows the push and has looked for its receive-pack, and waits for its end.
fn push_unseen(forge: &Forge, push: Push) {
    let _none = fs::remove_file(forge.path("gate")).is_err();
    let looked = forge.server_log().matches("cannot be seen from here").count();
    let mut client = push.receive_pack(&forge.path("receive-pack")).command();
    let mut client = client.stderr(std::process::Stdio::null()).spawn().unwrap();
    until_true("the server has looked for receive-pack", || {
        forge.server_log().matches("cannot be seen from here").count() > looked
    });
    assert_eq!(count(forge, "SELECT count(*) FROM intents WHERE state = 'dropped'"), 0, "unseen is not dead");
    fs::write(forge.path("gate"), "").unwrap();
    assert!(client.wait().unwrap().success());
}

#[test]
fn a_push_from_another_pid_namespace_keeps_its_pusher_and_its_options() {
    let mut forge = forge();
    forge.start();
    push_unseen(&forge, forge.push("HEAD:refs/heads/main").option("ci.skip").option("n=1"));
    // Its report closes it: nobody sees the end of its receive-pack.
    until_true("the push is closed", || count(&forge, "SELECT count(*) FROM pushes WHERE is_open = 1") == 0);
    let updates = forge.updates("refs/heads/main");
    assert_eq!((updates.len(), updates[0].runs, updates[0].pusher.clone()), (1, 1, me()), "{updates:?}");
    assert_eq!(updates[0].options, Some(vec!["ci.skip".to_owned(), "n=1".to_owned()]));
    // Three branches are more than `:runs-per-push` allows.
    let refspecs = ["a", "b", "c"].map(|branch| format!("HEAD:refs/heads/{branch}"));
    push_unseen(&forge, forge.push_all(&refspecs));
    for number in 2..=4 {
        assert_eq!(forge.outcome(number), "skipped");
    }
}

#[test]
fn a_push_that_nobody_sees_and_that_never_reports_keeps_its_options() {
    let mut forge = forge();
    forge.wrap_hook("post-receive", "kill -9 $$");
    forge.start();
    push_unseen(&forge, forge.push("HEAD:refs/heads/main").option("ci.skip"));
    let updates = until("the move is seen", || {
        Some(forge.updates("refs/heads/main")).filter(|updates| !updates.is_empty())
    });
    assert_eq!((updates.len(), updates[0].runs, updates[0].pusher.clone()), (1, 1, me()), "{updates:?}");
    assert_eq!(updates[0].options, Some(vec!["ci.skip".to_owned()]));
    // Nor does a restart make it dead.
    forge.kill_server();
    forge.start();
    forge.push("HEAD:refs/heads/other").option("ci.skip").go().accepted();
    assert_eq!(forge.updates("refs/heads/main").len(), 1);
}

#[test]
fn refs_that_replace_objects_are_refused() {
    let forge = Forge::new("{}", "true");
    for name in ["refs/replace/0123456789012345678901234567890123456789", "refs/quire/x"] {
        let pushed = forge.push_all(&["HEAD:refs/heads/main".to_owned(), format!("HEAD:{name}")]).go();
        assert!(!pushed.is_accepted && pushed.text.contains("is reserved"), "{}", pushed.text);
    }
    assert!(forge.refs().is_empty());
}
