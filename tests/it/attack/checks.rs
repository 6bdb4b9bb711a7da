//! Scripts and workflow files that are changed at random: each is checked, or its mistake is named.

use std::fs;
use std::time::{Duration, Instant};

use super::corpus::{BODIES, FILES, WORKFLOWS};
use super::mutate::mutated;
use super::scripts::{HEAD, job};
use super::{Attack, Count, Harm, Random};
use crate::stories::world::World;

/// Changed scripts of one round.
const CHECKS: usize = 24;

/// How long `quire ci check` may take: it has 10 s for compiling and 5 s for evaluating.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_changed_script_is_checked_or_named() {
    let mut attack = Attack::new("checks", 1);
    let world = World::new();
    fs::create_dir_all(world.path().join("copy/.quire")).unwrap();
    world.run(world.command("git").args(["init", "-q", "copy"]));
    while let Some(mut random) = attack.next_round() {
        for _ in 0..CHECKS {
            let is_workflow = random.one_in(4);
            let text = changed(is_workflow, &mut random);
            attack.count(Count::Inputs, 1);
            let (file, other) = files(is_workflow);
            let _was_not_there = fs::remove_file(world.path().join("copy").join(other)).is_err();
            let path = world.path().join("copy").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
            let began = Instant::now();
            let ended = world.run(world.command("quire").args(["ci", "check", "copy"]));
            let input = || format!("{}\n  exit {}\n  {}", text.escape_ascii(), ended.exit, ended.output);
            if began.elapsed() > PATIENCE {
                attack.harm(Harm::Hang, &input());
            } else if !matches!(ended.exit, 0 | 2) || ended.output.contains("panicked") {
                attack.harm(Harm::Crash, &input());
            } else if ended.exit == 2 && !ended.output.contains(file) {
                attack.harm(Harm::Wrong, &input());
            }
        }
    }
    attack.finish();
}

/// The file that is checked, and the other one.
fn files(is_workflow: bool) -> (&'static str, &'static str) {
    if is_workflow {
        ("workflow/main.toml", ".quire/ci.fnl")
    } else {
        (".quire/ci.fnl", "workflow/main.toml")
    }
}

/// A file of the corpus, changed.
fn changed(is_workflow: bool, random: &mut Random) -> Vec<u8> {
    let text = if is_workflow {
        (*random.pick(WORKFLOWS)).to_owned()
    } else if random.one_in(3) {
        (*random.pick(FILES)).to_owned()
    } else {
        let jobs = (0..random.between(1, 4)).map(|number| job(number, random.pick::<&str>(BODIES)));
        format!("{HEAD}{}", jobs.collect::<String>())
    };
    let text = if random.one_in(2) { moved(&text, random) } else { text };
    if random.one_in(5) { text.into_bytes() } else { mutated(text.as_bytes(), random) }
}

/// The text with words dropped, doubled and exchanged.
fn moved(text: &str, random: &mut Random) -> String {
    let mut words: Vec<&str> = text.split_inclusive([' ', '(', ')', '[', ']', '\n']).collect();
    for _ in 0..random.between(1, 5) {
        if words.is_empty() {
            break;
        }
        let at = random.below(words.len());
        let word = words[random.below(words.len())];
        match random.below(3) {
            0 => drop(words.remove(at)),
            1 => words.insert(at, word),
            _ => words[at] = word,
        }
    }
    words.concat()
}
