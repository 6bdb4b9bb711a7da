//! What newcomers are told about their mistakes: `tests/mistakes/` has a folder for each kind, with one mistake per file.
//!
//! A person has read each answer: the place is the smallest that is wrong, the hint is the one that helps, the English is
//! plain. After a change: `INSTA_UPDATE=always cargo nextest run mistakes`, then read the difference.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use super::stories::pattern::redact;
use super::stories::world::{Ended, World};

/// The mistakes that are tried at the same time.
const THREADS: usize = 4;

/// A pipeline that passes, for mistakes that are elsewhere.
const PIPELINE: &str =
    "(local ci (require :quire.ci))\n(ci:job :test [:quire/push] (fn [{: sh}] (sh \"true\")))\n";

/// Tries each mistake of a kind and compares all answers with the snapshot.
fn compare(kind: &str, least: usize, answer: impl Fn(&Path) -> Ended + Sync) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes").join(kind);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= least, "{kind}: {} files", files.len());
    let mut texts: Vec<_> = thread::scope(|scope| {
        let tried = (0..THREADS).map(|first| {
            let mine: Vec<&PathBuf> = files.iter().skip(first).step_by(THREADS).collect();
            let answer = &answer;
            scope.spawn(move || mine.into_iter().map(|file| text(file, &answer(file))).collect::<Vec<_>>())
        });
        let tried: Vec<_> = tried.collect();
        tried.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    texts.sort();
    insta::assert_snapshot!(format!("mistakes_{kind}"), texts.concat());
}

/// A mistake and what was said of it.
fn text(file: &Path, Ended { output, exit }: &Ended) -> String {
    let name = file.file_name().unwrap().to_str().unwrap();
    assert_ne!(*exit, 0, "{name} is a mistake that is not found: {output}");
    let mistake = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
    format!("===== {name}\n{}\n----- exit {exit}\n{output}\n", mistake.trim_end_matches('\n'))
}

/// Runs a shell command in the folder `copy` of a world.
fn run(world: &World, command: &str) -> Ended {
    let ended = world.run(world.command("sh").args(["-c", command]).current_dir(world.path().join("copy")));
    Ended {
        output: redact(&ended.output, world.path().to_str().unwrap(), "tester").join("\n") + "\n",
        ..ended
    }
}

/// A world with a working copy.
fn world() -> World {
    let world = World::new();
    fs::create_dir(world.path().join("copy")).unwrap();
    assert_eq!(run(&world, "git init -q && mkdir .quire workflow").exit, 0);
    world
}

/// What a command says when the file with the mistake is at `place`.
fn answer(file: &Path, place: &str, command: &str) -> Ended {
    let world = world();
    if !place.starts_with("copy/.quire/ci.") && !place.starts_with("copy/workflow/") {
        fs::write(world.path().join("copy/.quire/ci.fnl"), PIPELINE).unwrap();
    }
    fs::copy(file, world.path().join(place)).unwrap();
    run(&world, command)
}

#[test]
fn of_fennel() {
    compare("fennel", 75, |file| answer(file, "copy/.quire/ci.fnl", "quire ci check"));
}

#[test]
fn of_lua() {
    compare("lua", 1, |file| answer(file, "copy/.quire/ci.lua", "quire ci check"));
}

#[test]
fn of_running_jobs() {
    compare("run", 20, |file| answer(file, "copy/.quire/ci.fnl", "quire ci run"));
}

#[test]
fn of_workflows() {
    compare("workflow", 20, |file| answer(file, "copy/workflow/main.toml", "quire ci check"));
}

#[test]
fn of_the_configuration() {
    compare("config", 25, |file| answer(file, "data/config.fnl", "quire ci run"));
}

#[test]
fn of_imported_watches() {
    compare("import", 5, |file| answer(file, "copy/Repo.toml", "quire watch import Repo.toml"));
}

#[test]
fn of_command_lines() {
    let mut world = world();
    fs::write(world.path().join("copy/.quire/ci.fnl"), PIPELINE).unwrap();
    let made =
        run(&world, "quire repo new blog && git remote add origin $T/data/repos/blog.git && git add .quire");
    assert_eq!(made.exit, 0, "{}", made.output);
    world.serve(&[]).unwrap();
    let pushed = run(&world, "git commit -q -m first && git push -q -o ci.wait origin main");
    assert_eq!(pushed.exit, 0, "{}", pushed.output);
    compare("command", 25, |file| run(&world, &fs::read_to_string(file).unwrap()));
    world.end_server("TERM");
}
