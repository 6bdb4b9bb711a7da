//! Commits whose trees no honest git makes, pushed, and put into the repository by hand.

use git2::{ObjectType, Oid, Repository};

use super::super::{Attack, Count, Harm, Random};
use super::ground::Ground;

/// An entry of a tree: mode, name, object.
type Entry = (&'static str, Vec<u8>, Oid);

const PIPELINE: &str =
    "(local ci (require :quire.ci))\n(ci:job :work [:quire/push] (fn [] (sh \"ls -a >/dev/null\")))\n";

/// What is odd about a tree.
const ODDITIES: [&str; 20] = [
    "deep",
    "wide",
    "..",
    ".",
    ".git",
    ".GIT",
    "git~1",
    "slash",
    "nul",
    "empty name",
    "twice",
    "link and folder",
    "gitlink",
    "long name",
    "every byte",
    "modes",
    "pipeline is a link",
    "pipeline folder is a link",
    "pipeline is a folder",
    "missing objects",
];

#[test]
fn whatever_a_commit_holds_harms_nobody() {
    let mut attack = Attack::new("commits", 1);
    while let Some(mut random) = attack.next_round() {
        let is_long = attack.is_long();
        let mut oddities = ODDITIES.to_vec();
        random.shuffle(&mut oddities);
        let mut ground = Ground::new(&mut attack);
        for oddity in oddities.into_iter().take(if is_long { 10 } else { 4 }) {
            try_it(&mut ground, oddity, &mut random, is_long);
        }
    }
    attack.finish();
}

/// Pushes the commit, which may be refused, and then moves a ref to it by hand, which cannot.
fn try_it(ground: &mut Ground<'_>, oddity: &str, random: &mut Random, is_long: bool) {
    let folder = ground.world.path().join(format!("odd-{}", random.next()));
    let from = Repository::init_bare(&folder).unwrap();
    let size = if is_long { random.between(500, 20_000) } else { 500 };
    let commit = odd_commit(&from, oddity, ground, size);
    let what = format!("a commit with {oddity} ({size})");
    let refs = ["pushed", "by-hand"].map(|way| format!("refs/heads/{way}-{}", random.next()));
    let mut git = ground.world.command("git");
    git.env_remove("QUIRE_DATA").arg("-C").arg(&folder).arg("push").arg(ground.git_dir());
    let pushed = ground.world.run(git.arg(format!("{commit}:{}", refs[0])));
    if pushed.exit == 0 {
        ground.count(Count::Pushes);
        check(ground, &refs[0], commit, &what);
    } else if !pushed.output.contains("remote rejected") && !pushed.output.contains("error: ") {
        ground.harm(Harm::Crash, &format!("{what}: {}", pushed.output));
    }
    let (objects, git_dir) = (folder.join("objects"), ground.git_dir());
    ground.shell(&format!("cp -rn '{}'/. '{}'/objects/", objects.display(), git_dir.display()));
    ground.shell(&format!("echo {commit} >'{}/{}'", git_dir.display(), refs[1]));
    check(ground, &refs[1], commit, &what);
    ground.shell(&format!("rm -rf '{}'", folder.display()));
}

fn check(ground: &mut Ground<'_>, ref_name: &str, commit: Oid, what: &str) {
    let run = ground.run_of(ref_name, &commit.to_string());
    let outcome = run.and_then(|number| ground.outcome(number, what));
    if outcome.as_ref().is_some_and(|outcome| !["passed", "failed"].contains(&outcome.as_str())) {
        ground.harm(Harm::Wrong, &format!("{what}: run {run:?} is {outcome:?}"));
    }
    ground.check(run.unwrap_or(1), what);
}

fn blob(repo: &Repository, bytes: &[u8]) -> Oid {
    repo.blob(bytes).unwrap()
}

/// Writes a tree as it is given: git's own rules are not asked.
fn tree(repo: &Repository, entries: &[Entry]) -> Oid {
    let bytes: Vec<u8> = entries
        .iter()
        .flat_map(|(mode, name, id)| [mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat())
        .collect();
    repo.odb().unwrap().write(ObjectType::Tree, &bytes).unwrap()
}

fn odd_commit(repo: &Repository, oddity: &str, ground: &Ground<'_>, size: usize) -> Oid {
    let (file, link) = (blob(repo, b"x\n"), blob(repo, ground.outside().to_str().unwrap().as_bytes()));
    let honest = tree(repo, &[("100644", b"ci.fnl".to_vec(), blob(repo, PIPELINE.as_bytes()))]);
    let inner = tree(repo, &[("100644", b"file".to_vec(), file)]);
    let mut entries: Vec<Entry> = vec![("40000", b".quire".to_vec(), honest)];
    let mut add = |mode: &'static str, name: &[u8], id: Oid| entries.push((mode, name.to_vec(), id));
    match oddity {
        "deep" => add(
            "40000",
            b"d",
            (0..size).fold(inner, |below, _| tree(repo, &[("40000", b"d".to_vec(), below)])),
        ),
        "wide" => (0..size).for_each(|number| add("100644", format!("f{number:06}").as_bytes(), file)),
        ".." | "." | ".git" | ".GIT" | "git~1" => {
            add("40000", oddity.as_bytes(), inner);
        }
        "slash" => ["../outside/new", "/tmp/quire-attack-new", "a/../../../../outside/file"]
            .iter()
            .for_each(|name| add("100644", name.as_bytes(), file)),
        // The name ends at the NUL, and the object is what comes after it.
        "nul" => add("100644", b"a\0bcdefghijklmnopqrstu", file),
        "empty name" => add("100644", b"", file),
        "twice" => ["same", "same"].iter().for_each(|name| add("100644", name.as_bytes(), file)),
        "link and folder" => {
            add("120000", b"same", link);
            add("40000", b"same", inner);
        }
        "gitlink" => {
            add("160000", b"module", file);
            add(
                "100644",
                b".gitmodules",
                blob(repo, b"[submodule \"../x\"]\n path = module\n url = -u./x\n"),
            );
        }
        "long name" => add("100644", &vec![b'x'; 5000], file),
        "every byte" => (1..=255u8)
            .filter(|byte| *byte != b'/' && *byte != b'.')
            .for_each(|byte| add("100644", &[byte], file)),
        "modes" => {
            for (mode, name) in [
                ("100600", "a"),
                ("104755", "b"),
                ("0100644", "c"),
                ("10644", "e"),
                ("20666", "f"),
                ("7777777", "g"),
            ] {
                add(mode, name.as_bytes(), file);
            }
        }
        "missing objects" => {
            add("100644", b"file", Oid::from_bytes(&[7; 20]).unwrap());
            add("40000", b"folder", Oid::from_bytes(&[8; 20]).unwrap());
        }
        _ => entries = odd_pipeline(repo, oddity, ground),
    }
    // In git's order, or `.quire` is not found.
    entries.sort_by_key(|(mode, name, _)| [name, &b"/"[..usize::from(*mode == "40000")]].concat());
    let root = tree(repo, &entries);
    let who = "Eve <eve@example.org> 1700000000 +0000";
    let text = format!("tree {root}\nauthor {who}\ncommitter {who}\n\n{oddity}\n");
    repo.odb().unwrap().write(ObjectType::Commit, text.as_bytes()).unwrap()
}

/// Trees whose pipeline is something else.
fn odd_pipeline(repo: &Repository, oddity: &str, ground: &Ground<'_>) -> Vec<Entry> {
    let to = |target: &str| blob(repo, target.as_bytes());
    let inside = match oddity {
        "pipeline is a link" => tree(repo, &[("120000", b"ci.fnl".to_vec(), to("/dev/zero"))]),
        "pipeline is a folder" => {
            let empty = tree(repo, &[]);
            tree(repo, &[("40000", b"ci.fnl".to_vec(), empty), ("40000", b"ci.lua".to_vec(), empty)])
        }
        "pipeline folder is a link" => {
            return vec![("120000", b".quire".to_vec(), to(ground.outside().to_str().unwrap()))];
        }
        _ => panic!("nobody knows {oddity}"),
    };
    vec![("40000", b".quire".to_vec(), inside)]
}
