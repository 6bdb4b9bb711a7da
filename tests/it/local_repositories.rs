//! In which repositories `quire ci run` works: in all that the person's own git can read. Others are refused by name.

use std::fs;
use std::path::Path;

use super::place::Place;

/// A pipeline that prints what it learns of the commit, and the files that it has.
const REPORT: &str = "(local ci (require :quire.ci))
    (ci:job :report [:quire/push]
      (fn [{: sh :inputs {:quire/push push}}]
        (print push.ref push.sha (length push.files-changed) push.commit-message)
        (sh \"ls -A\")))";

fn place() -> Place {
    Place::new(REPORT, &[("x".to_owned(), "1".to_owned())], None)
}

/// Another repository beside the working copy, with the same files and one commit.
fn repository(place: &Place, name: &str, init: &[&str]) {
    let folder = place.path(name);
    fs::create_dir_all(folder.join(".quire")).unwrap();
    fs::write(folder.join(".quire/ci.fnl"), REPORT).unwrap();
    place.git(&[&["init", "-q"], init, &[folder.to_str().unwrap()]].concat());
    place.git(&["-C", folder.to_str().unwrap(), "add", "-A"]);
    place.git(&["-C", folder.to_str().unwrap(), "commit", "-q", "-m", "first"]);
}

fn run(place: &Place, folder: &Path) -> (Option<i32>, String) {
    let output = place.quire(&["ci", "run", "-v", folder.to_str().unwrap()]);
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// A run that passes and prints this.
fn passes(place: &Place, name: &str, reported: &str) -> String {
    let (code, shown) = run(place, &place.path(name));
    assert!(code == Some(0) && shown.contains(reported), "{name}: {shown}");
    shown
}

/// One error with one hint, and exit code 2.
fn refuses(place: &Place, name: &str, error: &str, hint: &str) {
    let (code, shown) = run(place, &place.path(name));
    let lines: Vec<&str> = shown.lines().collect();
    assert!(
        code == Some(2) && lines.len() == 2 && lines[0].contains(error) && lines[1].contains(hint),
        "{name}: {code:?}: {shown}"
    );
}

#[test]
fn the_ignored_files_of_the_person_are_not_copied() {
    let place = place();
    place.git(&["config", "--global", "core.excludesFile", "~/ignored"]);
    fs::write(place.path("home/ignored"), ".env\n.venv\n").unwrap();
    fs::create_dir(place.path("copy/.venv")).unwrap();
    for file in ["copy/.env", "copy/.venv/python", "copy/new"] {
        fs::write(place.path(file), "s3cret").unwrap();
    }
    let shown = passes(&place, "copy", "new");
    assert!(!shown.contains("env"), "{shown}");
}

#[test]
fn a_working_copy_of_somebody_else_is_refused_until_the_person_trusts_it() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = place();
    for path in ["copy", "copy/.git"] {
        std::os::unix::fs::chown(place.path(path), Some(1234), Some(1234)).unwrap();
    }
    let copy = place.path("copy").canonicalize().unwrap();
    let hint = format!("git config --global --add safe.directory '{}'", copy.display());
    refuses(&place, "copy", "belongs to another user", &hint);
    place.git(&["config", "--global", "--add", "safe.directory", copy.to_str().unwrap()]);
    passes(&place, "copy", "refs/heads/main");
}

#[test]
fn every_format_that_git_reads_works() {
    let place = place();
    repository(&place, "sha256", &["--object-format=sha256"]);
    let head = place.git(&["-C", "../sha256", "rev-parse", "HEAD"]);
    assert_eq!(head.len(), 64);
    passes(&place, "sha256", &format!("refs/heads/main\t{head}\t1\tfirst"));
    repository(&place, "reftable", &["--ref-format=reftable", "-b", "topic/x"]);
    passes(&place, "reftable", "refs/heads/topic/x\t");
    place.git(&["config", "core.repositoryFormatVersion", "1"]);
    place.git(&["config", "extensions.partialClone", "origin"]);
    place.git(&["config", "extensions.worktreeConfig", "true"]);
    let head = place.git(&["rev-parse", "HEAD"]);
    passes(&place, "copy", &format!("refs/heads/main\t{head}\t2\tan example"));
    place.git(&["checkout", "-q", "--detach"]);
    passes(&place, "copy", "refs/heads/detached");
}

#[test]
fn a_repository_without_commits_and_a_folder_of_one_work() {
    let place = place();
    place.git(&["init", "-q", "../empty"]);
    fs::create_dir(place.path("empty/.quire")).unwrap();
    fs::write(place.path("empty/.quire/ci.fnl"), REPORT).unwrap();
    passes(&place, "empty", &format!("refs/heads/main\t{}\t0\t", "0".repeat(40)));
    fs::create_dir_all(place.path("copy/part/.quire")).unwrap();
    fs::write(place.path("copy/part/.quire/ci.fnl"), REPORT).unwrap();
    fs::write(place.path("copy/part/y"), "").unwrap();
    let shown = passes(&place, "copy/part", "report │ y");
    assert!(!shown.contains("report │ x"), "{shown}");
}

#[test]
fn a_folder_that_is_not_a_working_copy_is_refused_by_name() {
    let place = place();
    place.git(&["init", "-q", "--bare", "../bare.git"]);
    refuses(&place, "bare.git", "the repository is bare", "clone the repository");
    for folder in ["none", "none-with-pipeline/.quire", "bare.git/.quire"] {
        fs::create_dir_all(place.path(folder)).unwrap();
    }
    refuses(&place, "none", "is not in a git repository", "git init");
    fs::write(place.path("none-with-pipeline/.quire/ci.fnl"), REPORT).unwrap();
    refuses(&place, "none-with-pipeline", "is not in a git repository", "git init");
    fs::write(place.path("bare.git/.quire/ci.fnl"), REPORT).unwrap();
    refuses(&place, "bare.git", "the repository is bare", "clone the repository");
    place.git(&["config", "core.worktree", place.path("none").to_str().unwrap()]);
    refuses(&place, "copy", "its files are elsewhere", "choose a folder");
    place.git(&["config", "--unset", "core.worktree"]);
    place.git(&["config", "core.repositoryFormatVersion", "1"]);
    place.git(&["config", "extensions.future", "true"]);
    refuses(&place, "copy", "unknown repository extension", "git status");
}

#[test]
fn a_pipeline_above_the_repository_is_another_projects() {
    let place = place();
    fs::create_dir(place.path(".quire")).unwrap();
    fs::write(place.path(".quire/ci.fnl"), REPORT).unwrap();
    place.git(&["init", "-q", "-b", "main", ".."]);
    place.git(&["init", "-q", "-b", "main", "../own"]);
    fs::create_dir(place.path("own/sub")).unwrap();
    let none = |folder: &str, reported: &str| {
        for command in ["run", "check"] {
            let output = place.quire(&["ci", command, place.path(folder).to_str().unwrap()]);
            let shown = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(4) && shown.contains(reported), "{folder}: {shown}");
        }
    };
    none("own", "found neither .quire/ci.fnl nor workflow/main.toml in ");
    none("own/sub", &format!(" or above it, up to {}", place.path("own").canonicalize().unwrap().display()));
    fs::create_dir(place.path("plain")).unwrap();
    passes(&place, "plain", "refs/heads/main");
}
