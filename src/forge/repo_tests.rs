//! Creates, adopts, lists, removes and restores repositories, on real folders with both versions of git.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::model::RepoName;
use crate::sys::program::Program;

use super::fixture::{Fixture, git_at, ref_name};
use super::layout::{repo_dir, runs_dir};
use super::look::log_refs;
use super::settings::wrong_settings;
use super::trash::list_trash;
use super::*;

fn name(text: &str) -> RepoName {
    RepoName::parse(text).unwrap()
}

/// A data folder whose path git must quote.
fn data() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("da ta;#\"\\x");
    fs::create_dir(&data).unwrap();
    (dir, data)
}

fn init(path: &Path, args: &[&str]) {
    fs::create_dir_all(path).unwrap();
    git_at(path).args(["init", "-q"]).args(args).arg(".").run().unwrap();
}

#[test]
fn a_new_repository_is_whole_and_takes_a_push() {
    let (_dir, data) = data();
    let made = new_repo(&data, &name("group/foo")).unwrap();
    let repo = find(&data, &name("group/foo")).unwrap();
    assert_eq!(read_identity(&repo).unwrap(), Some(made));
    assert!(!repo.join("hooks").exists() && wrong_settings(&data, &repo).unwrap().is_empty());
    for git in ["/usr/local/bin/git", "/usr/bin/git"] {
        let get = git_at(&repo).program(git).args(["config", "core.hooksPath"]).run().unwrap();
        assert_eq!(String::from_utf8(get).unwrap().trim_end(), hooks_dir(&data).to_str().unwrap());
    }
    let source = Fixture::with_commits(1);
    let push = format!("{}:refs/heads/main", source.commits[0]);
    source.call().args(["push", "-q"]).arg(&repo).arg(push).run().unwrap();
    let mut refs = Refs::of(&repo);
    assert_eq!(refs.value(&ref_name("refs/heads/main")).unwrap(), RefValue::Direct(source.commits[0]));
    assert_eq!(log_refs(&repo).unwrap(), [ref_name("refs/heads/main")]);
    let left: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["repos"]);
}

#[test]
fn a_taken_name_is_refused_with_its_reason() {
    let (_dir, data) = data();
    new_repo(&data, &name("foo")).unwrap();
    new_repo(&data, &name("foo/bar")).unwrap();
    assert!(matches!(new_repo(&data, &name("foo")), Err(RepoError::Exists(_))));
    for other in ["Foo", "FOO/new", "foo/Bar"] {
        assert!(matches!(new_repo(&data, &name(other)), Err(RepoError::CaseCollision { .. })), "{other}");
    }
    symlink("/tmp", data.join("repos/link")).unwrap();
    assert!(matches!(new_repo(&data, &name("link/x")), Err(RepoError::SymbolicLink { .. })));
    assert!(matches!(find(&data, &name("link/x")), Err(RepoError::SymbolicLink { .. })));
    assert!(matches!(find(&data, &name("none")), Err(RepoError::NotFound(_))));
}

#[test]
fn what_was_there_before_an_adoption_is_not_reported() {
    for git in ["/usr/local/bin/git", "/usr/bin/git"] {
        let (_dir, data) = data();
        let mut source = Fixture::with_commits(3);
        source.git = git.to_owned();
        let odd = ref_name(b"refs/heads/\xff%");
        let [a, b, c] = source.commits[..] else { panic!() };
        for (place, id) in [(&ref_name("refs/heads/main"), a), (&odd, a), (&ref_name("refs/heads/main"), b)] {
            let input = [b"update ", place.as_bytes(), format!(" {id}\n").as_bytes()].concat();
            source.call().args(["update-ref", "--stdin"]).run_with(&input).unwrap();
        }
        let adopted = adopt_from(&data, &source.repo, &name("g/old")).unwrap();
        assert_eq!((adopted.refs, adopted.warnings.len()), (2, 0));
        assert!(!source.repo.exists());
        let repo = find(&data, &name("g/old")).unwrap();
        assert!(matches!(
            adopt_in_place(&data, &name("g/old"), &RecordedNames::new()),
            Err(RepoError::AlreadyAdopted(_))
        ));

        let mut stored = read_baseline(&repo).unwrap();
        let mut refs = Refs::of(&repo);
        let mut news = |when: &str| {
            let mut found = 0;
            for name in names_to_look_at(&mut refs).unwrap() {
                let (seen, keys) = stored.entry(name.clone()).or_default();
                let Looked::Ref(look) = look(&mut refs, &name, seen.cursor.as_ref()).unwrap() else {
                    panic!()
                };
                let verdict = compare(seen, keys, &look, &[]);
                found += verdict.found.len();
                *seen = verdict.seen;
                keys.apply(verdict.keys);
            }
            (when.to_owned(), found)
        };
        let run = |args: &[&str]| git_at(&repo).program(git).args(args).run().unwrap();
        assert_eq!(news("adopted").1, 0);
        run(&["gc", "-q"]);
        assert_eq!(news("gc").1, 0);
        run(&["update-ref", "refs/heads/main", &c.to_string()]);
        assert_eq!(news("moved").1, 1);
    }
}

