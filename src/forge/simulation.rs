//! Random operations by real git on a real repository, observed after each operation, seldom, or all the time.
//!
//! `QUIRE_SIM_OPS` and `QUIRE_SIM_SEEDS` make it larger.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::{CommitId, RefName};
use crate::sys::clock;

use super::fixture::{Fixture, git_at, ref_name};
use super::ledger::{Claim, Keys, Report, Seen, compare};
use super::look::{Looked, look, names_to_look_at};
use super::look_error::LookError;
use super::refs::Refs;

/// The refs that the operations change.
const NAMES: [&[u8]; 8] = [
    b"refs/heads/main",
    b"refs/heads/a",
    b"refs/heads/-x",
    b"refs/heads/$(id)",
    b"refs/heads/\xff\xfe",
    b"refs/tags/v1",
    b"refs/x/y/z",
    b"refs/heads/deep/er",
];

const ALIAS: &[u8] = b"refs/heads/alias";

type Step = (RefName, CommitId, CommitId);

/// A small random number generator with a fixed seed.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// The state that quire has stored.
#[derive(Default)]
struct Store(BTreeMap<RefName, (Seen, Keys)>);

impl Store {
    /// Observes every ref once and stores the result.
    fn look_at_all(&mut self, refs: &mut Refs, reports: &[(RefName, Report)]) -> Vec<Step> {
        let mut names = names_to_look_at(refs).unwrap();
        names.extend(self.0.keys().cloned());
        let mut found = Vec::new();
        for name in names {
            let (seen, keys) = self.0.entry(name.clone()).or_default();
            let look = match look(refs, &name, seen.cursor.as_ref()) {
                Ok(Looked::Ref(look)) => look,
                Ok(Looked::Symbolic(target)) => panic!("{name} stands for {target}"),
                Err(LookError::Busy { .. }) => continue,
                Err(error) => panic!("{error}"),
            };
            let reports: Vec<_> =
                reports.iter().filter(|(of, _)| *of == name).map(|(_, r)| r.clone()).collect();
            let verdict = compare(seen, keys, &look, &reports);
            found.extend(verdict.found.into_iter().map(|found| (name.clone(), found.old, found.new)));
            *seen = verdict.seen;
            keys.apply(verdict.keys);
        }
        found
    }
}

/// A repository under random operations.
struct Sim {
    fixture: Fixture,
    clone: PathBuf,
    random: Random,
    values: BTreeMap<RefName, CommitId>,
    truth: Vec<Step>,
    reports: Vec<(RefName, Report)>,
    /// Refs whose evidence was removed since the last observation: deleted, expired, torn.
    blind: BTreeSet<RefName>,
    pushes: u64,
    retry: Option<(RefName, CommitId)>,
}

impl Sim {
    fn new(seed: u64) -> Self {
        let fixture = Fixture::with_commits(12);
        let clone = fixture.dir.path().join("clone");
        git_at(fixture.dir.path()).args(["clone", "-q", "--shared", "repo.git", "clone"]).run().unwrap();
        let alias = OsStr::from_bytes(ALIAS);
        fixture.call().args(["symbolic-ref".as_ref(), alias, "refs/heads/main".as_ref()]).run().unwrap();
        Self {
            fixture,
            clone,
            random: Random::new(seed),
            values: BTreeMap::new(),
            truth: Vec::new(),
            reports: Vec::new(),
            blind: BTreeSet::new(),
            pushes: 0,
            retry: None,
        }
    }

    fn any_name(&mut self) -> RefName {
        ref_name(NAMES[self.random.below(NAMES.len())])
    }

    /// A commit that differs from the ref's value; few, so that equal steps come back.
    fn any_target(&mut self, name: &RefName) -> CommitId {
        loop {
            let commit = self.fixture.commits[self.random.below(4)];
            if self.value(name) != commit {
                return commit;
            }
        }
    }

    fn value(&self, name: &RefName) -> CommitId {
        self.values.get(name).copied().unwrap_or(CommitId::ZERO)
    }

    fn moved(&mut self, name: &RefName, new: CommitId) {
        let old = self.values.insert(name.clone(), new).unwrap_or(CommitId::ZERO);
        if old != new {
            self.truth.push((name.clone(), old, new));
        }
        if new.is_zero() {
            self.blind.insert(name.clone());
        }
    }

    /// Does one operation. Without `faults` no evidence is removed.
    fn operate(&mut self, faults: bool) {
        if let Some((name, target)) = self.retry.take() {
            return self.update_ref(&name, target);
        }
        match self.random.below(if faults { 20 } else { 13 }) {
            0..=4 => self.push(),
            5..=6 => {
                let name = self.any_name();
                let target = self.any_target(&name);
                self.update_ref(&name, target);
            }
            7..=8 => self.transaction(faults),
            9..=10 => self.phantom(),
            11 => drop(self.fixture.run(&["pack-refs", "--all", "--prune"])),
            12 => drop(self.fixture.run(&["reflog", "expire", "--expire=never", "--all"])),
            13..=14 => self.delete_and_recreate(),
            15 => self.rename(),
            16 => drop(self.fixture.run(&["gc", "-q"])),
            17 => {
                let which = ["--expire=now", "--expire-unreachable=now"][self.random.below(2)];
                self.fixture.run(&["reflog", "expire", "--all", which]);
                self.blind.extend(NAMES.map(ref_name));
            }
            18 => self.tear(),
            _ => self.power_cut(),
        }
    }

