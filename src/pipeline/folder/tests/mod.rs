mod aliases;
mod arguments;
mod configs;
mod index;

use std::fs;
use std::path::Path;

use serde_json::json;

use super::discover::DiscoverError;
use super::*;

fn discover(root: &Path) -> Result<Discovery, DiscoverError> {
    discover_with_index(root, None)
}

pub(super) fn job(root: &Path, path: &str, config: &str) {
    let folder = root.join(path).join("config.d");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.yaml"), config).unwrap();
}

fn ids(found: &Discovery) -> Vec<&str> {
    found.jobs.iter().map(|job| job.id.as_str()).collect()
}

fn errors(found: &Discovery) -> Vec<String> {
    let root = found.root.display().to_string();
    found.errors.iter().map(|error| format!("{}: {}", error.path.replace(&root, ""), error.error)).collect()
}

const DEMO: &str = "version: v1\njob: {id: demo, name: Demo, summary: Greets somebody}\ninterpreter: bash\nenv: {GREETING: hello}\n\
    argspec:\n  args:\n    - {name: name, type: string, required: true, description: Who}\n    - {name: tags, type: array, items_type: string}\n\
    \x20   - {name: loud, type: boolean}\n    - {name: count, type: integer, default: 1}\n    - {name: secret_token, type: string, format: secret}\n";

#[test]
fn jobs_are_found_in_both_layouts_at_any_depth() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    assert!(discover(&root.join("missing")).unwrap().jobs.is_empty());
    job(root, "demo", DEMO);
    job(root, "ops/db/backup", "interpreter: bash\n");
    fs::create_dir_all(root.join("flat")).unwrap();
    fs::write(root.join("flat/Config.YAML"), "interpreter: sh\n").unwrap();
    // Not a job: the configuration of something else.
    fs::create_dir_all(root.join("flat/data")).unwrap();
    fs::write(root.join("flat/data/config.yaml"), "server: {port: 80}\n").unwrap();
    job(root, ".hidden", "interpreter: sh\n");
    // A job that names nothing that makes it one.
    fs::create_dir_all(root.join("flat/like")).unwrap();
    fs::write(root.join("flat/like/config.yaml"), "executor: container\ncontainer: {image: x}\n").unwrap();
    let found = discover(root).unwrap();
    assert_eq!(ids(&found), ["demo", "flat", "ops.db.backup"]);
    let wrong = errors(&found);
    assert!(
        wrong.len() == 1 && wrong[0].starts_with("/flat/like/config.yaml: this looks like a job"),
        "{wrong:?}"
    );
    for name in ["ops.db.backup", "ops/db/backup", "OPS.Db/Backup"] {
        assert_eq!(found.find(name).unwrap().path, "ops/db/backup", "{name}");
    }
    let words = ["ops", "db", "backup", "--x", "1"];
    assert!(matches!(found.find_words(&words), Some((job, 3)) if job.id == "ops.db.backup"));
    let demo = found.find("demo").unwrap();
    assert_eq!((demo.name.as_str(), demo.summary.as_deref()), ("Demo", Some("Greets somebody")));
    assert_eq!(demo.config.args.len(), 5);
    assert_eq!(
        serde_json::to_value(&demo.config.args[4]).unwrap(),
        json!({"name": "secret_token", "type": "string", "format": "secret", "secret": true})
    );
}

#[test]
fn a_root_that_is_a_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scripts");
    fs::write(&file, "").unwrap();
    let error = discover(&file).unwrap_err().to_string();
    assert_eq!(error, format!("root {} is not a directory", file.display()));
}

#[test]
fn an_id_is_that_of_the_file_or_the_path_with_dots() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    job(root, ".", "interpreter: sh\n");
    job(
        root,
        "a/one",
        "job: {id: first, name: One}\njobs: [{id: second, summary: the other}, {id: third/deep}]\n",
    );
    job(root, "b", "job: {id: FIRST}\n");
    job(root, "first", "");
    let found = discover(root).unwrap();
    assert_eq!(ids(&found), [".", "first", "second", "third/deep", "FIRST", "first"]);
    // The first one in the order of paths has the id; a second one is an error.
    assert_eq!(found.find("First").unwrap().path, "a/one");
    assert_eq!(found.find("third.deep").unwrap().id, "third/deep");
    assert_eq!(found.find("A.One").unwrap().id, "first");
    assert_eq!(found.find(".").unwrap().path, ".");
    let errors = errors(&found);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("/b/config.d/config.yaml: `FIRST` is the id of "), "{errors:?}");
    for wrong in ["", "x", "first.", "..", "a/../b", "first/second"] {
        assert!(found.find(wrong).is_none() || wrong == "first.", "{wrong:?}");
    }
    let [second, third] = ["second", "third/deep"].map(|id| found.find(id).unwrap());
    assert!(std::sync::Arc::ptr_eq(&second.config, &third.config));
    assert_eq!((second.name.as_str(), second.summary.as_deref()), ("second", Some("the other")));
}

