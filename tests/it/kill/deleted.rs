//! Refs that are deleted, and made again, while no server looks. Deleting a ref deletes its log, too.

use std::collections::BTreeMap;

use super::forge::{Forge, Push, me};

/// What is to be recorded of each ref: the number of the push, and the values before and after.
#[derive(Default)]
struct Truth(BTreeMap<String, Vec<(usize, String, String)>>);

impl Truth {
    /// Makes a push and notes what it has changed.
    fn push(&mut self, forge: &Forge, number: usize, push: Push) -> bool {
        let before = forge.refs();
        let pushed = push.option("ci.skip").option(&format!("n={number}")).go();
        let after = forge.refs();
        let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let value =
                |refs: &BTreeMap<String, String>| refs.get(name).cloned().unwrap_or_else(|| "0".repeat(40));
            if value(&before) != value(&after) {
                let steps = self.0.entry(name.clone()).or_default();
                steps.push((number, value(&before), value(&after)));
            }
        }
        pushed.is_accepted
    }

    /// Each step is recorded once, in order, with its pusher and its options; all but deletions have one run.
    fn agrees(&self, forge: &Forge) {
        for (name, expected) in &self.0 {
            let updates = forge.updates(name);
            let found: Vec<_> =
                updates.iter().map(|update| (update.old.clone(), update.new.clone())).collect();
            let steps: Vec<_> = expected.iter().map(|(_, old, new)| (old.clone(), new.clone())).collect();
            assert_eq!(found, steps, "{name}: {updates:#?}");
            for (update, (number, _, new)) in updates.iter().zip(expected) {
                let options = vec!["ci.skip".to_owned(), format!("n={number}")];
                assert_eq!(update.options.as_ref(), Some(&options), "{name}: {updates:#?}");
                assert_eq!(update.pusher, me(), "{name}: {updates:#?}");
                assert_eq!(update.runs, usize::from(new != &"0".repeat(40)), "{name}: {updates:#?}");
            }
        }
    }
}

#[test]
fn refs_that_were_deleted_while_the_server_was_down_have_their_runs() {
    let mut forge = Forge::new("{}", "true");
    let mut truth = Truth::default();
    let (a, b) = (forge.head(), forge.commit("true"));
    let plan: [&[String]; 13] = [
        &[format!("{a}:refs/heads/b1")],
        &[":refs/heads/b1".to_owned()],
        &[format!("{a}:refs/heads/b2")],
        &[":refs/heads/b2".to_owned()],
        &[format!("{a}:refs/heads/b2")],
        // A file and a folder of one name, one after the other.
        &[format!("{a}:refs/heads/x"), format!("{b}:refs/tags/v1")],
        &[":refs/heads/x".to_owned(), ":refs/tags/v1".to_owned()],
        &[format!("{b}:refs/heads/x/y"), format!("{a}:refs/tags/v1")],
        &[":refs/heads/x/y".to_owned()],
        &[format!("{b}:refs/heads/x")],
        // To and fro between two deletions.
        &[format!("{b}:refs/heads/b2")],
        &[format!("+{a}:refs/heads/b2")],
        &[":refs/heads/b2".to_owned()],
    ];
    for (number, refspecs) in plan.iter().enumerate() {
        let push = forge.push_all(refspecs);
        assert!(truth.push(&forge, number, push), "{refspecs:?}");
    }
    // Git refuses these after the intent was made, or a part of them.
    for (number, refspecs) in
        [&[":refs/heads/x", "HEAD~1:refs/heads/half"][..], &[":refs/heads/x"]].iter().enumerate()
    {
        let repo = forge.repo();
        forge.git([
            "-C".as_ref(),
            repo.as_os_str(),
            "config".as_ref(),
            "receive.denyDeletes".as_ref(),
            "true".as_ref(),
        ]);
        let refspecs: Vec<String> = refspecs.iter().map(|&refspec| refspec.to_owned()).collect();
        let push = forge.push_all(&refspecs);
        assert!(!truth.push(&forge, 100 + number, push));
    }
    forge.start();
    forge.settle();
    truth.agrees(&forge);
    // Nothing of it is found again.
    forge.kill_server();
    forge.start();
    forge.settle();
    truth.agrees(&forge);
}

/// The next number of a small generator (xorshift64).
fn next(state: &mut u64, limit: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap() % limit
}

/// Pushes at random, some of which git refuses, with a server that is there now and then.
#[test]
fn refs_come_and_go_while_the_server_comes_and_goes() {
    const NAMES: [&str; 5] =
        ["refs/heads/a", "refs/heads/a/b", "refs/heads/c", "refs/tags/v1", "refs/heads/c/d/e"];
    let mut state = std::env::var("QUIRE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_129);
    eprintln!("seed {state}");
    let mut forge = Forge::new("{}", "true");
    let commits = [forge.head(), forge.commit("true"), forge.commit("true")];
    let repo = forge.repo();
    forge.git([
        "-C".as_ref(),
        repo.as_os_str(),
        "config".as_ref(),
        "receive.denyNonFastForwards".as_ref(),
        "true".as_ref(),
    ]);
    let (mut truth, mut is_up, mut refused) = (Truth::default(), false, 0);
    for number in 0..60 {
        if next(&mut state, 8) == 0 {
            if is_up {
                forge.kill_server();
            } else {
                forge.start();
            }
            is_up = !is_up;
        }
        let mut refspecs = BTreeMap::new();
        for _ in 0..=next(&mut state, 3) {
            let name = NAMES[next(&mut state, NAMES.len())];
            let value = match next(&mut state, 5) {
                0 | 1 => String::new(),
                place => commits[place - 2].clone(),
            };
            refspecs.insert(name, format!("+{value}:{name}"));
        }
        let refs = forge.refs();
        // The client itself leaves out what is not there.
        refspecs.retain(|name, refspec| !refspec.starts_with("+:") || refs.contains_key(*name));
        if refspecs.is_empty() {
            continue;
        }
        let push = forge.push_all(&refspecs.into_values().collect::<Vec<_>>());
        refused += usize::from(!truth.push(&forge, number, push));
    }
    if !is_up {
        forge.start();
    }
    forge.settle();
    eprintln!("{refused} refused");
    assert!(refused > 3);
    truth.agrees(&forge);
}