    fn update_ref(&mut self, name: &RefName, target: CommitId) {
        let id = target.to_string();
        self.fixture.run(&["update-ref".as_ref(), OsStr::from_bytes(name.as_bytes()), id.as_ref()]);
        self.moved(name, target);
    }

    /// A push of one to three refs, with a push id or by a person, whose hook reports, is late, or is killed.
    fn push(&mut self) {
        self.pushes += 1;
        let push = format!("p{}", self.pushes);
        let email = if self.random.below(2) == 0 { format!("{push}@quire") } else { "jo@home".into() };
        let mut call = git_at(&self.clone).env("GIT_COMMITTER_EMAIL", &email).args(["push", "-q", "--force"]);
        if self.random.below(3) == 0 {
            call = call.arg("--atomic");
        }
        call = call.arg(&self.fixture.repo);
        let names: BTreeSet<_> = (0..=self.random.below(3)).map(|_| self.any_name()).collect();
        let since = clock::now().as_millis() / 1000;
        let mut steps = Vec::new();
        for name in names {
            let target = self.any_target(&name);
            let through_alias = name.as_bytes() == NAMES[0] && self.random.below(2) == 0;
            let shown = if through_alias && !self.value(&name).is_zero() { ALIAS } else { name.as_bytes() };
            call = call.arg(OsString::from_vec([target.to_string().as_bytes(), b":", shown].concat()));
            steps.push((name, target));
        }
        call.run().unwrap();
        let until = clock::now().as_millis() / 1000;
        let claim = if self.random.below(10) < 6 { Claim::Happened } else { Claim::Intended };
        for (name, new) in steps {
            let old = self.value(&name);
            self.moved(&name, new);
            let email = Some(email.clone().into_bytes());
            self.reports.push((name, Report { push: push.clone(), old, new, email, since, until, claim }));
        }
    }

    fn transaction(&mut self, deletes: bool) {
        let names: BTreeSet<_> = (0..3).map(|_| self.any_name()).collect();
        let mut input = Vec::new();
        for name in names {
            let target = self.any_target(&name);
            let gone = deletes && !self.value(&name).is_zero() && self.random.below(4) == 0;
            let (verb, target) = if gone { ("delete", CommitId::ZERO) } else { ("update", target) };
            input.extend([verb.as_bytes(), b" ", name.as_bytes()].concat());
            input.extend(if gone { String::new() } else { format!(" {target}") }.bytes().chain([b'\n']));
            self.moved(&name, target);
        }
        self.fixture.call().args(["update-ref", "--stdin"]).run_with(&input).unwrap();
    }

    fn delete(&mut self, name: &RefName) {
        if !self.value(name).is_zero() {
            self.fixture.run(&["update-ref".as_ref(), "-d".as_ref(), OsStr::from_bytes(name.as_bytes())]);
            self.moved(name, CommitId::ZERO);
        }
    }

    fn delete_and_recreate(&mut self) {
        let name = self.any_name();
        let target = self.any_target(&name);
        self.delete(&name);
        if self.random.below(2) == 0 {
            self.retry = Some((name, target));
        }
    }

    fn rename(&mut self) {
        let (from, to) = (ref_name(NAMES[1]), ref_name(NAMES[7]));
        let value = self.value(&from);
        if !value.is_zero() {
            self.fixture.run(&["branch", "-M", "a", "deep/er"]);
            self.moved(&from, CommitId::ZERO);
            self.moved(&to, value);
            self.blind.insert(to);
        }
    }

    /// What a receive-pack leaves that is killed between log line and ref, once or several times.
    fn phantom(&mut self) {
        let name = self.any_name();
        let target = self.any_target(&name);
        let now = clock::now().as_millis() / 1000;
        let line = format!("{} {target} Jo <jo@home> {now} +0000\tpush\n", self.value(&name));
        let lines = line.repeat(1 + self.random.below(3));
        self.append(&name, lines.as_bytes());
        if self.random.below(2) == 0 {
            self.retry = Some((name, target));
        }
    }

