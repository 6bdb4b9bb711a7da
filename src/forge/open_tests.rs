//! Reading commits and writing them out, from real repositories.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::model::CommitId;

use super::checkout::Most;
use super::fixture::Fixture;
use super::open::MAX_CHANGED_FILES;
use super::*;

static NEEDED: AtomicBool = AtomicBool::new(true);

/// Makes a commit of these entries: path, mode, content. Paths may have folders.
pub(super) fn commit(fixture: &Fixture, entries: &[(&str, &str, &[u8])]) -> CommitId {
    let index = fixture.dir.path().join("index");
    drop(fs::remove_file(&index));
    let call = || fixture.call().env("GIT_INDEX_FILE", &index);
    let mut input = Vec::new();
    for (path, mode, content) in entries {
        let id = if *mode == "160000" {
            fixture.commits[0].to_string().into_bytes()
        } else {
            call().args(["hash-object", "-w", "--stdin"]).run_with(content).unwrap()
        };
        input.extend([mode.as_bytes(), b" ", id.trim_ascii(), b"\t", path.as_bytes(), b"\0"].concat());
    }
    call().args(["update-index", "-z", "--add", "--index-info"]).run_with(&input).unwrap();
    let tree = call().arg("write-tree").run().unwrap();
    let tree = String::from_utf8(tree).unwrap();
    parse(&call().args(["commit-tree", "-m", "made", tree.trim()]).run().unwrap())
}

fn parse(id: &[u8]) -> CommitId {
    CommitId::parse(std::str::from_utf8(id).unwrap().trim()).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_pipeline_is_read_with_its_modules() {
    let fixture = Fixture::with_commits(1);
    let id = commit(
        &fixture,
        &[
            (".quire/ci.fnl", "100644", b"(local ci (require :quire.ci))"),
            (".quire/lib/x.fnl", "100644", b"{}"),
            (".quire/link", "120000", b"/etc/passwd"),
            ("README", "100644", b"hello"),
        ],
    );
    let repo = Repo::open(&fixture.repo).unwrap();
    let files = repo.pipeline_files(id).unwrap().unwrap();
    assert!(!files.has_lua());
    let names: Vec<_> = files.files.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
    assert_eq!(names, [".quire/ci.fnl", ".quire/lib/x.fnl"]);
    assert_eq!(repo.pipeline_files(fixture.commits[0]).unwrap(), None);

    let limit = usize::try_from(MAX_PIPELINE_FILE).unwrap();
    let at = commit(&fixture, &[(".quire/ci.lua", "100644", &vec![b' '; limit])]);
    assert!(repo.pipeline_files(at).unwrap().unwrap().has_lua());
    let over = commit(&fixture, &[(".quire/ci.lua", "100644", &vec![b' '; limit + 1])]);
    assert!(matches!(repo.pipeline_files(over), Err(ReadError::TooLarge { .. })));
    let names: Vec<String> = (0..11).map(|number| format!(".quire/{number}")).collect();
    let full = vec![b' '; limit];
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "100644", full.as_slice())).collect();
    assert!(repo.pipeline_files(commit(&fixture, &many[..10])).is_ok());
    assert!(matches!(repo.pipeline_files(commit(&fixture, &many)), Err(ReadError::TooLarge { .. })));
}

#[test]
fn commits_tags_and_what_is_neither() {
    let fixture = Fixture::with_commits(3);
    let [a, b, c] = fixture.commits[..] else { panic!() };
    let repo = Repo::open(&fixture.repo).unwrap();
    fixture.run(&["tag", "-a", "-m", "one", "v1", &b.to_string()]);
    fixture.run(&["tag", "-a", "-m", "two", "v2", "v1"]);
    let tag = parse(&fixture.run(&["rev-parse", "v2"]));
    assert_eq!(repo.commit(tag).unwrap().id, b);
    let read = repo.commit(c).unwrap();
    assert_eq!((read.author.as_str(), read.message.as_str()), ("Jo <jo@home>", "commit 2"));
    assert!(
        repo.is_ancestor(a, c).unwrap()
            && repo.is_ancestor(tag, c).unwrap()
            && repo.is_ancestor(a, a).unwrap()
    );
    assert!(!repo.is_ancestor(c, a).unwrap());
    let missing = CommitId::from_bytes([7; 20]);
    assert!(matches!(repo.commit(missing), Err(ReadError::Missing(_))));
    assert!(matches!(repo.commit(CommitId::ZERO), Err(ReadError::Missing(_))));
    let tree = parse(&fixture.run(&["rev-parse", &format!("{a}^{{tree}}")]));
    assert!(matches!(repo.commit(tree), Err(ReadError::NotACommit { kind: "tree", .. })));
    assert!(matches!(Repo::open(fixture.dir.path()), Err(ReadError::Open { .. })));
}

