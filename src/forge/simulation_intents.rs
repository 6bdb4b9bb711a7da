//! Pushes without observation: refs are created, moved, deleted and recreated by real git, and what the pushes announced is all
//! that is known of a ref's lives before the last one.
//!
//! `QUIRE_SIM_OPS` and `QUIRE_SIM_SEEDS` make it larger.

use std::collections::BTreeMap;

use crate::model::{CommitId, RefName};

use super::fixture::{Fixture, ref_name};
use super::ledger::{Claim, Keys, Report, Seen, compare};
use super::look::{Looked, look};
use super::refs::Refs;
use super::simulation::{Random, size};

/// The refs that the pushes change. Some cannot exist together: a file and a folder of one name.
const NAMES: [&str; 6] =
    ["refs/heads/main", "refs/heads/a", "refs/heads/a/b", "refs/heads/a/b/c", "refs/tags/v1", "refs/x/y"];

/// What happened to a ref: the push, and its old and new value.
type Step = (String, CommitId, CommitId);

struct Sim {
    fixture: Fixture,
    random: Random,
    values: BTreeMap<RefName, CommitId>,
    truth: BTreeMap<RefName, Vec<Step>>,
    announced: BTreeMap<RefName, Vec<Report>>,
    pushes: u64,
}

impl Sim {
    fn value(&self, name: &RefName) -> CommitId {
        self.values.get(name).copied().unwrap_or(CommitId::ZERO)
    }

    /// Another value for a ref: one of a few commits, or zero.
    fn any_target(&mut self, name: &RefName) -> CommitId {
        loop {
            let target = match self.random.below(5) {
                0 | 1 => CommitId::ZERO,
                place => self.fixture.commits[place - 2],
            };
            if target != self.value(name) {
                return target;
            }
        }
    }

    /// Whether git would refuse to make a ref because of the name of another.
    fn is_in_the_way(&self, name: &RefName) -> bool {
        let below = |one: &RefName, other: &RefName| other.to_string().starts_with(&format!("{one}/"));
        let there = self.values.iter().filter(|(_, value)| !value.is_zero());
        there.map(|(other, _)| other).any(|other| below(name, other) || below(other, name))
    }

    /// A push of one to three refs. Git may refuse each after all were announced, or only half of the push.
    fn push(&mut self) {
        self.pushes += 1;
        let push = format!("p{}", self.pushes);
        for _ in 0..=self.random.below(3) {
            let name = ref_name(NAMES[self.random.below(NAMES.len())]);
            let is_announced = |report: &Report| report.push == push;
            if self.announced.get(&name).is_some_and(|reports| reports.iter().any(is_announced)) {
                continue;
            }
            let (old, new) = (self.value(&name), self.any_target(&name));
            let report = Report {
                push: push.clone(),
                old,
                new,
                email: None,
                since: crate::sys::clock::now().as_millis() / 1000,
                until: i64::MAX,
                claim: Claim::Intended,
            };
            self.announced.entry(name.clone()).or_default().push(report);
            if self.random.below(4) == 0 || (!new.is_zero() && self.is_in_the_way(&name)) {
                continue;
            }
            match new.is_zero() {
                true => drop(self.fixture.run(&["update-ref", "-d", &name.to_string()])),
                false => drop(self.fixture.run(&["update-ref", &name.to_string(), &new.to_string()])),
            }
            self.values.insert(name.clone(), new);
            self.truth.entry(name).or_default().push((push.clone(), old, new));
        }
    }
}

/// Pushes at random and observes after every so many pushes, when every announced push is over.
fn simulate(seed: u64, pushes: usize, interval: usize) -> (usize, usize) {
    let mut sim = Sim {
        fixture: Fixture::with_commits(3),
        random: Random::new(seed),
        values: BTreeMap::new(),
        truth: BTreeMap::new(),
        announced: BTreeMap::new(),
        pushes: 0,
    };
    let mut refs = Refs::of(&sim.fixture.repo);
    let mut stored: BTreeMap<RefName, (Seen, Keys)> = BTreeMap::new();
    let (mut updates, mut deletions, mut done) = (0, 0, 0);
    while done < pushes {
        let window = 1 + sim.random.below(interval);
        (0..window).for_each(|_| sim.push());
        if sim.random.below(3) == 0 {
            sim.fixture.run(&["pack-refs", "--all", "--prune"]);
        }
        done += window;
        let (truth, announced) = (std::mem::take(&mut sim.truth), std::mem::take(&mut sim.announced));
        for name in NAMES.map(ref_name) {
            let (seen, keys) = stored.entry(name.clone()).or_default();
            let Looked::Ref(look) = look(&mut refs, &name, seen.cursor.as_ref()).unwrap() else {
                panic!("{name} is symbolic")
            };
            let verdict = compare(seen, keys, &look, announced.get(&name).map_or(&[], Vec::as_slice));
            let step = |found: super::ledger::Found| (found.push.unwrap_or_default(), found.old, found.new);
            let found: Vec<Step> = verdict.found.into_iter().map(step).collect();
            let expected = truth.get(&name).cloned().unwrap_or_default();
            assert_eq!(found, expected, "seed {seed}, push {done}, {name}: {:#?}", announced.get(&name));
            updates += found.len();
            deletions += found.iter().filter(|(_, _, new)| new.is_zero()).count();
            *seen = verdict.seen;
            keys.apply(verdict.keys);
        }
    }
    (updates, deletions)
}

#[test]
fn updates_between_observations_are_found_with_their_pushes() {
    let (pushes, seeds) = (size("QUIRE_SIM_OPS", 150), size("QUIRE_SIM_SEEDS", 2));
    for interval in [1, 4, 30] {
        for seed in 1..=seeds as u64 {
            let (updates, deletions) = simulate(seed + 1000 * interval as u64, pushes, interval);
            println!("{pushes} pushes, a look every ≤ {interval}: {updates} updates, {deletions} deletions");
            assert!(deletions * 10 > updates, "hardly anything was deleted");
        }
    }
}
