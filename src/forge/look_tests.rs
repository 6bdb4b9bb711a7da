//! Observes real logs of refs with names that git accepts and people do not expect.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;

use crate::model::RefName;

use super::fixture::{Fixture, git_at, ref_name};
use super::ledger::How;
use super::look::{Look, log_refs};
use super::*;

/// The ends of names that git 2.47 was seen to accept on a push.
const HOSTILE: [&[u8]; 19] = [
    b"-x",
    b"--upload-pack=touch_x",
    b"$(id)",
    b"`id`",
    b"a;b",
    b"a|b",
    b"<img/src=x>",
    b"\"q\"",
    b"{{x}}",
    b"%2e%2e",
    b"\xff\xfe",
    b"\xe2\x80\xaeabc",
    b"HEAD",
    b"@",
    b"__proto__",
    b"refs/heads/x",
    b"'quoted'",
    b"a&b#c",
    b"logs",
];

fn look_at(refs: &mut Refs, name: &RefName, seen: &Seen) -> Look {
    match look(refs, name, seen.cursor.as_ref()).unwrap() {
        Looked::Ref(look) => look,
        Looked::Symbolic(target) => panic!("{name} stands for {target}"),
    }
}

#[test]
fn hostile_names_are_listed_and_read() {
    for git in ["/usr/local/bin/git", "/usr/bin/git"] {
        let mut fixture = Fixture::with_commits(2);
        fixture.git = git.into();
        let prefixes: [&[u8]; 3] = [b"refs/heads/", b"refs/tags/", b"refs/anything/"];
        let names: BTreeSet<_> =
            HOSTILE.iter().flat_map(|end| prefixes.map(|prefix| ref_name([prefix, *end].concat()))).collect();
        let spec = |name: &RefName| {
            let id = fixture.commits[0].to_string();
            OsString::from_vec([id.as_bytes(), b":", name.as_bytes()].concat())
        };
        fixture.call().args(["push", "-q"]).arg(&fixture.repo).args(names.iter().map(spec)).run().unwrap();
        let mut refs = Refs::of(&fixture.repo);
        assert_eq!(names_to_look_at(&mut refs).unwrap(), names);
        let check = |refs: &mut Refs| {
            for name in &names {
                let verdict =
                    compare(&Seen::default(), &Keys::default(), &look_at(refs, name, &Seen::default()), &[]);
                assert_eq!(verdict.found.len(), 1, "{name}");
                assert_eq!((verdict.found[0].how, verdict.found[0].new), (How::Line, fixture.commits[0]));
            }
        };
        check(&mut refs);
        fixture.run(&["pack-refs", "--all", "--prune"]);
        check(&mut refs);
        assert_eq!(names_to_look_at(&mut refs).unwrap(), names);
    }
}

#[test]
fn a_push_to_an_alias_is_an_update_of_its_target() {
    let fixture = Fixture::with_commits(2);
    let (main, alias) = (ref_name("refs/heads/main"), ref_name("refs/heads/alias"));
    fixture.run(&["update-ref", "refs/heads/main", &fixture.commits[0].to_string()]);
    fixture.run(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    let push = format!("{}:refs/heads/alias", fixture.commits[1]);
    git_at(&fixture.repo).args(["push", "-q"]).arg(&fixture.repo).arg(push).run().unwrap();
    let mut refs = Refs::of(&fixture.repo);
    assert_eq!(log_refs(&fixture.repo).unwrap().len(), 2, "git writes both logs");
    assert_eq!(names_to_look_at(&mut refs).unwrap(), BTreeSet::from([main.clone()]));
    assert_eq!(look(&mut refs, &alias, None).unwrap(), Looked::Symbolic(main.clone()));
    assert_eq!(refs.resolve(&alias).unwrap(), main);
    let seen = Seen::default();
    assert_eq!(compare(&seen, &Keys::default(), &look_at(&mut refs, &main, &seen), &[]).found.len(), 2);
}

#[test]
fn a_cursor_holds_until_the_file_is_another() {
    let fixture = Fixture::with_commits(3);
    let main = ref_name("refs/heads/main");
    let mut refs = Refs::of(&fixture.repo);
    let update = |place: usize| {
        fixture.run(&["update-ref", "refs/heads/main", &fixture.commits[place].to_string()]);
    };
    update(0);
    let (seen, _) = baseline(&look_at(&mut refs, &main, &Seen::default()));
    update(1);
    let part = look_at(&mut refs, &main, &seen).log.unwrap();
    assert_eq!((part.from, part.entries.len()), (LogStart::Cursor(seen.cursor.unwrap()), 1));
    // The same inode with other bytes before the cursor counts as another file as well.
    let bytes = fs::read(fixture.log(&main)).unwrap();
    fs::write(fixture.log(&main), &bytes[1..]).unwrap();
    assert_eq!(look_at(&mut refs, &main, &seen).log.unwrap().from, LogStart::Beginning);
    fs::write(fixture.log(&main), &bytes).unwrap();
    assert!(matches!(look_at(&mut refs, &main, &seen).log.unwrap().from, LogStart::Cursor(_)));
    fixture.run(&["reflog", "expire", "--expire=never", "--all"]);
    let part = look_at(&mut refs, &main, &seen).log.unwrap();
    assert_eq!((part.from, part.entries.len()), (LogStart::Beginning, 2));
    // Half a line is not a line yet.
    let bytes = fs::read(fixture.log(&main)).unwrap();
    fs::write(fixture.log(&main), &bytes[..bytes.len() - 10]).unwrap();
    assert_eq!(look_at(&mut refs, &main, &Seen::default()).log.unwrap().entries.len(), 1);
    // The log of a deleted ref may have become a folder.
    fixture.run(&["update-ref", "-d", "refs/heads/main"]);
    fixture.run(&["update-ref", "refs/heads/main/below", &fixture.commits[0].to_string()]);
    assert_eq!(look_at(&mut refs, &main, &seen), Look { tip: crate::model::CommitId::ZERO, log: None });
}
