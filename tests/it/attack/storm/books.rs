//! Compares the books of the clients with what quire has recorded, and the runs with what their steps wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::super::{Count, Harm};
use super::Storm;
use super::client::{Moved, SHARED};
use super::keeper::RunName;
use super::targets::ZERO;

/// A recorded update.
struct Recorded {
    moved: Moved,
    decision: String,
    runs: usize,
}

/// A recorded run.
struct Run {
    name: RunName,
    id: String,
    ref_name: String,
    sha: String,
    options: Vec<String>,
    state: String,
    outcome: Option<String>,
    reason: Option<String>,
}

/// Compares everything.
pub(super) fn compare(storm: &Storm<'_>, moved: &[Moved], killed: &BTreeSet<RunName>) {
    let recorded = updates(storm);
    compare_updates(storm, moved, &recorded);
    for update in &recorded {
        compare_decision(storm, update);
    }
    let runs = runs(storm);
    storm.count(Count::Runs, runs.len() as u64);
    let marks = marks(&storm.marks);
    for run in &runs {
        compare_run(storm, run, &marks, killed);
    }
    for id in marks.keys().filter(|id| runs.iter().all(|run| run.id != **id)) {
        storm.harm(Harm::Doubled, &format!("the run {id} was executed and is not recorded"));
    }
    compare_listing(storm, &runs);
}

