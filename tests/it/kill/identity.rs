//! Which folder is which repository: copies, renames, folders that come while the server runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::forge::{Forge, me};
use super::wait::until_true;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn name_of(forge: &Forge, id: &str) -> String {
    let connection = quire::store::open_read_only(&forge.path("data/quire.db")).unwrap();
    connection
        .query_row("SELECT name FROM repos WHERE id = ?1 AND present = 1", [id], |row| row.get(0))
        .unwrap()
}

fn id_of(repo: &Path) -> String {
    let text = fs::read_to_string(repo.join("quire.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_copied_repository_takes_nothing_from_the_original() {
    let mut forge = Forge::new("{}", "true");
    forge.start();
    forge.push("HEAD:refs/heads/main").go().accepted();
    assert_eq!(forge.outcome(1), "passed");
    let (repo, id) = (forge.repo(), id_of(&forge.repo()));
    let copies = [forge.path("data/repos/aaa.git"), forge.path("data/repos/g/z.git")];
    copies.iter().for_each(|to| copy(&repo, to));
    until_true("the copies are named", || {
        let log = forge.server_log();
        ["aaa: copy of `foo`", "g/z: copy of `foo`"].iter().all(|line| log.contains(line))
    });
    // A push to a copy is refused and says why; one to the original has its run.
    forge.commit("true");
    for copy in &copies {
        let refused = forge.push("HEAD:refs/heads/main").to(copy).go();
        assert!(
            !refused.is_accepted && refused.text.contains("is a copy of another repository"),
            "{}",
            refused.text
        );
    }
    forge.push("HEAD:refs/heads/main").go().accepted();
    assert_eq!(forge.outcome(2), "passed");
    forge.kill_server();
    forge.start();
    forge.settle();
    assert_eq!((name_of(&forge, &id).as_str(), forge.updates("refs/heads/main").len()), ("foo", 2));
    // Adopted while the server runs, it is one of its own, and watched at once.
    forge.quire(["repo", "adopt", "aaa"]);
    until_true("the adopted copy is known", || forge.server_knows(&id_of(&copies[0])));
    forge.push("HEAD:refs/heads/new").to(&copies[0]).option("ci.skip").go().accepted();
    assert_eq!(forge.updates("refs/heads/new").len(), 1);
}

#[test]
fn a_repository_that_is_renamed_while_the_server_is_down_keeps_its_pushes() {
    let mut forge = Forge::new("{}", "true");
    // The server has never seen it under its first name.
    forge.push("HEAD:refs/heads/main").option("ci.skip").go().accepted();
    let id = id_of(&forge.repo());
    fs::rename(forge.repo(), forge.path("data/repos/other.git")).unwrap();
    forge.quire(["repo", "new", "foo"]);
    forge.push("HEAD:refs/heads/second").option("ci.skip").go().accepted();
    forge.start();
    forge.settle();
    assert_eq!(name_of(&forge, &id), "other");
    for branch in ["refs/heads/main", "refs/heads/second"] {
        let updates = forge.updates(branch);
        assert_eq!(
            (updates.len(), updates[0].runs, updates[0].pusher.clone()),
            (1, 1, me()),
            "{branch}: {updates:?}"
        );
        assert_eq!(updates[0].options, Some(vec!["ci.skip".to_owned()]), "{branch}");
    }
}

#[test]
fn a_data_folder_that_was_moved_has_its_hooks_again() {
    let mut forge = Forge::new("{}", "true");
    let repo = forge.repo();
    let config = ["-C".as_ref(), repo.as_os_str(), "config".as_ref(), "core.hooksPath".as_ref()];
    let own = forge.git(config);
    forge.git(config.into_iter().chain(["/where/it/was/hooks".as_ref()]));
    forge.start();
    assert!(forge.server_log().contains("are repaired"), "{}", forge.server_log());
    assert_eq!(forge.git(config), own);
    forge.push("HEAD:refs/heads/main").option("ci.skip").go().accepted();
    assert_eq!(forge.updates("refs/heads/main")[0].pusher, me());
}
