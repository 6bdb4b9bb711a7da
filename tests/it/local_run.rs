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
    let reason = "timed-out: the script did not listen for 5 s in job a, last seen at .quire/ci.fnl:3";
    assert!(shown.contains(reason), "{shown}");
    assert!(shown.trim_end().lines().last().unwrap().starts_with("logs: "), "{shown}");
    for gone in ["work", "lock", "control.sock"] {
        assert!(!place.path("home/.cache/quire/ci/run-1").join(gone).exists(), "{gone}");
    }
    let journal = fs::read_to_string(place.path("home/.cache/quire/ci/run-1/journal.ndjson")).unwrap();
    assert!(journal.trim_end().lines().last().unwrap().contains("\"timed-out\""), "{journal}");
}

/// A pipeline whose one step runs these lines; each must succeed.
fn step(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line} || exit 1\\n")).collect();
    format!("(local ci (require :quire.ci)) (ci:job :a [:quire/push] (fn [{{: sh}}] (sh \"{lines}\")))")
}

#[test]
fn no_git_in_a_step_finds_the_working_copy_or_a_home_under_git() {
    let place = Place::new(
        &step(&[
            "! git rev-parse",
            "! git tag made-by-ci",
            "! git config user.email ci@example.org",
            "! git reset --hard",
            "! git clean -fdx :/",
            "mkdir -p deep/er && cd deep/er && ! git reset --hard",
            "cd ../../.. && ! git reset --hard",
            "cd .. && ! git reset --hard && cd -",
            "cd work && git init -q && git rev-parse && cd deep && git rev-parse",
        ]),
        &[],
        None,
    );
    place.git(&["-C", "../home", "init", "-q"]);
    fs::write(place.path("home/.bashrc"), "one").unwrap();
    place.git(&["-C", "../home", "add", ".bashrc"]);
    place.git(&["-C", "../home", "commit", "-q", "-m", "dotfiles"]);
    fs::write(place.path("home/.bashrc"), "two").unwrap();
    let config = fs::read(place.path("copy/.git/config")).unwrap();
    let output = place.quire(&["ci", "run", "-v"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fs::read(place.path("home/.bashrc")).unwrap(), b"two");
    assert_eq!(place.git(&["tag"]), "");
    assert_eq!(fs::read(place.path("copy/.git/config")).unwrap(), config);
    assert!(!place.path("copy/.git/quire").exists());
}

#[test]
fn a_cache_that_cannot_be_used_is_replaced_by_a_folder_for_temporary_files() {
    // Without a list of folders that names one with a colon, the fence has to hold as well.
    let place = Place::new(
        &step(&["! git rev-parse", "! git -C .. rev-parse", "! git -C ../.. rev-parse"]),
        &[],
        None,
    );
    let temporary = place.path("a:b");
    fs::create_dir(&temporary).unwrap();
    place.git(&["-C", "..", "init", "-q"]);
    let run = |cache: &std::path::Path, home: &std::path::Path| {
        let mut command = place.command(env!("CARGO_BIN_EXE_quire"), &["ci", "run"]);
        command.env("XDG_CACHE_HOME", cache).env("HOME", home).env("TMPDIR", &temporary);
        command.output().unwrap()
    };
    let inside = place.path("copy");
    let link = place.path("link");
    std::os::unix::fs::symlink(&inside, &link).unwrap();
    fs::write(place.path("file"), "").unwrap();
    for cache in [&inside, &inside.join(".git"), &link, &place.path("file")] {
        let output = run(cache, &inside);
        let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let place_of_logs =
            format!("logs: {}/quire-{}/ci/run-", temporary.display(), rustix::process::getuid().as_raw());
        assert!(output.status.success() && shown.contains(&place_of_logs), "{shown}");
    }
    assert!(!inside.join("quire").exists() && !inside.join(".cache").exists());
}

#[test]
fn the_environment_of_a_hook_does_not_lead_elsewhere() {
    let place = Place::new(
        &step(&["[ -z \\\"$GIT_DIR$GIT_WORK_TREE$GIT_INDEX_FILE\\\" ]", "[ -e x ]", "! git rev-parse"]),
        &[("x".to_owned(), "1".to_owned())],
        None,
    );
    place.git(&["init", "-q", "../other"]);
    let mut command = place.command(env!("CARGO_BIN_EXE_quire"), &["ci", "run", "-v"]);
    command.env("GIT_DIR", place.path("other/.git")).env("GIT_WORK_TREE", place.path("other"));
    command.env("GIT_INDEX_FILE", place.path("other/index")).env("GIT_CEILING_DIRECTORIES", "/nowhere");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_pipeline_behind_a_link_is_refused_as_a_commit_would_not_have_it() {
    let place = Place::new(&step(&["true"]), &[], None);
    fs::rename(place.path("copy/.quire"), place.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("copy/.quire")).unwrap();
    for command in ["run", "check"] {
        let output = place.quire(&["ci", command]);
        let shown = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(shown.starts_with("error: .quire is a symbolic link"), "{shown}");
    }
}

#[test]
fn output_that_is_lost_on_a_full_disk_is_no_success() {
    let (code, shown, place) = run(&step(&["true"]), "{}", &[]);
    assert_eq!(code, Some(0), "{shown}");
    for args in [["ci", "run", "--json"], ["ci", "check", "--json"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = place.command(env!("CARGO_BIN_EXE_quire"), &args).stdout(full).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(5), "{told}");
        assert_eq!(
            told.matches("error: could not write to standard output: No space left").count(),
            1,
            "{told}"
        );
    }
}