#[test]
fn what_quire_cannot_host_is_refused_by_name() {
    let (dir, data) = data();
    let adopt = |path: &Path| adopt_from(&data, path, &name("x"));
    let make = |folder: &str, args: &[&str]| {
        let path = dir.path().join(folder);
        init(&path, args);
        path
    };
    let work = make("work", &[]);
    assert!(matches!(adopt(&work), Err(RepoError::NotBare { .. })));
    assert!(matches!(adopt(&work.join(".git")), Err(RepoError::NotBare { .. })));
    assert!(matches!(adopt(dir.path()), Err(RepoError::NotBare { .. })));
    assert!(matches!(adopt(Path::new("/no/such")), Err(RepoError::Read { .. })));
    let sha256 = adopt(&make("sha256", &["--bare", "--object-format=sha256"])).unwrap_err();
    assert!(sha256.to_string().contains("objects as sha256") && sha256.help().is_some(), "{sha256}");
    let reftable = adopt(&make("reftable", &["--bare", "--ref-format=reftable"])).unwrap_err();
    assert!(reftable.to_string().contains("refs as reftable"), "{reftable}");

    let hooked = make("hooked", &["--bare", "--template="]);
    fs::create_dir(hooked.join("hooks")).unwrap();
    for (hook, mode) in [("update", 0o755), ("post-update", 0o644), ("pre-push.sample", 0o755)] {
        fs::write(hooked.join("hooks").join(hook), "#!/bin/sh\n").unwrap();
        fs::set_permissions(hooked.join("hooks").join(hook), fs::Permissions::from_mode(mode)).unwrap();
    }
    let error = adopt(&hooked).unwrap_err();
    assert!(matches!(&error, RepoError::OwnHooks { hooks, .. } if hooks == &["hooks/update"]), "{error}");
    let pointed = make("pointed", &["--bare"]);
    git_at(&pointed).args(["config", "core.hooksPath", "/opt/hooks"]).run().unwrap();
    assert!(matches!(adopt(&pointed), Err(RepoError::OwnHooks { .. })));

    let included = make("included", &["--bare"]);
    git_at(&included).args(["config", "include.path", "more"]).run().unwrap();
    fs::write(included.join("more"), "[core]\n\tfsync = none\n").unwrap();
    let before = fs::read(included.join("config")).unwrap();
    assert!(matches!(adopt(&included), Err(RepoError::Overridden { key: "core.fsync", .. })));
    assert_eq!(fs::read(included.join("config")).unwrap(), before);
    assert!(!included.join("config.lock").exists() && !data.join("repos/x.git").exists());
    assert!(work.exists() && hooked.exists() && pointed.exists());
}

#[test]
fn settings_that_are_there_several_times_are_replaced() {
    let (dir, data) = data();
    let path = dir.path().join("many");
    init(&path, &["--bare"]);
    for value in ["true", "false", "true"] {
        git_at(&path).args(["config", "--add", "receive.autogc", value]).run().unwrap();
    }
    fs::create_dir_all(path.join("objects/info")).unwrap();
    fs::write(path.join("objects/info/alternates"), "/elsewhere/objects\n").unwrap();
    let adopted = adopt_from(&data, &path, &name("many")).unwrap();
    assert_eq!(adopted.warnings.len(), 1);
    let repo = find(&data, &name("many")).unwrap();
    let values = git_at(&repo).args(["config", "--get-all", "receive.autogc"]).run().unwrap();
    assert_eq!(values, b"false\n");
}

