//! Files of a run's folder that are something else: after the run, before it, and while nobody looks.

use super::super::{Attack, Harm, Random};
use super::ground::{Ground, HARMLESS};

/// What is replaced, in the folder of a run; empty for the folder itself.
const NAMES: [&str; 9] =
    ["journal.ndjson", "log", "log/work", "log/work/1.log", "lock", "control.sock", "runner.log", "work", ""];

/// What replaces it: commands, `$1` is the path and `$2` the folder outside.
const OTHERS: [(&str, &str); 11] = [
    ("a FIFO", "mkfifo \"$1\""),
    ("a link to /dev/zero", "ln -s /dev/zero \"$1\""),
    ("a link to a folder outside", "ln -s \"$2\" \"$1\""),
    ("a link to a file outside", "ln -s \"$2\"/file \"$1\""),
    ("a loop of links", "ln -s \"$1\" \"$1\""),
    ("a sparse file", "truncate -s 40G \"$1\""),
    ("a folder", "mkdir \"$1\"; touch \"$1\"/file"),
    ("nothing", ":"),
    ("an empty file", ": >\"$1\""),
    ("garbage", "head -c 100000 /dev/urandom >\"$1\""),
    ("a device", "mknod \"$1\" c 1 5"),
];

/// When it is replaced.
#[derive(Debug, Clone, Copy)]
enum When {
    /// After the run has ended.
    Ended,
    /// While the run is not settled: server and runner are dead.
    Dead,
    /// Before the run begins.
    Future,
}

#[test]
fn whatever_is_in_a_run_folder_harms_nobody() {
    let mut attack = Attack::new("run_folder", 1);
    while let Some(mut random) = attack.next_round() {
        let count = if attack.is_long() { 10 } else { 4 };
        let mut ground = Ground::new(&mut attack);
        for _ in 0..count {
            let name = *random.pick(&NAMES);
            let (other, make) = *random.pick(&OTHERS);
            let when = *random.pick(&[When::Ended, When::Ended, When::Dead, When::Future]);
            replace(&mut ground, &mut random, when, (name, other, make));
        }
    }
    attack.finish();
}

fn replace(
    ground: &mut Ground<'_>,
    random: &mut Random,
    when: When,
    (name, other, make): (&str, &str, &str),
) {
    let shown = if name.is_empty() { "the folder" } else { name };
    let what = format!("{shown} is {other} ({when:?})");
    let number = match when {
        When::Ended => {
            let Some(number) = ground.push("seq 1 1000") else { return };
            if ground.outcome(number, &what).is_none() {
                return;
            }
            put(ground, number, name, make);
            number
        }
        When::Dead => {
            let begun = ground.world.path().join("begun");
            let script = format!("touch '{}'; sleep 1000", begun.display());
            let Some(number) = ground.push(&script) else { return };
            if !ground.waits_for(|| begun.exists()) {
                return ground.harm(Harm::Hang, &format!("{what}: the run does not begin"));
            }
            // What is destroyed before the server has seen the run begin is no evidence of it (docs/threat-model.md).
            if !ground.waits_for(|| ground.is_running(number)) {
                return ground.harm(Harm::Hang, &format!("{what}: the server does not see the run begin"));
            }
            std::fs::remove_file(&begun).unwrap();
            ground.kill_server();
            ground.kill_runner(number);
            put(ground, number, name, make);
            ground.start();
            number
        }
        When::Future => {
            let number = ground.next_run();
            put(ground, number, name, make);
            let Some(number) = ground.push(HARMLESS) else { return };
            number
        }
    };
    ground.outcome(number, &what);
    ground.check(number, &what);
    if random.one_in(2) {
        let path = ground.run_dir(number);
        ground.shell(&format!("rm -rf '{}'", path.display()));
    }
}

/// Puts something else in the place of a file or folder.
fn put(ground: &Ground<'_>, number: u64, name: &str, make: &str) {
    let path = ground.run_dir(number).join(name);
    let path = path.to_str().unwrap().trim_end_matches('/');
    let outside = ground.outside();
    let script =
        format!("set -- '{path}' '{}'; mkdir -p \"${{1%/*}}\"; rm -rf \"$1\"; {make}", outside.display());
    ground.shell(&script);
}
