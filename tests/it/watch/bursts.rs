//! A remote that moves all the time, and a server that is killed again and again.

use std::collections::BTreeSet;
use std::time::Duration;

use super::host::{Host, until};

/// Commits in all, and in one burst.
const COMMITS: usize = 1000;
const BURST: usize = 50;

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
fn every_tip_that_was_seen_ran_once_while_the_server_died_ten_times() {
    let mut state = seed();
    eprintln!("seed {state}");
    let mut host = Host::new("{}");
    let there = host.path("there.git").display().to_string();
    assert_eq!(host.quire(&["watch", "add", &there, "main", "--every", "1s"]).0, 0);
    host.start();
    let mut tips = BTreeSet::new();
    for burst in 0..COMMITS / BURST {
        host.commits("main", BURST);
        tips.insert(host.tip("main"));
        let mut now = host.quire_beside(&["watch", "now"]);
        if burst % 2 == 0 {
            // The point of the kill is a time on purpose: it falls anywhere in the work of the server.
            std::thread::sleep(Duration::from_millis(next(&mut state) % 150));
            host.kill_server();
            host.start();
        }
        let _left_alone = now.wait().unwrap();
    }
    assert_eq!(host.quire(&["watch", "now"]).0, 0);
    until("all runs have ended", || host.runs().iter().all(|run| run["state"] == "finished").then_some(()));
    let shas: Vec<String> = host.runs().iter().map(|run| run["sha"].as_str().unwrap().to_owned()).collect();
    let distinct: BTreeSet<&String> = shas.iter().collect();
    assert_eq!(distinct.len(), shas.len(), "a commit ran twice");
    let last = host.tip("main");
    assert_eq!(shas[0], last);
    assert_eq!(host.runs()[0]["outcome"], "passed");
    assert!(shas.iter().all(|sha| tips.contains(sha)), "a commit ran that was never a tip");
    // What was fetched is what ran: the chain of updates has no gap, and each update has one run.
    let connection = quire::store::open_read_only(&host.path("data/quire.db")).unwrap();
    let mut statement = connection
        .prepare("SELECT u.old, u.new, u.pusher, (SELECT count(*) FROM runs r WHERE r.update_id = u.id) FROM updates u ORDER BY u.id")
        .unwrap();
    let rows = statement.query_map([], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, i64>(3)?,
        ))
    });
    let updates: Vec<_> = rows.unwrap().collect::<Result<_, _>>().unwrap();
    eprintln!("{} of {} tips were seen", updates.len(), tips.len());
    assert!(updates.len() >= 10, "{} tips were seen", updates.len());
    let mut at = "0".repeat(40);
    for (old, new, pusher, runs) in updates {
        assert_eq!((old, pusher.as_str(), runs), (at, "watch", 1));
        at = new;
    }
    assert_eq!(at, last);
}