#[test]
fn a_listing_names_what_is_wrong() {
    let (_dir, data) = data();
    assert!(list_repos(&data, &RecordedNames::new()).unwrap().is_empty());
    new_repo(&data, &name("b")).unwrap();
    new_repo(&data, &name("a/z")).unwrap();
    init(&data.join("repos/strange.git"), &["--bare"]);
    init(&data.join("repos/big.git"), &["--bare", "--object-format=sha256"]);
    fs::create_dir_all(data.join("repos/-odd.git")).unwrap();
    git_at(&data.join("repos/b.git")).args(["config", "gc.reflogExpire", "1.day"]).run().unwrap();
    let listed = list_repos(&data, &RecordedNames::new()).unwrap();
    let shown: Vec<_> =
        listed.iter().map(|repo| (repo.name.as_str(), repo.id.is_some(), repo.problems.len())).collect();
    let expected = [("a/z", true, 0), ("b", true, 1), ("big", false, 2), ("strange", false, 1)];
    assert_eq!(shown, expected);
    assert!(listed[1].problems[0].to_string().contains("gc.reflogExpire"));
}

#[test]
fn a_removed_repository_comes_back_with_its_runs() {
    let (_dir, data) = data();
    let foo = name("g/foo");
    let first = new_repo(&data, &foo).unwrap();
    fs::create_dir_all(runs_dir(&data, &foo).join("1")).unwrap();
    remove_repo(&data, &foo).unwrap();
    assert!(!data.join("repos/g").exists() && !runs_dir(&data, &foo).exists());
    let second = new_repo(&data, &foo).unwrap();
    assert!(matches!(restore_repo(&data, &foo), Err(RepoError::Exists(_))));
    let removed = remove_repo(&data, &foo).unwrap();
    assert!(removed.path.ends_with(format!("{}-g+foo.git", removed.removed_at)));
    assert_eq!(list_trash(&data).unwrap().len(), 2);
    // The newest first.
    restore_repo(&data, &foo).unwrap();
    assert_eq!(read_identity(&repo_dir(&data, &foo)).unwrap(), Some(second));
    assert!(!runs_dir(&data, &foo).exists());
    let removed = remove_repo(&data, &foo).unwrap();
    fs::remove_dir_all(&removed.path).unwrap();
    restore_repo(&data, &foo).unwrap();
    assert_eq!(read_identity(&repo_dir(&data, &foo)).unwrap(), Some(first));
    assert!(runs_dir(&data, &foo).join("1").exists());
    assert!(list_trash(&data).unwrap().is_empty());
    let error = restore_repo(&data, &name("other")).unwrap_err();
    assert!(matches!(error, RepoError::NotInTrash { .. }));
    assert!(matches!(remove_repo(&data, &name("other")), Err(RepoError::NotFound(_))));
}

#[test]
fn runs_without_a_repository_are_not_a_new_one_s() {
    let (_dir, data) = data();
    fs::create_dir_all(runs_dir(&data, &name("foo")).join("1")).unwrap();
    new_repo(&data, &name("foo")).unwrap();
    assert!(!runs_dir(&data, &name("foo")).exists());
    assert!(list_trash(&data).unwrap()[0].path.join("runs/1").exists());
}