#[test]
fn changed_files_are_named_up_to_the_limit() {
    let fixture = Fixture::with_commits(2);
    let repo = Repo::open(&fixture.repo).unwrap();
    let [a, b] = fixture.commits[..] else { panic!() };
    assert_eq!(repo.changed_files(a, b).unwrap().paths, ["file"]);
    assert_eq!(repo.changed_files(CommitId::ZERO, b).unwrap().paths, ["file"]);
    assert_eq!(repo.changed_files(a, a).unwrap(), Changes::default());
    let names: Vec<String> = (0..=MAX_CHANGED_FILES).map(|number| format!("f{number}")).collect();
    let blob = fixture.call().args(["hash-object", "-w", "--stdin"]).run_with(b"x").unwrap();
    let blob = String::from_utf8(blob).unwrap();
    for (count, truncated) in [(MAX_CHANGED_FILES, false), (MAX_CHANGED_FILES + 1, true)] {
        let lines: String =
            names[..count].iter().map(|name| format!("100644 blob {}\t{name}\n", blob.trim())).collect();
        let tree =
            String::from_utf8(fixture.call().arg("mktree").run_with(lines.as_bytes()).unwrap()).unwrap();
        let id = parse(&fixture.run(&["commit-tree", "-m", "many", tree.trim()]));
        let changes = repo.changed_files(CommitId::ZERO, id).unwrap();
        assert_eq!((changes.paths.len(), changes.truncated), (MAX_CHANGED_FILES, truncated));
        // Three thousand files are also a fair measure of a checkout.
        let begun = std::time::Instant::now();
        let done = repo.checkout(id, &fixture.dir.path().join(format!("out{count}")), &NEEDED).unwrap();
        println!("{} files checked out in {:?}", done.files, begun.elapsed());
        assert_eq!(done.files, count);
    }
}

#[test]
fn a_checkout_has_modes_links_and_no_filters() {
    let fixture = Fixture::with_commits(1);
    let id = commit(
        &fixture,
        &[
            (".gitattributes", "100644", b"* text eol=crlf\nhidden export-ignore\n"),
            ("a/b/run", "100755", b"#!/bin/sh\n"),
            ("hidden", "100644", b"one\ntwo\n"),
            ("link", "120000", b"/etc"),
            ("module", "160000", b""),
        ],
    );
    let repo = Repo::open(&fixture.repo).unwrap();
    let out = fixture.dir.path().join("out");
    assert_eq!(repo.checkout(id, &out, &NEEDED).unwrap().files, 4);
    assert_eq!(fs::read(out.join("hidden")).unwrap(), b"one\ntwo\n");
    assert_eq!(fs::read_link(out.join("link")).unwrap(), Path::new("/etc"));
    assert_eq!((mode(&out), mode(&out.join("a/b/run")), mode(&out.join("hidden"))), (0o700, 0o755, 0o644));
    assert_eq!(fs::read_dir(out.join("module")).unwrap().count(), 0);
    assert!(!out.join(".git").exists());
    assert!(matches!(repo.checkout(id, &out, &NEEDED), Err(ReadError::NotEmpty { .. })));
}

