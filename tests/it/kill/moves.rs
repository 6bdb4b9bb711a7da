//! Which refs are looked at, and how many runs follow when they move without a push, or too often.

use std::fs;

use super::forge::Forge;
use super::wait::until_true;

fn open_pushes(forge: &Forge) -> i64 {
    let connection = quire::store::open_read_only(&forge.path("data/quire.db")).unwrap();
    connection.query_row("SELECT count(*) FROM pushes WHERE is_open = 1", [], |row| row.get(0)).unwrap()
}

/// The outcomes of all runs, newest first.
fn outcomes(forge: &Forge) -> Vec<String> {
    forge.runs().iter().map(|run| run["outcome"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_push_looks_at_no_ref_but_its_own() {
    let mut forge = Forge::new("{}", "true");
    forge.start();
    for branch in ["main", "other"] {
        forge.push(&format!("HEAD:refs/heads/{branch}")).option("ci.skip").go().accepted();
    }
    forge.settle();
    // Whoever looks at it says that its record is damaged.
    let connection = quire::store::open(&forge.path("data/quire.db")).unwrap();
    let damage = "UPDATE refs SET seen = 'damaged' WHERE ref = CAST('refs/heads/other' AS BLOB)";
    assert_eq!(connection.execute(damage, []).unwrap(), 1);
    forge.commit("true");
    forge.push("HEAD:refs/heads/main").option("ci.skip").go().accepted();
    until_true("the push is over", || open_pushes(&forge) == 0);
    assert!(
        !forge.server_log().contains("refs/heads/other could not be looked at"),
        "{}",
        forge.server_log()
    );
    forge.push("HEAD:refs/heads/other").go().accepted();
    until_true("it is looked at", || forge.server_log().contains("refs/heads/other could not be looked at"));
}

#[test]
fn refs_that_move_without_a_push_start_as_many_runs_as_those_of_a_push() {
    let mut forge = Forge::new("{:limits {:runs-per-push 3}}", "true");
    forge.start();
    forge.push("HEAD:refs/heads/main").option("ci.skip").go().accepted();
    let refs: Vec<String> = (0..20).map(|k| format!("+HEAD:refs/heads/b{k:02}")).collect();
    let repo = forge.repo();
    let fetch = [
        "-C".into(),
        repo.display().to_string(),
        "fetch".into(),
        "-q".into(),
        forge.path("work").display().to_string(),
    ];
    forge.git(fetch.into_iter().chain(refs));
    until_true("all are recorded", || forge.runs().len() == 21);
    until_true("all have ended", || outcomes(&forge).iter().all(|outcome| !outcome.is_empty()));
    let outcomes = outcomes(&forge);
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "passed").count(), 3, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "skipped").count(), 18, "{outcomes:?}");
    let why = "more refs than :runs-per-push (3) have moved without a push within a minute";
    assert!(forge.server_log().contains(why), "{}", forge.server_log());
}

#[test]
fn a_ref_that_is_pushed_too_often_has_no_more_runs_and_the_push_says_so() {
    let mut forge = Forge::new("{:limits {:runs-per-minute 2}}", "true");
    forge.start();
    let push = |branch: &str| {
        forge.commit("true");
        forge.push(&format!("HEAD:refs/heads/{branch}")).option("ci.wait").go().accepted().text
    };
    assert!(push("main").contains("passed") && push("main").contains("passed"));
    let third = push("main");
    assert!(third.contains("the ref has had 2 runs within a minute (:limits :runs-per-minute)"), "{third}");
    assert!(push("other").contains("passed"));
}

#[test]
fn a_queued_run_outlives_its_ref_and_a_gc() {
    let mut forge = Forge::new("{:limits {:runs 1}}", "true");
    let gate = forge.path("gate");
    let wait = format!(
        "while [ ! -e {} ] && [ -d {} ]; do sleep 0.02; done",
        gate.display(),
        forge.path("").display()
    );
    forge.start();
    forge.commit(&wait);
    forge.push("HEAD:refs/heads/first").go().accepted();
    until_true("it has the slot", || forge.run(1).is_some_and(|run| run["state"] == "running"));
    let commit = forge.commit("echo alone");
    forge.push("HEAD:refs/heads/second").go().accepted();
    forge.push(":refs/heads/second").go().accepted();
    let repo = forge.repo();
    let git =
        |args: &[&str]| forge.git(["-C", repo.to_str().unwrap()].into_iter().chain(args.iter().copied()));
    git(&["reflog", "expire", "--expire=now", "--all"]);
    git(&["gc", "-q", "--prune=now"]);
    assert_eq!(git(&["cat-file", "-t", commit.trim()]).trim(), "commit");
    fs::write(&gate, "").unwrap();
    assert_eq!((forge.outcome(1).as_str(), forge.outcome(2).as_str()), ("passed", "passed"));
    let kept = repo.join("worktrees");
    until_true("its commit is released", || fs::read_dir(&kept).unwrap().next().is_none());
}

#[test]
fn moves_in_folders_that_cannot_be_watched_are_seen_with_the_next_push() {
    let mut forge = Forge::new("{}", "true");
    let folders = ["refs/heads", "logs/refs/heads"].map(|folder| forge.repo().join(folder));
    folders.iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
    forge.start_with_faults_on(&folders, &["inotify_add_watch:error=ENOSPC"]);
    forge.push("HEAD:refs/heads/main").option("ci.skip").go().accepted();
    until_true("the push is over", || open_pushes(&forge) == 0);
    let repo = forge.repo();
    forge.git(["-C", repo.to_str().unwrap(), "update-ref", "refs/heads/moved", "refs/heads/main"]);
    forge.commit("true");
    forge.push("HEAD:refs/heads/main").option("ci.skip").go().accepted();
    until_true("the move is recorded", || forge.updates("refs/heads/moved").len() == 1);
    assert_eq!(
        forge.server_log().matches("no more folders can be watched").count(),
        1,
        "{}",
        forge.server_log()
    );
}

/// A push that git refuses is named in the log with what it did not move.
#[test]
fn a_refused_push_is_logged_with_its_refs() {
    let mut forge = Forge::new("{}", "true");
    forge.wrap_hook("pre-receive", "exec $QUIRE_HOOK");
    forge.wrap_hook("post-receive", "exec $QUIRE_HOOK");
    forge.wrap_hook("update", "exit 1");
    forge.start();
    assert!(!forge.push("HEAD:refs/heads/main").go().is_accepted);
    until_true("it is logged", || forge.server_log().contains("did not move main"));
}

#[test]
fn an_idle_server_has_little_of_its_program_in_memory() {
    let mut forge = Forge::new("{}", "true");
    forge.start();
    let smaps = format!("/proc/{}/smaps", forge.server_pid());
    // Of the code of the program: all that is mapped, and how much of it is in memory, in KiB.
    let code = || {
        let text = fs::read_to_string(&smaps).unwrap();
        let from = text.split_once(" r-xp ").unwrap().1;
        let of = |name: &str| {
            let line = from.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        (of("Size:"), of("Rss:"))
    };
    until_true("its code is given back", || code().1 * 2 < code().0);
    forge.push("HEAD:refs/heads/main").option("ci.wait").go().accepted();
    until_true("its code is given back after a run", || code().1 * 2 < code().0);
}