#[expect(clippy::disallowed_methods, reason = "a copy as a person makes it")]
fn copy_folder(from: &Path, to: &Path) {
    assert!(std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn a_copy_is_not_the_repository_until_it_is_adopted() {
    let (_dir, data) = data();
    let (a, z) = (name("a"), name("g/z"));
    let id = new_repo(&data, &a).unwrap().id;
    let copy = |from: &RepoName, to: &RepoName| {
        fs::create_dir_all(repo_dir(&data, to).parent().unwrap()).unwrap();
        let (from, to) = (repo_dir(&data, from), repo_dir(&data, to));
        copy_folder(&from, &to);
    };
    copy(&a, &z);
    let recorded = RecordedNames::from([(id.to_string(), a.clone())]);
    let nothing = RecordedNames::new();
    let ids = |recorded: &RecordedNames| -> Vec<(String, bool)> {
        let listed = list_repos(&data, recorded).unwrap();
        listed.iter().map(|repo| (repo.name.to_string(), repo.id == Some(id))).collect()
    };
    let first = |a: bool, z: bool| vec![("a".to_owned(), a), ("g/z".to_owned(), z)];
    assert_eq!(ids(&recorded), first(true, false));
    assert_eq!(ids(&nothing), first(true, false), "the copy is younger");
    assert_eq!(ids(&RecordedNames::from([(id.to_string(), z.clone())])), first(false, true));
    assert_eq!(original_of(&data, &z, id, Some(&a)), Some(a.clone()));
    // In the trash the original is still the original; gone, the copy is what it was renamed to.
    remove_repo(&data, &a).unwrap();
    assert_eq!(ids(&recorded), [("g/z".to_owned(), false)]);
    let entry = list_trash(&data).unwrap().pop().unwrap();
    restore_repo(&data, &a).unwrap();
    assert_eq!(ids(&recorded), first(true, false));
    assert!(!entry.path.exists());
    assert!(matches!(adopt_in_place(&data, &a, &recorded), Err(RepoError::AlreadyAdopted(_))));
    let adopted = adopt_in_place(&data, &z, &recorded).unwrap();
    assert_ne!(adopted.identity.id, id);
    assert!(list_repos(&data, &recorded).unwrap().iter().all(|repo| repo.problems.is_empty()));
    fs::remove_dir_all(repo_dir(&data, &z)).unwrap();
    fs::rename(repo_dir(&data, &a), repo_dir(&data, &z)).unwrap();
    assert_eq!(ids(&recorded), [("g/z".to_owned(), true)], "a rename");
}

#[test]
fn links_are_named_and_not_followed() {
    use std::os::unix::fs::symlink;
    let (dir, data) = data();
    new_repo(&data, &name("a")).unwrap();
    new_repo(&data, &name("g/b")).unwrap();
    symlink(data.join("repos/a.git"), data.join("repos/l.git")).unwrap();
    symlink(data.join("repos/a.git"), data.join("repos/g/l.git")).unwrap();
    symlink(data.join("repos/g"), data.join("repos/group")).unwrap();
    let listed = list_repos(&data, &RecordedNames::new()).unwrap();
    let linked = listed.iter().filter(|repo| matches!(repo.problems[..], [Problem::Linked]));
    let linked: Vec<_> = linked.map(|repo| repo.name.as_str()).collect();
    assert_eq!((linked, listed.len()), (vec!["g/l", "group", "l"], 5));
    fs::rename(data.join("repos"), dir.path().join("elsewhere")).unwrap();
    symlink(dir.path().join("elsewhere"), data.join("repos")).unwrap();
    let refused = list_repos(&data, &RecordedNames::new()).unwrap_err();
    assert!(
        matches!(refused, RepoError::SymbolicLink { .. }) && refused.help().unwrap().contains("mount --bind")
    );
}

#[test]
fn hooks_of_a_folder_that_was_moved_are_stale_and_own_ones_are_not() {
    let (dir, data) = data();
    install_hooks(&data, Path::new("/bin/quire")).unwrap();
    new_repo(&data, &name("a")).unwrap();
    assert!(!has_stale_hooks_path(&data, &repo_dir(&data, &name("a"))).unwrap());
    let moved = dir.path().join("moved");
    copy_folder(&data, &moved);
    let repo = repo_dir(&moved, &name("a"));
    assert!(has_stale_hooks_path(&moved, &repo).unwrap(), "a copy");
    fs::rename(&data, dir.path().join("away")).unwrap();
    assert!(has_stale_hooks_path(&moved, &repo).unwrap(), "moved");
    fs::create_dir_all(data.join("hooks")).unwrap();
    fs::write(data.join("hooks/pre-receive"), "#!/bin/sh\n").unwrap();
    assert!(!has_stale_hooks_path(&moved, &repo).unwrap(), "somebody's own");
}

/// A bare repository with one commit, and a data folder beside it.
fn one_commit() -> (Fixture, PathBuf) {
    let fixture = Fixture::with_commits(1);
    fixture.run(&["update-ref", "refs/heads/main", &fixture.commits[0].to_string()]);
    let data = fixture.dir.path().join("data");
    (fixture, data)
}

#[test]
fn a_repository_with_paths_that_depend_on_its_folder_is_not_moved() {
    type Arrange = fn(&Fixture);
    let cases: [(&str, Arrange); 7] = [
        ("objects/info/alternates", |at| {
            fs::create_dir(at.dir.path().join("pool")).unwrap();
            fs::write(at.repo.join("objects/info/alternates"), "../../pool\n").unwrap();
        }),
        ("symbolic link objects", |at| {
            fs::rename(at.repo.join("objects"), at.dir.path().join("objs")).unwrap();
            symlink("../objs", at.repo.join("objects")).unwrap();
        }),
        ("symbolic link objects", |at| {
            fs::rename(at.repo.join("objects"), at.repo.join("objs")).unwrap();
            symlink(at.repo.join("objs"), at.repo.join("objects")).unwrap();
        }),
        ("include.path", |at| {
            fs::write(at.dir.path().join("more"), "[a]\n b = c\n").unwrap();
            at.run(&["config", "include.path", "../more"]);
        }),
        ("includeif.ongit:x.path", |at| {
            fs::write(at.dir.path().join("more"), "[a]\n b = c\n").unwrap();
            at.run(&["config", "includeIf.ongit:x.path", "../more"]);
        }),
        ("remote.up.url", |at| {
            fs::create_dir(at.dir.path().join("up.git")).unwrap();
            at.run(&["config", "remote.up.url", "../up.git"]);
        }),
        ("linked worktree", |at| {
            let tree = at.dir.path().join("tree");
            at.run(&["worktree", "add", "-q", tree.to_str().unwrap(), "main"]);
        }),
    ];
    for (found, arrange) in cases {
        let (fixture, data) = one_commit();
        arrange(&fixture);
        let before = fs::read(fixture.repo.join("config")).unwrap();
        let refused = adopt_from(&data, &fixture.repo, &name("x")).unwrap_err();
        let RepoError::PlaceBound { bound, .. } = &refused else { panic!("{found}: {refused}") };
        assert_eq!(bound.found, found);
        assert_eq!(fs::read(fixture.repo.join("config")).unwrap(), before);
        // The command that is hinted at makes it movable.
        let patience = std::time::Duration::from_secs(20);
        let sh = Program::new("sh").args(["-c", &bound.remedy]).ask(patience).unwrap();
        assert!(sh.is_ok, "{}: {}", bound.remedy, sh.stderr);
        adopt_from(&data, &fixture.repo, &name("x")).unwrap_or_else(|error| panic!("{found}: {error}"));
        git_at(&repo_dir(&data, &name("x"))).args(["log", "-1", "main"]).run().unwrap();
    }
}

#[test]
fn paths_that_move_along_or_stay_do_not_prevent_an_adoption() {
    let (fixture, data) = one_commit();
    fs::write(fixture.repo.join("more"), "[a]\n b = c\n").unwrap();
    fixture.run(&["config", "include.path", "more"]);
    fs::create_dir(fixture.dir.path().join("pool")).unwrap();
    let pool = fixture.dir.path().join("pool");
    fs::write(fixture.repo.join("objects/info/alternates"), format!("{}\n", pool.display())).unwrap();
    symlink("packed-refs", fixture.repo.join("inside")).unwrap();
    let adopted = adopt_from(&data, &fixture.repo, &name("x")).unwrap();
    assert_eq!(adopted.warnings, [format!("the repository borrows objects from {}", pool.display())]);
    fs::remove_dir(&pool).unwrap();
    let listed = list_repos(&data, &RecordedNames::new()).unwrap();
    assert!(matches!(&listed[0].problems[..], [Problem::MissingAlternate(path)] if *path == pool));
}

#[test]
fn a_repository_whose_objects_are_missing_is_refused_where_it_is() {
    let (fixture, data) = one_commit();
    fs::remove_dir_all(fixture.repo.join("objects")).unwrap();
    fs::create_dir(fixture.repo.join("objects")).unwrap();
    let refused = adopt_from(&data, &fixture.repo, &name("x")).unwrap_err();
    assert!(matches!(refused, RepoError::MissingObject { .. }), "{refused}");
    assert!(fixture.repo.exists() && !data.join("repos/x.git").exists());
}

#[test]
fn an_adoption_that_fails_leaves_the_repository_as_it_was() {
    let (fixture, data) = one_commit();
    fs::create_dir(fixture.repo.join("quire.json")).unwrap();
    let before = fs::read(fixture.repo.join("config")).unwrap();
    assert!(adopt_from(&data, &fixture.repo, &name("x")).is_err());
    fs::remove_dir(fixture.repo.join("quire.json")).unwrap();
    fs::write(fixture.repo.join("config.lock"), "").unwrap();
    assert!(adopt_from(&data, &fixture.repo, &name("x")).is_err());
    assert_eq!(fs::read(fixture.repo.join("config")).unwrap(), before);
    assert!(!fixture.repo.join("quire-baseline.json").exists() && !data.join("repos/x.git").exists());
}

#[test]
fn a_repository_that_another_borrows_from_is_neither_removed_nor_moved() {
    let (fixture, data) = one_commit();
    adopt_from(&data, &fixture.repo, &name("up")).unwrap();
    let up = repo_dir(&data, &name("up"));
    for (borrower, line) in
        [("a", up.join("objects").display().to_string()), ("g/b", "../../../up.git/objects".to_owned())]
    {
        new_repo(&data, &name(borrower)).unwrap();
        let path = repo_dir(&data, &name(borrower));
        fs::create_dir_all(path.join("objects/info")).unwrap();
        fs::write(path.join("objects/info/alternates"), format!("{line}\n")).unwrap();
    }
    let refused = remove_repo(&data, &name("up")).unwrap_err();
    assert_eq!(refused.to_string(), "`up` cannot be moved: `a`, `g/b` borrow objects from it");
    assert!(up.exists());
    remove_repo(&data, &name("a")).unwrap();
    remove_repo(&data, &name("g/b")).unwrap();
    remove_repo(&data, &name("up")).unwrap();
}

#[test]
fn mistakes_of_old_tools_are_let_in_and_an_operator_may_be_stricter() {
    let (_dir, data) = data();
    new_repo(&data, &name("a")).unwrap();
    let repo = repo_dir(&data, &name("a"));
    assert!(!are_settings_stale(&data, &repo).unwrap());
    let git = |args: &[&str]| git_at(&repo).args(args).run().unwrap();
    git(&["config", "receive.fsck.badTimezone", "error"]);
    git(&["config", "--unset", "receive.fsck.zeroPaddedFilemode"]);
    assert!(are_settings_stale(&data, &repo).unwrap(), "an older quire");
    apply_settings(&data, &repo).unwrap();
    assert_eq!(git(&["config", "receive.fsck.zeroPaddedFilemode"]), b"ignore\n");
    assert_eq!(git(&["config", "receive.fsck.badTimezone"]), b"error\n");
    // Commits as old tools wrote them are pushed.
    let source = Fixture::with_commits(1);
    let raw = String::from_utf8(source.run(&["cat-file", "commit", &source.commits[0].to_string()])).unwrap();
    let push = |odd: (&str, &str)| {
        let write = source.call().args(["hash-object", "-t", "commit", "--literally", "-w", "--stdin"]);
        let id = String::from_utf8(write.run_with(raw.replace(odd.0, odd.1).as_bytes()).unwrap()).unwrap();
        let refspec = format!("+{}:refs/heads/main", id.trim());
        source.call().args(["push", "-q"]).arg(&repo).arg(refspec).run()
    };
    push(("<jo@home> ", "<jo@home>")).unwrap();
    assert!(push((" +0000", " +051800")).is_err());
    git(&["config", "receive.fsck.badTimezone", "ignore"]);
    push((" +0000", " +051800")).unwrap();
}