#[test]
fn a_checkout_has_an_end() {
    let fixture = Fixture::with_commits(1);
    let id = commit(&fixture, &[("a/b", "100644", b"1234"), ("c", "120000", b"5678"), ("d", "100644", b"9")]);
    let repo = Repo::open(&fixture.repo).unwrap();
    let out = fixture.dir.path().join("out");
    let within = |entries, bytes| {
        drop(fs::remove_dir_all(&out));
        repo.checkout_within(id, &out, &NEEDED, Most { entries, bytes }).is_ok()
    };
    assert!(within(4, 8), "the last file is not counted before it is written");
    assert!(!within(3, 8) && !within(4, 7));
    drop(fs::remove_dir_all(&out));
    let unwanted = repo.checkout(id, &out, &AtomicBool::new(false));
    assert!(matches!(unwanted, Err(ReadError::Unwanted { .. })));
}

/// A tree of a few kilobytes can be arbitrarily deep: writing it must not use up the stack or the descriptors.
#[test]
fn folders_nested_too_deep_are_not_written() {
    let fixture = Fixture::with_commits(1);
    let repo = git2::Repository::open_bare(&fixture.repo).unwrap();
    let first = repo.find_commit(git2::Oid::from_bytes(fixture.commits[0].as_bytes()).unwrap()).unwrap();
    let mut tree = first.tree_id();
    for _ in 0..20_000 {
        let mut outer = repo.treebuilder(None).unwrap();
        outer.insert("d", tree, 0o040_000).unwrap();
        tree = outer.write().unwrap();
    }
    let tree = repo.find_tree(tree).unwrap();
    let (author, out) = (first.author(), fixture.dir.path().join("out"));
    let deep = repo.commit(None, &author, &author, "deep", &tree, &[]).unwrap();
    let deep = CommitId::parse(&deep.to_string()).unwrap();
    let refused = Repo::open(&fixture.repo).unwrap().checkout(deep, &out, &NEEDED);
    assert!(matches!(refused, Err(ReadError::TooDeep { depth: 512, .. })), "{refused:?}");
}

/// Writes a tree object as it is, whatever git thinks of it.
fn raw_tree(fixture: &Fixture, entries: &[(&str, &str, CommitId)]) -> CommitId {
    let mut bytes = Vec::new();
    for (mode, name, id) in entries {
        bytes.extend([mode.as_bytes(), b" ", name.as_bytes(), b"\0", id.as_bytes()].concat());
    }
    let call = fixture.call().args(["hash-object", "-w", "-t", "tree", "--literally", "--stdin"]);
    parse(&call.run_with(&bytes).unwrap())
}

#[test]
fn a_hostile_tree_writes_nothing_outside() {
    let fixture = Fixture::with_commits(1);
    let repo = Repo::open(&fixture.repo).unwrap();
    let target = fixture.dir.path().join("target");
    fs::create_dir(&target).unwrap();
    let blob =
        |bytes: &[u8]| parse(&fixture.call().args(["hash-object", "-w", "--stdin"]).run_with(bytes).unwrap());
    let link = blob(target.to_str().unwrap().as_bytes());
    let file = blob(b"evil");
    let inner = raw_tree(&fixture, &[("100644", "evil", file)]);
    let trees = [
        raw_tree(&fixture, &[("100644", "../evil", file)]),
        raw_tree(&fixture, &[("40000", "..", inner)]),
        raw_tree(&fixture, &[("40000", ".git", inner)]),
        raw_tree(&fixture, &[("100644", ".GIT", file)]),
        raw_tree(&fixture, &[("120000", "a", link), ("40000", "a", inner)]),
        raw_tree(&fixture, &[("120000", "a", link), ("100644", "a", file)]),
        raw_tree(&fixture, &[("100644", "a", CommitId::from_bytes([9; 20]))]),
    ];
    for (number, tree) in trees.into_iter().enumerate() {
        let out = fixture.dir.path().join(format!("out{number}"));
        let text = format!("tree {tree}\nauthor J <j@x> 0 +0000\ncommitter J <j@x> 0 +0000\n\nx\n");
        let call = fixture.call().args(["hash-object", "-w", "-t", "commit", "--literally", "--stdin"]);
        let id = parse(&call.run_with(text.as_bytes()).unwrap());
        assert!(repo.checkout(id, &out, &NEEDED).is_err(), "{number}");
        assert!(fs::read_dir(&target).unwrap().next().is_none() && !fixture.dir.path().join("evil").exists());
    }
}
