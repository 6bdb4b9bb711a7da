//! The default branch, with repositories of real git.

use std::fs;

use crate::model::RefName;

use super::default_branch::{follow_first_push, missing_default_branch};
use super::fixture::{Fixture, ref_name};
use super::*;

fn head(fixture: &Fixture) -> String {
    head_branch(&fixture.repo).unwrap().to_string()
}

#[test]
fn an_unborn_head_follows_the_first_push_and_no_later_one() {
    for (pushed, expected) in [
        (vec!["refs/heads/topic"], "refs/heads/topic"),
        (vec!["refs/heads/main/x"], "refs/heads/main/x"),
        (vec!["refs/heads/z", "refs/heads/a"], "refs/heads/z"),
        (vec!["refs/heads/a", "refs/heads/trunk", "refs/heads/master"], "refs/heads/master"),
        (vec!["refs/tags/v1", "refs/pull/1/head"], "refs/heads/main"),
    ] {
        let fixture = Fixture::with_commits(1);
        let names: Vec<RefName> = pushed.iter().map(ref_name).collect();
        for name in &pushed {
            fixture.run(&["update-ref", name, &fixture.commits[0].to_string()]);
        }
        let followed = follow_first_push(&fixture.repo, &names).unwrap();
        assert_eq!(followed.is_some(), expected != "refs/heads/main", "{pushed:?}");
        assert_eq!(head(&fixture), expected);
        fixture.run(&["update-ref", "refs/heads/later", &fixture.commits[0].to_string()]);
        let later = follow_first_push(&fixture.repo, &[ref_name("refs/heads/later")]).unwrap();
        assert_eq!(later.is_some(), expected == "refs/heads/main");
        assert!(!fixture.repo.join("HEAD.lock").exists());
    }
}

#[test]
fn branches_that_arrived_without_a_push_count_also_when_packed() {
    let fixture = Fixture::with_commits(1);
    fixture.run(&["update-ref", "refs/heads/master", &fixture.commits[0].to_string()]);
    fixture.run(&["pack-refs", "--all"]);
    let missing = missing_default_branch(&fixture.repo).unwrap();
    assert_eq!(missing, Some(ref_name("refs/heads/main")));
    follow_first_push(&fixture.repo, &[]).unwrap();
    assert_eq!(head(&fixture), "refs/heads/master");
    assert_eq!(missing_default_branch(&fixture.repo).unwrap(), None);
}

#[test]
fn a_detached_head_is_left_alone() {
    let fixture = Fixture::with_commits(1);
    fs::write(fixture.repo.join("HEAD"), format!("{}\n", fixture.commits[0])).unwrap();
    fixture.run(&["update-ref", "refs/heads/a", &fixture.commits[0].to_string()]);
    assert_eq!(follow_first_push(&fixture.repo, &[ref_name("refs/heads/a")]).unwrap(), None);
}
