//! `quire ci run` as people see it: what must not be shown, and what must be told.

use std::fs;

use super::place::Place;

fn run(pipeline: &str, config: &str, args: &[&str]) -> (Option<i32>, String, Place) {
    let place = Place::new(pipeline, &[], Some(config));
    let output = place.quire(&[&["ci", "run"], args].concat());
    let shown = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(shown).unwrap(), place)
}

#[test]
fn a_secret_in_the_folder_of_a_step_is_masked() {
    let pipeline = "(local ci (require :quire.ci))
        (ci:job :a [:quire/push] (fn [{: sh : secret}] (sh :true {:cwd (secret :token)})))";
    let (code, shown, place) = run(pipeline, "{:secrets {:token \"s3cr3t-in-a-path\"}}", &["-v"]);
    let all = shown + &place.logs();
    assert_eq!(code, Some(1), "{all}");
    assert!(all.contains("the step cannot run in the folder") && all.contains("<redacted>"), "{all}");
    assert!(!all.contains("s3cr3t"), "{all}");
}

#[test]
fn a_secret_that_is_too_short_is_warned_of() {
    let pipeline = "(local ci (require :quire.ci))
        (ci:job :a [:quire/push] (fn [{: secret}] (print (secret :pin))))";
    let (_, shown, _) = run(pipeline, "{:secrets {:pin \"abc\"}}", &["-v"]);
    assert!(shown.contains("the secret `pin` has fewer than 4 bytes and is not masked"), "{shown}");
}

#[test]
fn each_job_is_told_once() {
    let pipeline = "(local ci (require :quire.ci))
        (for [i 1 60] (ci:job (.. :j i) [:quire/push] (fn [] (print i))))";
    let (code, shown, _) = run(pipeline, "{}", &[]);
    assert_eq!(code, Some(0), "{shown}");
    let mut told: Vec<&str> = shown.lines().filter_map(|line| line.trim().strip_prefix("passed ")).collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!((told.len(), shown.lines().count()), (60, 62), "{shown}");
}

#[test]
fn a_script_that_does_not_listen_is_ended_with_a_word_and_leaves_no_workspace() {
    let pipeline = "(local ci (require :quire.ci))
        (ci:job :a [:quire/push]
          (fn [] (string.find (string.rep :a 40) (.. (string.rep :a? 40) (string.rep :a 40)))))";
    let (code, shown, place) = run(pipeline, "{}", &[]);
    assert_eq!(code, Some(124), "{shown}");
    assert!(shown.contains("error: the script did not listen for 5 s in job a"), "{shown}");
    assert!(!place.path("copy/.git/quire/run-1/work").exists());
    let journal = fs::read_to_string(place.path("copy/.git/quire/run-1/journal.ndjson")).unwrap();
    assert!(journal.trim_end().lines().last().unwrap().contains("\"timed-out\""), "{journal}");
}
