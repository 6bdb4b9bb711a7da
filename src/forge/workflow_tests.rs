//! Workflow files in real repositories.

use super::open_tests::commit;
use super::*;
use crate::forge::fixture::Fixture;
use crate::model::{CommitId, RefName};

fn name(text: &str) -> RefName {
    RefName::parse(text.as_bytes()).unwrap()
}

#[test]
fn only_the_file_of_the_branch_counts() {
    let fixture = Fixture::with_commits(1);
    let repo = Repo::open(&fixture.repo).unwrap();
    let entries: [(&str, &str, &[u8]); 5] = [
        ("workflow/main.toml", "100644", b"main"),
        ("workflow/a/b.toml", "100644", b"nested"),
        ("workflow/link.toml", "120000", b"main.toml"),
        ("workflow/folder.toml/x", "100644", b"x"),
        ("workflow/.toml", "100644", b"nameless"),
    ];
    let id = commit(&fixture, &entries);
    let content = |name: &RefName| repo.workflow_file(id, name).unwrap().map(|file| file.content);
    let has = |id: CommitId, text: &str| repo.has_pipeline(id, &name(text)).unwrap();
    for (ref_name, expected) in [
        ("refs/heads/main", Some(&b"main"[..])),
        ("refs/heads/a/b", Some(b"nested")),
        ("refs/heads/a", None),
        ("refs/heads/other", None),
        ("refs/heads/folder", None),
        ("refs/tags/main", None),
        ("refs/notes/main", None),
        ("refs/heads", None),
    ] {
        assert_eq!(content(&name(ref_name)).as_deref(), expected, "{ref_name}");
        assert_eq!(has(id, ref_name), expected.is_some(), "{ref_name}");
    }
    let found = repo.workflow_file(id, &name("refs/heads/a/b")).unwrap().unwrap();
    assert_eq!(found.path, "workflow/a/b.toml");
    assert!(has(id, "refs/heads/link"));
    assert!(matches!(repo.workflow_file(id, &name("refs/heads/link")), Err(ReadError::Link(_))));
    assert!(!has(fixture.commits[0], "refs/heads/main"));
    for (path, mode) in [("workflow", "120000"), ("workflow", "160000"), ("workflow", "100644")] {
        let id = commit(&fixture, &[(path, mode, b".")]);
        assert_eq!(repo.workflow_file(id, &name("refs/heads/main")).unwrap(), None, "{mode}");
        assert!(!has(id, "refs/heads/main"), "{mode}");
    }
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let fixture = Fixture::with_commits(1);
    let repo = Repo::open(&fixture.repo).unwrap();
    let id = commit(&fixture, &[("secret.toml", "100644", b"x"), ("workflow/main.toml", "100644", b"x")]);
    for outside in ["refs/heads/../secret", "refs/heads//secret", "refs/heads/./../secret", "refs/heads/"] {
        assert!(RefName::parse(outside.as_bytes()).is_err(), "{outside}");
    }
    for odd in ["refs/heads/..secret", "refs/heads/\\..\\secret", "refs/heads/Main", "refs/heads/%2e%2e"] {
        assert_eq!(repo.workflow_file(id, &name(odd)).unwrap(), None, "{odd}");
        assert!(workflow_path(&name(odd)).unwrap().starts_with("workflow"), "{odd}");
    }
    let bytes = RefName::parse(b"refs/heads/\xff").unwrap();
    assert_eq!(repo.workflow_file(id, &bytes).unwrap(), None);
}

#[test]
fn a_workflow_has_the_limit_of_a_pipeline_file() {
    let fixture = Fixture::with_commits(1);
    let repo = Repo::open(&fixture.repo).unwrap();
    let limit = usize::try_from(MAX_PIPELINE_FILE).unwrap();
    let main = name("refs/heads/main");
    let at = commit(&fixture, &[("workflow/main.toml", "100644", &vec![b' '; limit])]);
    assert_eq!(repo.workflow_file(at, &main).unwrap().unwrap().content.len(), limit);
    let over = commit(&fixture, &[("workflow/main.toml", "100644", &vec![b' '; limit + 1])]);
    let error = repo.workflow_file(over, &main).unwrap_err();
    assert_eq!(error.to_string(), "workflow/main.toml has 1048577 bytes, more than 1048576");
}
