//! Data folders as older versions left them when everything was killed (`dev/fixture`): a newer quire reads all of
//! them, settles what was running, and takes up what waited.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::stories::world::World;

/// What has to be read from a data folder: `expected.json` beside it.
#[derive(Deserialize)]
pub(crate) struct Expected {
    pub(crate) runs: BTreeMap<String, ExpectedRun>,
    /// The run that was running when everything was killed.
    running: String,
    /// The commit of the push in the spool.
    spooled: String,
    /// Where the folder was.
    made_at: String,
}

#[derive(Deserialize)]
pub(crate) struct ExpectedRun {
    pub(crate) outcome: String,
    /// `Some` when the fixture says: null for none.
    #[serde(default, deserialize_with = "said")]
    reason: Option<Value>,
    sha: String,
    r#ref: String,
    pub(crate) jobs: BTreeMap<String, Value>,
    steps: usize,
    /// Something that its log holds.
    log: String,
}

fn said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A world over the data folder of a fixture.
pub(crate) fn unpacked(name: &str) -> (World, Expected) {
    let world = World::new();
    let archive =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("data-{name}.tar.gz"));
    let unpacked = world.run(world.command("tar").arg("-xzf").arg(archive));
    assert_eq!(unpacked.exit, 0, "{}", unpacked.output);
    let data = world.path().join("data");
    fs::remove_dir(&data).unwrap();
    fs::rename(world.path().join(format!("data-{name}")), &data).unwrap();
    let expected = fs::read(world.path().join("expected.json")).unwrap();
    let expected: Expected = serde_json::from_slice(&expected).unwrap();
    let config = fs::read_to_string(data.join("config.fnl")).unwrap();
    fs::write(data.join("config.fnl"), config.replace(&expected.made_at, data.to_str().unwrap())).unwrap();
    (world, expected)
}

pub(crate) fn quire(world: &World, args: &[&str]) -> String {
    let ended = world.run(world.command("quire").args(args));
    assert_eq!(ended.exit, 0, "quire {args:?}\n{}", ended.output);
    ended.output
}

fn show(world: &World, run: &str) -> Value {
    serde_json::from_str(&quire(world, &["show", run, "--json"])).unwrap()
}

/// Compares what is read of a run with what was left of it.
fn compare(world: &World, name: &str, expected: &ExpectedRun) {
    let run = show(world, name);
    let jobs = run["jobs"].as_array().unwrap();
    let outcomes = jobs.iter().map(|job| (job["id"].as_str().unwrap().to_owned(), job["outcome"].clone()));
    let steps: usize = jobs.iter().map(|job| job["steps"].as_array().unwrap().len()).sum();
    assert_eq!(run["outcome"], expected.outcome, "{name}");
    if let Some(reason) = &expected.reason {
        assert_eq!(run["reason"]["text"], *reason, "{name}");
    }
    assert_eq!((&run["sha"], &run["ref"]), (&expected.sha.clone().into(), &expected.r#ref.clone().into()));
    assert_eq!(outcomes.collect::<BTreeMap<_, _>>(), expected.jobs, "{name}");
    assert_eq!(steps, expected.steps, "{name}");
    assert!(run["problem"].is_null(), "{name}: {run}");
    if !expected.log.is_empty() {
        let log = quire(world, &["logs", name]);
        assert!(log.contains(&expected.log), "{name}: {log}");
    }
}

/// The runs of a commit whose outcome is known.
fn runs_of(world: &World, sha: &str) -> Vec<Value> {
    let runs: Vec<Value> =
        serde_json::from_str(&quire(world, &["runs", "--json", "--limit", "100"])).unwrap();
    runs.into_iter().filter(|run| run["sha"] == sha).collect()
}

/// Reads the data folder of a fixture, and continues with it.
fn read(name: &str) {
    let (mut world, expected) = unpacked(name);
    world.serve(&[]).unwrap();
    // Killed at its first start: nothing is done twice by the second.
    world.end_server("KILL");
    world.serve(&[]).unwrap();
    let is_settled = |world: &World| {
        let spooled = runs_of(world, &expected.spooled);
        show(world, &expected.running)["outcome"] == "interrupted"
            && spooled.iter().any(|run| run["outcome"] == "passed")
    };
    assert!(world.eventually(is_settled), "{}", world.serve_log());
    assert_eq!(runs_of(&world, &expected.spooled).len(), 1, "the spooled push runs once");
    for (run, expected) in &expected.runs {
        compare(&world, run, expected);
    }
    if expected.runs.contains_key("seen#1") {
        quire(&world, &["rerun", "seen#1"]);
        // For secrets the event of a watched repository is not that of a push.
        let database = rusqlite::Connection::open(world.path().join("data/quire.db")).unwrap();
        let sql =
            "SELECT group_concat(r.event) FROM runs r JOIN repos p ON p.id = r.repo WHERE p.name = 'seen'";
        let events: String = database.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(events, "watch,watch");
        let (seen, again) = (show(&world, "seen#1"), show(&world, "site#13"));
        assert_eq!((&seen["event"], &seen["pusher"]), (&"push".into(), &"watch".into()));
        assert_eq!((&again["event"], &again["attempt_of"]), (&"push".into(), &2.into()));
    }
    for outcome in ["passed", "failed", "skipped"] {
        // One that its jobs made so.
        let is_so = |run: &&ExpectedRun| run.outcome == outcome && !run.jobs.is_empty();
        let (of, _) = expected.runs.iter().find(|(_, run)| is_so(run)).unwrap();
        let again = quire(&world, &["rerun", of]);
        let ended = world.run(world.command("quire").args(["wait", again.trim()]));
        let run = show(&world, again.trim());
        assert_eq!(run["outcome"], outcome, "{of} again: {}", ended.output);
    }
}

#[test]
fn a_data_folder_of_version_0_1_0_is_read_and_continues() {
    read("0.1.0");
}

#[test]
fn a_data_folder_with_journals_of_version_1_is_read_and_continues() {
    read("journal-1");
}

#[test]
fn every_fixture_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["data-0.1.0.tar.gz", "data-journal-1.tar.gz"]);
}
