//! The spool: where it cannot be written the push is refused, and what is strange in it stops nothing.

use std::fs;

use super::forge::{Forge, me};
use super::strace::require_strace;

#[test]
fn what_cannot_be_recorded_is_refused_before_the_ref_moves() {
    let forge = Forge::new("{}", "true");
    let spool = forge.path("data/spool");
    // Not by its mode: tests may run as root.
    let _none = fs::remove_dir_all(&spool).is_err();
    fs::write(&spool, "in the way").unwrap();
    let pushed = forge.push("HEAD:refs/heads/main").go();
    assert!(!pushed.is_accepted);
    let said: Vec<&str> = pushed.text.lines().filter(|line| line.starts_with("remote:")).collect();
    assert_eq!(said.len(), 1, "{}", pushed.text);
    assert!(said[0].contains("error: ") && said[0].contains("spool"), "{}", said[0]);
    assert!(forge.refs().is_empty());
    assert!(!forge.repo().join("logs/refs/heads/main").exists());
    // Once the reason is gone, the same push works.
    fs::remove_file(&spool).unwrap();
    forge.push("HEAD:refs/heads/main").go().accepted();
    assert_eq!(forge.spooled().len(), 1);
}

#[test]
fn strange_files_in_the_spool_stop_nothing() {
    let mut forge = Forge::new("{}", "true");
    for number in 0..3 {
        forge.push(&format!("HEAD:refs/heads/b{number}")).option("ci.skip").go().accepted();
    }
    let spool = forge.path("data/spool");
    let whole = fs::read(forge.spooled().pop().unwrap()).unwrap();
    let half = spool.join("00-half.json");
    fs::write(&half, &whole[..whole.len() / 2]).unwrap();
    fs::write(spool.join("00-empty.json"), "").unwrap();
    fs::write(spool.join("00-binary.json"), [0xff, 0, 0x7b]).unwrap();
    fs::write(spool.join("00-other.json"), "{\"v\":1,\"push\":\"x\"}").unwrap();
    fs::write(spool.join("00-later.json"), String::from_utf8_lossy(&whole).replace("\"v\":1", "\"v\":99"))
        .unwrap();
    fs::create_dir(spool.join("00-folder.json")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", spool.join("00-link.json")).unwrap();
    // A repository that is not there, and the very same push once more.
    let elsewhere = String::from_utf8_lossy(&whole).replace("foo.git", "gone.git");
    fs::write(spool.join("00-gone.json"), elsewhere).unwrap();
    fs::write(spool.join("zz-again.json"), &whole).unwrap();
    forge.start();
    forge.settle();
    for number in 0..3 {
        let updates = forge.updates(&format!("refs/heads/b{number}"));
        assert_eq!(updates.len(), 1, "{updates:?}");
        assert_eq!((updates[0].pusher.clone(), updates[0].runs), (me(), 1));
        assert_eq!(updates[0].options, Some(vec!["ci.skip".to_owned()]));
    }
    assert!(half.with_extension("foreign").exists());
    assert!(forge.server_log().contains("00-half.json"));
}

/// Files that come into the spool of a server that runs are taken in without a push that follows.
#[test]
fn a_spool_file_that_comes_late_is_taken_in() {
    let mut forge = Forge::new("{}", "true");
    forge.start();
    // The hook gives up on a server that is stopped.
    let server = rustix::process::Pid::from_raw(forge.server_pid().cast_signed()).unwrap();
    rustix::process::kill_process(server, rustix::process::Signal::STOP).unwrap();
    let pushed = forge.push("HEAD:refs/heads/main").option("n=1").go().accepted();
    assert!(pushed.text.contains("quire is not running"), "{}", pushed.text);
    rustix::process::kill_process(server, rustix::process::Signal::CONT).unwrap();
    assert_eq!(forge.outcome(1), "passed");
    forge.settle();
    let updates = forge.updates("refs/heads/main");
    assert_eq!(updates.len(), 1, "{updates:?}");
    assert_eq!((updates[0].pusher.clone(), updates[0].options.clone()), (me(), Some(vec!["n=1".to_owned()])));
}

/// A push with `ci.skip` waits in the spool, and the server cannot read it at once: its run must not begin without.
fn read_late(faults: &[&str]) {
    require_strace();
    let mut forge = Forge::new("{}", "true");
    forge.push("HEAD:refs/heads/main").option("ci.skip").go().accepted();
    forge.start_with_faults(&forge.path("data/spool"), faults);
    forge.settle();
    let log = forge.server_log();
    assert!(log.contains("could not be read"), "no fault happened: {log}");
    let updates = forge.updates("refs/heads/main");
    assert_eq!(updates.len(), 1, "{updates:?}");
    assert_eq!((updates[0].pusher.clone(), updates[0].runs), (me(), 1));
    assert_eq!(updates[0].options, Some(vec!["ci.skip".to_owned()]), "the intent was dropped");
    assert_eq!(forge.outcome(1), "skipped");
}

#[test]
fn an_intent_that_cannot_be_opened_at_once_is_waited_for() {
    read_late(&["openat2:error=EIO:when=1"]);
}

#[test]
fn a_server_without_a_free_descriptor_waits_for_the_spool() {
    read_late(&["openat:error=EMFILE:when=1"]);
}

#[test]
fn a_spool_that_cannot_be_listed_at_once_is_waited_for() {
    read_late(&["getdents64:error=EIO:when=1"]);
}
