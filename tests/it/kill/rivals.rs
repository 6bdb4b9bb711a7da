//! Two pushes announce the same move of one ref. Git lets one of them win, and what is recorded is that one's.

use std::fs;
use std::process::Child;

use super::forge::{Forge, write_script};
use super::wait::until_true;

/// The ref that both push to.
const REF: &str = "refs/heads/shared";

/// A quire whose pushes wait before they move a ref, and before they report, for a file of the pusher.
fn forge() -> Forge {
    let mut forge = Forge::new("{}", "true");
    let here = forge.path("");
    let here = here.display();
    forge.wrap_hook("pre-receive", "exec \"$QUIRE_HOOK\"");
    forge.wrap_hook(
        "post-receive",
        &format!(
            "touch {here}/moved-$REMOTE_USER; until test -e {here}/report-$REMOTE_USER; do sleep 0.01; done\n\
             test \"$SILENT\" = yes || exec \"$QUIRE_HOOK\""
        ),
    );
    write_script(
        &forge.path("hooks/update"),
        &format!(
            "touch {here}/announced-$REMOTE_USER; until test -e {here}/move-$REMOTE_USER; do sleep 0.01; done"
        ),
    );
    for name in ["move-", "report-"] {
        fs::write(forge.path(name), "").unwrap();
    }
    forge.start();
    forge
}

/// A push that has announced itself.
fn announce(forge: &Forge, who: &str, refs: &[&str], is_silent: bool) -> Child {
    let refspecs: Vec<String> = refs.iter().map(|name| format!("HEAD:{name}")).collect();
    let push = forge.push_all(&refspecs).env("REMOTE_USER", who).option(&format!("by={who}"));
    let push = push.env("SILENT", if is_silent { "yes" } else { "no" });
    let child = push.command().spawn().unwrap();
    until_true("the push has announced itself", || forge.path(&format!("announced-{who}")).exists());
    child
}

fn allow(forge: &Forge, what: &str, who: &str) {
    fs::write(forge.path(&format!("{what}-{who}")), "").unwrap();
}

/// Lets the first of two move the ref, then the second try it, and both end. Waits in between until the server has seen
/// the end of the second.
fn race(forge: &Forge, (winner, mut first): (&str, Child), (loser, mut second): (&str, Child)) {
    allow(forge, "move", winner);
    until_true("the ref has moved", || forge.path(&format!("moved-{winner}")).exists());
    allow(forge, "report", loser);
    allow(forge, "move", loser);
    assert!(!second.wait().unwrap().success(), "git has refused it");
    let other = forge.push("HEAD:refs/heads/other").env("REMOTE_USER", "");
    other.option("ci.skip").go().accepted();
    allow(forge, "report", winner);
    assert!(first.wait().unwrap().success());
    forge.settle();
}

/// Who is recorded for the one update of the ref.
fn recorded(forge: &Forge) -> String {
    let updates = forge.updates(REF);
    let [update] = updates.as_slice() else { panic!("{updates:?}") };
    let who = update.pusher.clone().unwrap();
    assert_eq!(update.options.as_ref(), Some(&vec![format!("by={who}")]), "{updates:?}");
    assert_eq!(update.runs, 1, "{updates:?}");
    who
}

#[test]
fn of_two_equal_pushes_the_one_that_git_accepted_is_recorded() {
    for (winner, order) in [("a", ["a", "b"]), ("b", ["a", "b"])] {
        let forge = forge();
        let mut pushes: Vec<(&str, Child)> =
            order.iter().map(|who| (*who, announce(&forge, who, &[REF], false))).collect();
        let place = pushes.iter().position(|(who, _)| *who == winner).unwrap();
        let first = pushes.remove(place);
        race(&forge, first, pushes.remove(0));
        assert_eq!(recorded(&forge), winner);
    }
}

/// Nobody can know then; a push is made again when the first try has failed.
#[test]
fn of_two_equal_pushes_without_a_report_the_later_one_is_recorded() {
    for (winner, loser) in [("a", "b"), ("b", "a")] {
        let forge = forge();
        let a = announce(&forge, "a", &[REF], true);
        let b = announce(&forge, "b", &[REF], true);
        let (first, second) = if winner == "a" { (a, b) } else { (b, a) };
        race(&forge, (winner, first), (loser, second));
        assert_eq!(recorded(&forge), "b");
    }
}

#[test]
fn what_a_push_does_not_report_is_not_its_own() {
    let forge = forge();
    let first = announce(&forge, "a", &[REF], true);
    let second = announce(&forge, "b", &[REF, "refs/heads/own"], false);
    race(&forge, ("a", first), ("b", second));
    assert_eq!(recorded(&forge), "a");
    assert_eq!(forge.updates("refs/heads/own").len(), 1);
}
