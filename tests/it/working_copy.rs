//! What `quire ci run` copies of a working copy: what `git add -A` would commit, without touching anything else.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::place::Place;

/// A pipeline that keeps what it was given.
const KEEP: &str = "(local ci (require :quire.ci))
    (ci:job :keep [:quire/push] (fn [{: sh}] (sh \"cp -a . \\\"$HOME/../kept\\\"\")))";

fn place(files: &[(&str, &str)]) -> Place {
    let files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    Place::new(KEEP, &files, None)
}

/// What is below a folder: files with their content and an `x` when executable, links with their target, folders that
/// are empty. Without `.quire` and `.git`.
fn content(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(&below).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            let kind = path.symlink_metadata().unwrap();
            if name == ".quire" || name == ".git" {
                continue;
            } else if kind.is_symlink() {
                found.insert(name, format!("-> {}", fs::read_link(&path).unwrap().display()));
            } else if kind.is_dir() && path.read_dir().unwrap().next().is_some() {
                folders.push(path);
            } else if kind.is_dir() {
                found.insert(name, "/".to_owned());
            } else {
                let mark = if kind.permissions().mode() & 0o111 == 0 { "" } else { "x " };
                found.insert(name, format!("{mark}{}", fs::read_to_string(&path).unwrap().trim_end()));
            }
        }
    }
    found
}

/// Runs the pipeline, which passes, and says what it was given.
fn copied(place: &Place) -> Vec<(String, String)> {
    let output = place.quire(&["ci", "run"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    content(&place.path("kept")).into_iter().collect()
}

/// Runs the pipeline, which must not begin, and gives what was printed.
fn refused(place: &Place) -> String {
    let output = place.quire(&["ci", "run"]);
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!output.status.success() && !place.path("kept").exists(), "{shown}");
    shown
}

/// What a commit of everything holds.
fn committed(place: &Place) -> Vec<(String, String)> {
    place.git(&["add", "-A"]);
    let tree = place.git(&["write-tree"]);
    let listed = place.git(&["ls-tree", "-r", &tree]);
    let entries = listed.lines().filter(|line| !line.contains("\t.quire/")).map(|line| {
        let (head, path) = line.split_once('\t').unwrap();
        let words: Vec<&str> = head.split(' ').collect();
        let text = || place.git(&["cat-file", "blob", words[2]]);
        let text = match words[0] {
            "120000" => format!("-> {}", text()),
            "160000" => "/".to_owned(),
            "100755" => format!("x {}", text()),
            _ => text(),
        };
        (path.to_owned(), text)
    });
    entries.collect()
}

fn has(copied: &[(String, String)], path: &str, text: &str) -> bool {
    copied.contains(&(path.to_owned(), text.to_owned()))
}

#[test]
fn files_behind_a_link_that_replaced_a_tracked_folder_stay_as_they_are() {
    let place = place(&[("data/x", "precious"), ("data/deep/y", "precious"), ("other", "o")]);
    fs::rename(place.path("copy/data"), place.path("big")).unwrap();
    symlink(place.path("big"), place.path("copy/data")).unwrap();
    let target = format!("-> {}", place.path("big").display());
    assert!(has(&copied(&place), "data", &target));
    assert_eq!(fs::read_to_string(place.path("big/x")).unwrap(), "precious");
    assert_eq!(fs::read_to_string(place.path("big/deep/y")).unwrap(), "precious");
    assert_eq!(content(&place.path("kept")).into_iter().collect::<Vec<_>>(), committed(&place));
}

#[test]
fn what_took_the_place_of_something_else_is_copied_as_git_would_commit_it() {
    let files = [("folder/x", "1"), ("folder/y/z", "1"), ("file", "2"), ("link", "3"), ("gone", "4")];
    let place = place(&files);
    fs::remove_dir_all(place.path("copy/folder")).unwrap();
    fs::write(place.path("copy/folder"), "now a file").unwrap();
    for path in ["copy/file", "copy/link", "copy/gone"] {
        fs::remove_file(place.path(path)).unwrap();
    }
    fs::create_dir_all(place.path("copy/file/now/a")).unwrap();
    fs::write(place.path("copy/file/now/a/folder"), "5").unwrap();
    symlink("folder", place.path("copy/link")).unwrap();
    symlink("nowhere", place.path("copy/dangling")).unwrap();
    symlink("..", place.path("copy/up")).unwrap();
    fs::write(place.path("copy/new"), "6").unwrap();
    fs::set_permissions(place.path("copy/new"), fs::Permissions::from_mode(0o700)).unwrap();
    let copied = copied(&place);
    assert_eq!(copied, committed(&place));
    assert!(has(&copied, "file/now/a/folder", "5") && has(&copied, "new", "x 6"));
}

#[test]
fn a_path_with_a_conflict_is_copied_once() {
    let place = place(&[("text", "base"), ("read-only", "base"), ("link", "base")]);
    symlink("base", place.path("copy/both")).unwrap();
    let commit = |side: &str| {
        for path in ["text", "read-only"] {
            fs::write(place.path("copy").join(path), side).unwrap();
        }
        for path in ["link", "both"] {
            fs::remove_file(place.path("copy").join(path)).unwrap();
            symlink(side, place.path("copy").join(path)).unwrap();
        }
        place.git(&["add", "-A"]);
        place.git(&["commit", "-q", "-m", side]);
    };
    place.git(&["add", "-A"]);
    place.git(&["commit", "-q", "-m", "a link"]);
    place.git(&["checkout", "-q", "-b", "theirs"]);
    commit("theirs");
    place.git(&["checkout", "-q", "main"]);
    commit("ours");
    place.git(&["read-tree", "-m", "main~1", "main", "theirs"]);
    fs::set_permissions(place.path("copy/read-only"), fs::Permissions::from_mode(0o444)).unwrap();
    assert_eq!(place.git(&["ls-files", "--unmerged"]).lines().count(), 12);
    let copied = copied(&place);
    assert!(has(&copied, "both", "-> ours"), "{copied:?}");
    assert_eq!(copied, committed(&place));
}

#[test]
fn what_git_takes_from_the_index_is_taken_from_there() {
    let files = [("skipped", "1"), ("away/sparse", "2"), ("assumed", "3"), ("run", "4"), ("blocked/x", "5")];
    let place = place(&files);
    fs::set_permissions(place.path("copy/run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("run", place.path("copy/link")).unwrap();
    place.git(&["add", "-A"]);
    let pinned = ["skipped", "away/sparse", "run", "link", "blocked/x"];
    place.git(&[&["update-index", "--skip-worktree"], pinned.as_slice()].concat());
    place.git(&["update-index", "--assume-unchanged", "assumed"]);
    for path in ["away", "blocked"] {
        fs::remove_dir_all(place.path("copy").join(path)).unwrap();
    }
    for path in ["run", "link"] {
        fs::remove_file(place.path("copy").join(path)).unwrap();
    }
    for path in ["skipped", "assumed", "blocked"] {
        fs::write(place.path("copy").join(path), "changed here").unwrap();
    }
    fs::write(place.path("copy/intended"), "6").unwrap();
    place.git(&["add", "-N", "intended"]);
    let copied = copied(&place);
    assert!(has(&copied, "away/sparse", "2") && has(&copied, "assumed", "3"), "{copied:?}");
    assert_eq!(copied, committed(&place));
}

#[test]
fn modes_and_links_come_from_the_index_where_the_file_system_lacks_them() {
    let place = place(&[("tool", "1"), ("text", "2")]);
    fs::set_permissions(place.path("copy/tool"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("tool", place.path("copy/link")).unwrap();
    place.git(&["add", "-A"]);
    place.git(&["config", "core.fileMode", "false"]);
    place.git(&["config", "core.symlinks", "false"]);
    fs::set_permissions(place.path("copy/tool"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(place.path("copy/link")).unwrap();
    for (path, text) in [("text", "2"), ("untracked", "3"), ("link", "text")] {
        fs::write(place.path("copy").join(path), text).unwrap();
        fs::set_permissions(place.path("copy").join(path), fs::Permissions::from_mode(0o777)).unwrap();
    }
    let copied = copied(&place);
    assert!(has(&copied, "link", "-> text") && has(&copied, "tool", "x 1"), "{copied:?}");
    assert_eq!(copied, committed(&place));
}

#[test]
fn repositories_in_it_become_empty_folders() {
    let place = place(&[("text", "1")]);
    for path in ["nested", "sub"] {
        let below = place.path("copy").join(path);
        place.git(&["init", "-q", below.to_str().unwrap()]);
        fs::write(below.join("x"), "1").unwrap();
        place.git(&["-C", path, "add", "x"]);
        place.git(&["-C", path, "commit", "-q", "-m", "x"]);
    }
    place.git(&["-c", "advice.addEmbeddedRepo=false", "add", "sub"]);
    assert_eq!(copied(&place), committed(&place));
}

#[test]
fn names_of_any_bytes_are_copied() {
    let place = place(&[]);
    for name in [b"a\nb".as_slice(), b"tab\there", b"latin \xe9", b" ", b"\"quoted\"", b"-n", b"? x", b"*"] {
        fs::write(place.path("copy").join(OsStr::from_bytes(name)), "1").unwrap();
    }
    assert_eq!(copied(&place).len(), 8);
    let kept = place.path("kept").join(OsStr::from_bytes(b"latin \xe9"));
    assert!(kept.exists());
}

#[test]
fn pipes_and_sockets_are_left_out_and_refused_where_a_tracked_file_was() {
    let place = place(&[("tracked", "1"), ("text", "2")]);
    let fifo = |path: &str| {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            place.path("copy").join(path),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
    };
    fifo("untracked");
    let _socket = std::os::unix::net::UnixListener::bind(place.path("copy/socket")).unwrap();
    fs::remove_file(place.path("copy/tracked")).unwrap();
    fifo("tracked");
    let shown = refused(&place);
    assert!(shown.contains("`tracked` is neither a regular file nor a link"), "{shown}");
    fs::remove_file(place.path("copy/tracked")).unwrap();
    assert_eq!(copied(&place), [("text".to_owned(), "2".to_owned())]);
}

#[test]
fn a_linked_worktree_is_copied_and_its_link_to_the_repository_is_not() {
    let place = place(&[("text", "1")]);
    place.git(&["worktree", "add", "-q", "../linked"]);
    fs::write(place.path("linked/new"), "2").unwrap();
    let output = place.quire(&["ci", "run", "../linked"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!place.path("kept/.git").exists());
    assert_eq!(fs::read_to_string(place.path("kept/new")).unwrap(), "2");
}