#[test]
fn names_that_no_job_can_have_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (place, id) in ["../x", "-rf", ":jobs", "a..b", "", "a\tb"].iter().enumerate() {
        job(root, &format!("j{place}"), &format!("job: {{id: \"{id}\"}}\n"));
    }
    job(root, "-dash", "");
    let found = discover(root).unwrap();
    assert_eq!(found.errors.len(), 7, "{:?}", found.errors);
    assert!(
        errors(&found)[1].starts_with("/j0/config.d/config.yaml: 1:11: `../x` is not a valid job id"),
        "{:?}",
        errors(&found)
    );
    // The job is listed by its path, and cannot run.
    assert!(found.find("j0").unwrap().usable().is_err());
    assert!(found.find("-dash").is_none());
}

#[test]
fn no_link_is_followed_and_no_pipe_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let [root, other] = ["scripts", "other"].map(|name| folder.path().join(name));
    job(&other, "secret", "interpreter: sh\n");
    fs::create_dir_all(root.join("linked/config.d")).unwrap();
    std::os::unix::fs::symlink(&other, root.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(
        other.join("secret/config.d/config.yaml"),
        root.join("linked/config.d/config.yaml"),
    )
    .unwrap();
    std::os::unix::fs::symlink(other.join("secret/config.d"), root.join("config.d")).unwrap();
    fs::create_dir_all(root.join("pipe/config.d")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("pipe/config.d/config.yaml"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    std::os::unix::fs::symlink(".", root.join("loop")).unwrap();
    let found = discover(&root).unwrap();
    assert!(found.jobs.is_empty() && found.errors.is_empty(), "{found:?}");
    // The root itself may be a link: its place was chosen.
    std::os::unix::fs::symlink(&other, folder.path().join("root")).unwrap();
    assert_eq!(ids(&discover(&folder.path().join("root")).unwrap()), ["secret"]);
}

#[test]
fn depth_is_limited_at_the_limit_and_above() {
    let folder = tempfile::tempdir().unwrap();
    let path = |depth: usize| vec!["d"; depth].join("/");
    job(folder.path(), &path(16), "");
    assert_eq!(discover(folder.path()).unwrap().jobs.len(), 1);
    job(folder.path(), &path(17), "");
    let found = discover(folder.path()).unwrap();
    assert_eq!(found.jobs.len(), 1);
    assert!(errors(&found)[0].contains("nested more than 16 deep"), "{:?}", found.errors);
}

#[test]
fn words_name_the_longest_job_then_an_alias() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    job(root, "ops", "");
    job(root, "ops/db", "job: {id: database}\n");
    fs::write(root.join("flwd.yaml"), "aliases: [{from: ops/db, to: d}]\n").unwrap();
    let found = discover(root).unwrap();
    let named = |words: &[&str]| found.find_words(words).map(|(job, count)| (job.id.clone(), count));
    assert_eq!(named(&["ops"]), Some(("ops".into(), 1)));
    assert_eq!(named(&["ops", "DB", "x"]), Some(("database".into(), 2)));
    assert_eq!(named(&["database", "ops"]), Some(("database".into(), 1)));
    assert_eq!(named(&["ops", "--db"]), Some(("ops".into(), 1)));
    assert_eq!(named(&["D", "x"]), Some(("database".into(), 1)));
    for words in [&["none"][..], &[], &["--ops"], &["", "ops"]] {
        assert_eq!(named(words), None, "{words:?}");
    }
}

#[test]
fn scripts_come_in_order_and_levels_from_the_root_down() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("scripts");
    job(&root, "a/b", "interpreter: sh\n");
    fs::create_dir_all(root.join("config.d/vars")).unwrap();
    let dir = root.join("a/b");
    for name in ["999_last", "000_first", "050_next", "12_no", "1234_no", "100_old~", "README"] {
        fs::write(dir.join(name), "").unwrap();
    }
    fs::create_dir(dir.join("200_folder")).unwrap();
    fs::write(root.join("shared.sh"), "").unwrap();
    std::os::unix::fs::symlink("../../shared.sh", dir.join("300_shared")).unwrap();
    let found = discover(&root).unwrap();
    let job = found.find("a.b").unwrap();
    let names: Vec<String> = job.scripts().unwrap().into_iter().map(|script| script.id).collect();
    assert_eq!(names, ["000_first", "050_next", "300_shared", "999_last"]);
    assert_eq!(job.levels(), [root.join("config.d"), dir.join("config.d")]);
    fs::write(folder.path().join("outside"), "").unwrap();
    std::os::unix::fs::symlink("../../../outside", dir.join("400_out")).unwrap();
    assert!(job.scripts().unwrap_err().to_string().contains("400_out is a link that leads out of"));
}