    fn append(&self, name: &RefName, bytes: &[u8]) {
        let path = self.fixture.log(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    /// A fragment of a line, as a full disk leaves it.
    fn tear(&mut self) {
        let name = self.any_name();
        let line = format!("{} {} Jo <jo@home> 1700000000 +0000", self.value(&name), self.fixture.commits[0]);
        let cut = self.random.below(100);
        self.append(&name, &line.as_bytes()[..cut]);
    }

    /// An update whose line is NULs afterwards.
    fn power_cut(&mut self) {
        let name = self.any_name();
        let target = self.any_target(&name);
        self.update_ref(&name, target);
        self.blind.insert(name.clone());
        let path = self.fixture.log(&name);
        let bytes = std::fs::read(&path).unwrap();
        let start = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').map_or(0, |place| place + 1);
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        file.seek(SeekFrom::Start(start as u64)).unwrap();
        file.write_all(&vec![0; bytes.len() - start]).unwrap();
    }
}

/// The result of a simulation.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    updates: usize,
    lost: usize,
    twice: usize,
    blind_lost: usize,
    blind_twice: usize,
}

/// Runs random operations and observes after every so many.
fn simulate(seed: u64, operations: usize, interval: usize, faults: bool) -> Tally {
    let mut sim = Sim::new(seed);
    let mut refs = Refs::of(&sim.fixture.repo);
    let mut store = Store::default();
    let mut tally = Tally::default();
    let mut late = Vec::new();
    let mut done = 0;
    while done < operations {
        let window = if interval == 1 { 1 } else { 1 + sim.random.below(interval) };
        (0..window).for_each(|_| sim.operate(faults));
        done += window;
        let (now, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut sim.reports).into_iter().partition(|_| sim.random.below(5) > 0);
        let reports = [std::mem::replace(&mut late, later), now].concat();
        let found = store.look_at_all(&mut refs, &reports);
        let truth = std::mem::take(&mut sim.truth);
        tally.updates += truth.len();
        let blind = std::mem::take(&mut sim.blind);
        // What was missed in this window is found in the next by its late report.
        sim.blind.extend(late.iter().map(|(name, _)| name).filter(|name| blind.contains(name)).cloned());
        for name in NAMES.map(ref_name) {
            let of = |steps: &[Step]| steps.iter().filter(|step| step.0 == name).cloned().collect::<Vec<_>>();
            let (lost, twice) = difference(&of(&truth), &of(&found));
            if interval > 1 && blind.contains(&name) {
                tally.blind_lost += lost;
                tally.blind_twice += twice;
                continue;
            }
            tally.lost += lost;
            tally.twice += twice;
            assert_eq!(of(&found), of(&truth), "seed {seed}, operation {done}, {name}");
        }
        assert!(found.iter().all(|step| NAMES.contains(&step.0.as_bytes())), "something else: {found:?}");
    }
    tally
}

/// How many updates are only in the first list, and how many only in the second.
fn difference(truth: &[Step], found: &[Step]) -> (usize, usize) {
    let mut left = truth.to_vec();
    let mut twice = 0;
    for step in found {
        match left.iter().position(|other| other == step) {
            Some(place) => drop(left.remove(place)),
            None => twice += 1,
        }
    }
    (left.len(), twice)
}

#[expect(clippy::disallowed_methods, reason = "the size of a test")]
pub(super) fn size(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Simulates with several seeds and prints the sum.
fn simulate_all(interval: usize, faults: bool) -> Tally {
    let (operations, seeds) = (size("QUIRE_SIM_OPS", 120), size("QUIRE_SIM_SEEDS", 2));
    let tallies =
        (1..=seeds as u64).map(|seed| simulate(seed + 100 * interval as u64, operations, interval, faults));
    let sum = tallies.fold(Tally::default(), |sum, tally| Tally {
        updates: sum.updates + tally.updates,
        lost: sum.lost + tally.lost,
        twice: sum.twice + tally.twice,
        blind_lost: sum.blind_lost + tally.blind_lost,
        blind_twice: sum.blind_twice + tally.blind_twice,
    });
    println!("{seeds} × {operations} operations, a look every ≤ {interval}, faults {faults}: {sum:?}");
    sum
}

#[test]
fn observed_after_each_operation_nothing_is_lost_or_doubled() {
    let tally = simulate_all(1, true);
    assert_eq!((tally.lost, tally.twice), (0, 0));
}

#[test]
fn seldom_observed_nothing_is_lost_while_the_evidence_stays() {
    let tally = simulate_all(12, false);
    assert_eq!((tally.lost, tally.twice, tally.blind_lost), (0, 0, 0));
}

#[test]
fn seldom_observed_only_removed_evidence_is_missed() {
    let tally = simulate_all(6, true);
    assert_eq!((tally.lost, tally.twice), (0, 0));
}

#[test]
fn always_observed_nothing_is_lost_or_doubled() {
    let mut sim = Sim::new(7);
    let mut store = Store::default();
    let (stop, repo) = (AtomicBool::new(false), sim.fixture.repo.clone());
    let found = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut refs = Refs::of(&repo);
            let mut found = Vec::new();
            loop {
                let last = stop.load(Ordering::SeqCst);
                found.extend(store.look_at_all(&mut refs, &[]));
                if last {
                    return found;
                }
            }
        });
        (0..size("QUIRE_SIM_OPS", 120)).for_each(|_| sim.operate(false));
        stop.store(true, Ordering::SeqCst);
        reader.join().unwrap()
    });
    for name in NAMES.map(ref_name) {
        let of = |steps: &[Step]| steps.iter().filter(|step| step.0 == name).cloned().collect::<Vec<_>>();
        assert_eq!(of(&found), of(&sim.truth), "{name}");
    }
}