fn updates(storm: &Storm<'_>) -> Vec<Recorded> {
    let connection = storm.database().unwrap();
    let mut statement = connection
        .prepare(
            "SELECT r.name, u.ref, u.old, u.new, u.pusher, p.options, u.decision,
                    (SELECT count(*) FROM runs WHERE runs.update_id = u.id)
             FROM updates u JOIN repos r ON r.id = u.repo LEFT JOIN pushes p USING (push) ORDER BY u.id",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        let (ref_name, options): (Vec<u8>, Option<String>) = (row.get(1)?, row.get(5)?);
        let pusher: Option<String> = row.get(4)?;
        let options = options.map(|text| serde_json::from_str(&text).unwrap());
        let said = (pusher.is_some() || options.is_some())
            .then(|| (pusher.unwrap_or_default(), options.unwrap_or_default()));
        let ref_name = String::from_utf8(ref_name).unwrap();
        let moved = Moved { repo: row.get(0)?, ref_name, old: row.get(2)?, new: row.get(3)?, said };
        let runs: i64 = row.get(7)?;
        Ok(Recorded { moved, decision: row.get(6)?, runs: usize::try_from(runs).unwrap() })
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

fn runs(storm: &Storm<'_>) -> Vec<Run> {
    let connection = storm.database().unwrap();
    let mut statement = connection
        .prepare(
            "SELECT r.name, number, runs.id, ref, sha, options, state, outcome, reason
             FROM runs JOIN repos r ON r.id = runs.repo ORDER BY seq",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        let number: i64 = row.get(1)?;
        let options: String = row.get(5)?;
        Ok(Run {
            name: (row.get(0)?, u64::try_from(number).unwrap()),
            id: row.get(2)?,
            ref_name: String::from_utf8(row.get(3)?).unwrap(),
            sha: row.get(4)?,
            options: serde_json::from_str(&options).unwrap(),
            state: row.get(6)?,
            outcome: row.get(7)?,
            reason: row.get(8)?,
        })
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// What clients and quire say of each ref, by repository and name.
type BothBooks<'a> = BTreeMap<(&'a str, &'a str), (Vec<Moved>, Vec<Moved>)>;

/// The values between which a ref was moved, whoever did it.
fn moves(moved: &[Moved]) -> Vec<(&str, &str)> {
    moved.iter().map(|one| (one.old.as_str(), one.new.as_str())).collect()
}

/// Compares the moves of each ref with its records: in order, but for the ref of all, whose order nobody knows.
fn compare_updates(storm: &Storm<'_>, moved: &[Moved], recorded: &[Recorded]) {
    let mut refs = BothBooks::new();
    for one in moved {
        refs.entry((&one.repo, &one.ref_name)).or_default().0.push(one.clone());
    }
    for one in recorded {
        refs.entry((&one.moved.repo, &one.moved.ref_name)).or_default().1.push(one.moved.clone());
    }
    for ((repo, ref_name), (mut expected, mut found)) in refs {
        if ref_name == SHARED {
            expected.sort();
            found.sort();
        }
        if expected == found {
            continue;
        }
        // Two clients that push the same move of one ref at once: whose it was is known only to git when no report has come.
        let is_certain = |one: &&Moved| (one.repo.as_str(), one.ref_name.as_str()) == (repo, ref_name);
        let reported = storm.reported.lock().unwrap();
        let is_recorded = reported.iter().filter(is_certain).all(|one| found.contains(one));
        if ref_name == SHARED && is_recorded && moves(&expected) == moves(&found) {
            continue;
        }
        let where_it_is = format!(
            "{repo} {ref_name}\n  moved:    {}\n  recorded: {}",
            describe(&expected),
            describe(&found)
        );
        let (lost, doubled) = (missing(&expected, &found), missing(&found, &expected));
        for one in &lost {
            storm.harm(Harm::Lost, &format!("{} in {where_it_is}", describe(std::slice::from_ref(one))));
        }
        for one in &doubled {
            storm.harm(Harm::Doubled, &format!("{} in {where_it_is}", describe(std::slice::from_ref(one))));
        }
        if lost.is_empty() && doubled.is_empty() {
            storm.harm(Harm::Wrong, &format!("pusher, options or order differ in {where_it_is}"));
        }
    }
}

/// The moves that are more often in one list than in the other, whoever made them.
fn missing(list: &[Moved], other: &[Moved]) -> Vec<Moved> {
    let mut left: Vec<&Moved> = other.iter().collect();
    let is_missing =
        |one: &&Moved| match left.iter().position(|two| (&two.old, &two.new) == (&one.old, &one.new)) {
            Some(place) => {
                left.remove(place);
                false
            }
            None => true,
        };
    list.iter().filter(is_missing).cloned().collect()
}

fn describe(moves: &[Moved]) -> String {
    let one = |one: &Moved| {
        let said = one
            .said
            .as_ref()
            .map_or_else(|| "by hand".to_owned(), |(who, options)| format!("{who} {options:?}"));
        format!("{}→{} ({said})", &one.old[..6], &one.new[..6])
    };
    moves.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What follows from an update: a run for each branch and tag that leads to a pipeline.
fn compare_decision(storm: &Storm<'_>, update: &Recorded) {
    let moved = &update.moved;
    let target = storm.targets.of(&moved.new);
    let expected = match target {
        _ if moved.new == ZERO => "deleted",
        _ if moved.ref_name.starts_with("refs/notes/") => "not a branch or tag",
        Some(target) if target.has_pipeline => "run",
        Some(_) | None => "no pipeline",
    };
    let runs = usize::from(expected == "run");
    if update.decision != expected {
        let said = format!(
            "{} {}: decided {:?}, not {expected:?}",
            describe(std::slice::from_ref(moved)),
            moved.ref_name,
            update.decision
        );
        storm.harm(Harm::Wrong, &said);
    } else if update.runs != runs {
        let harm = if update.runs < runs { Harm::Lost } else { Harm::Doubled };
        storm.harm(harm, &format!("{} has {} runs", describe(std::slice::from_ref(moved)), update.runs));
    }
}

/// How often the step of a run has begun and ended, by the run's id; with the commits that it saw.
type Marks = BTreeMap<String, (usize, usize, BTreeSet<String>)>;

fn marks(path: &Path) -> Marks {
    let mut marks = Marks::new();
    for line in fs::read_to_string(path).unwrap_or_default().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, id, sha] = words.as_slice() else { panic!("a torn mark: {line:?}") };
        let (begun, ended, commits) = marks.entry((*id).to_owned()).or_default();
        *(if *what == "begin" { begun } else { ended }) += 1;
        commits.insert((*sha).to_owned());
    }
    marks
}

fn compare_run(storm: &Storm<'_>, run: &Run, marks: &Marks, killed: &BTreeSet<RunName>) {
    let (begun, ended, commits) = marks.get(&run.id).cloned().unwrap_or_default();
    let said = || {
        let (repo, number) = &run.name;
        let (outcome, reason) =
            (run.outcome.as_deref().unwrap_or("none"), run.reason.as_deref().unwrap_or(""));
        let Run { ref_name, options, .. } = run;
        format!(
            "{repo}#{number} {ref_name} {options:?} ended {outcome} ({reason}), begun {begun}, ended {ended} times"
        )
    };
    if begun > 1 {
        storm.harm(Harm::Doubled, &said());
    }
    if commits.iter().any(|commit| *commit != run.sha) {
        storm.harm(Harm::Wrong, &format!("{}: it saw {commits:?}, not {}", said(), run.sha));
    }
    let is_skip = run.options.iter().any(|option| option == "ci.skip");
    let fits = match run.outcome.as_deref() {
        _ if run.state != "finished" => false,
        Some("passed") => (begun, ended) == (1, 1) && !is_skip,
        Some("skipped") => begun == 0 && is_skip,
        Some("superseded") => run.ref_name.starts_with("refs/heads/"),
        Some("interrupted") => killed.contains(&run.name) || storm.disk.is_some(),
        // What could not be written on a full disk; its step may have passed.
        Some("failed") => storm.disk.is_some(),
        _ => false,
    };
    if !fits {
        storm.harm(Harm::Wrong, &said());
    }
    compare_journal(storm, run);
}

/// A journal has one end at most, or a green one that the server has overruled; the last is that of the row.
fn compare_journal(storm: &Storm<'_>, run: &Run) {
    let (repo, number) = &run.name;
    let folder = storm.world.path().join(format!("data/runs/{repo}.git/{number}"));
    if folder.join("work").symlink_metadata().is_ok() {
        storm.harm(Harm::Wrong, &format!("{repo}#{number} has left its workspace"));
    }
    let Ok(text) = fs::read_to_string(folder.join("journal.ndjson")) else { return };
    let facts = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let ends: Vec<_> = facts.filter(|line| line["fact"]["kind"] == "run-ended").collect();
    let outcomes: Vec<_> = ends.iter().filter_map(|line| line["fact"]["end"]["outcome"].as_str()).collect();
    let is_superseded_unbegun = ends.is_empty() && run.outcome.as_deref() == Some("superseded");
    let outcomes = match outcomes.as_slice() {
        ["passed" | "skipped", "interrupted"] => vec!["interrupted"],
        _ => outcomes,
    };
    if outcomes != [run.outcome.as_deref().unwrap_or_default()] && !is_superseded_unbegun {
        let said = format!("{repo}#{number} is {:?}, and its journal ends with {outcomes:?}", run.outcome);
        storm.harm(Harm::Wrong, &said);
    }
}

/// `quire runs --json` gives the rows.
fn compare_listing(storm: &Storm<'_>, runs: &[Run]) {
    let mut quire = storm.world.command("quire");
    let listed = storm.world.run(quire.args(["runs", "--limit", "100000", "--json"]));
    let values: Vec<serde_json::Value> = serde_json::from_str(&listed.output).unwrap_or_default();
    let of_row = |run: &Run| (run.name.clone(), run.id.clone(), run.outcome.clone());
    let of_value = |value: &serde_json::Value| {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let name = (text("repo").unwrap_or_default(), value["number"].as_u64().unwrap_or_default());
        (name, text("id").unwrap_or_default(), text("outcome"))
    };
    let rows: BTreeSet<_> = runs.iter().map(of_row).collect();
    let listed: BTreeSet<_> = values.iter().map(of_value).collect();
    for other in rows.symmetric_difference(&listed) {
        storm.harm(Harm::Wrong, &format!("`quire runs` and the database differ in {other:?}"));
    }
}
