//! The budget of a part, its figures, and what is said of a failure so that it can be repeated.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use super::Random;

/// The seed of `dev/test`.
const SEED: u64 = 20_261_129;

/// The most failures of one kind that are described.
const MAX_DESCRIBED: u64 = 2000;

/// The most that is shown of an input, in characters.
const MAX_INPUT: usize = 3000;

/// What is counted besides failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Count {
    /// Pushes that were accepted.
    Pushes,
    /// Runs that were looked at.
    Runs,
    /// Inputs of any other kind: requests, frames, texts, scripts.
    Inputs,
}

/// What must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Harm {
    /// A ref update without a record, or a run that did not happen.
    Lost,
    /// A ref update with two records, or a run that happened twice.
    Doubled,
    /// A part of a secret where none may be.
    Leak,
    /// A process of quire ended by a signal or a panic.
    Crash,
    /// No answer, no end, or a process left.
    Hang,
    /// Another result than the right one.
    Wrong,
}

impl Count {
    fn name(self) -> &'static str {
        match self {
            Self::Pushes => "pushes",
            Self::Runs => "runs",
            Self::Inputs => "inputs",
        }
    }
}

impl Harm {
    const ALL: [Self; 6] = [Self::Lost, Self::Doubled, Self::Leak, Self::Crash, Self::Hang, Self::Wrong];

    fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Leak => "leaks",
            Self::Crash => "crashes",
            Self::Hang => "hangs",
            Self::Wrong => "wrong",
        }
    }
}

/// One part under way.
pub(crate) struct Attack {
    part: &'static str,
    seed: u64,
    budget: Budget,
    round: Option<u64>,
    rounds: u64,
    started: Instant,
    counts: BTreeMap<Count, u64>,
    harms: BTreeMap<Harm, u64>,
    peak_kb: u64,
    is_finished: bool,
}

/// How many rounds are made.
enum Budget {
    Rounds(u64),
    Time(Duration),
    /// This round alone, to repeat a failure.
    Only(u64),
}

/// A number that `dev/attack` gives.
fn given(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

impl Attack {
    /// Begins a part, which has this many rounds in `dev/test`.
    pub(crate) fn new(part: &'static str, rounds: u64) -> Self {
        let seconds = given("QUIRE_ATTACK_SECONDS").map(|seconds| Budget::Time(Duration::from_secs(seconds)));
        let only = given("QUIRE_ATTACK_ROUND").map(Budget::Only);
        Self {
            part,
            seed: given("QUIRE_ATTACK_SEED").unwrap_or(SEED),
            budget: only.or(seconds).unwrap_or(Budget::Rounds(rounds)),
            round: None,
            rounds: 0,
            started: Instant::now(),
            counts: BTreeMap::new(),
            harms: BTreeMap::new(),
            peak_kb: 0,
            is_finished: false,
        }
    }

    /// The choices of the next round; nothing when the budget is used up. There is always a first round.
    pub(crate) fn next_round(&mut self) -> Option<Random> {
        let next = match (self.round, &self.budget) {
            (None, Budget::Only(round)) => *round,
            (None, Budget::Rounds(_) | Budget::Time(_)) => 0,
            (Some(_), Budget::Only(_)) => return None,
            (Some(last), Budget::Rounds(rounds)) if last + 1 >= *rounds => return None,
            (Some(_), Budget::Time(time)) if self.started.elapsed() >= *time => return None,
            (Some(last), Budget::Rounds(_) | Budget::Time(_)) => last + 1,
        };
        self.round = Some(next);
        self.rounds += 1;
        Some(Random::new(self.seed, self.part, next))
    }

    /// Whether this is a long attack of `dev/attack`.
    pub(crate) fn is_long(&self) -> bool {
        !matches!(self.budget, Budget::Rounds(_))
    }

    /// The time that is left for this part; of a short one, a few seconds.
    pub(crate) fn time_left(&self) -> Duration {
        match self.budget {
            Budget::Time(time) => time.saturating_sub(self.started.elapsed()),
            Budget::Rounds(_) | Budget::Only(_) => Duration::from_secs(3),
        }
    }

    /// Adds to a figure.
    pub(crate) fn count(&mut self, what: Count, more: u64) {
        *self.counts.entry(what).or_default() += more;
    }

    /// Takes note of a failure, with the input that did it. The attack continues; [`Attack::finish`] fails.
    pub(crate) fn harm(&mut self, harm: Harm, input: &str) {
        let count = self.harms.entry(harm).or_default();
        *count += 1;
        if *count <= MAX_DESCRIBED {
            let input: String = input.chars().take(MAX_INPUT).collect();
            eprintln!("attack: {}: {}: {input}\n{}", self.part, harm.name(), self.repeat());
        }
    }

    /// Takes note of the most memory that a live process of quire has had.
    pub(crate) fn note_memory(&mut self, pid: u32) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kb = peak.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default();
        self.peak_kb = self.peak_kb.max(kb);
    }

    /// Whether any harm was done so far.
    pub(crate) fn is_harmed(&self) -> bool {
        !self.harms.is_empty()
    }

    /// Says the figures; fails when there was any harm.
    pub(crate) fn finish(mut self) {
        self.is_finished = true;
        self.write_figures();
        assert!(self.harms.is_empty(), "attack: {}: harm was done\n{}", self.part, self.repeat());
    }

    fn repeat(&self) -> String {
        let round = self.round.unwrap_or_default();
        format!("attack: repeat it by: dev/attack --part {} --seed {} --round {round}", self.part, self.seed)
    }

    fn write_figures(&self) {
        let counted = [Count::Pushes, Count::Runs, Count::Inputs]
            .map(|count| (count.name(), self.counts.get(&count).copied().unwrap_or_default()));
        let harmed = Harm::ALL.map(|harm| (harm.name(), self.harms.get(&harm).copied().unwrap_or_default()));
        let mut figures = serde_json::Map::new();
        figures.insert("part".to_owned(), self.part.into());
        figures.insert("seed".to_owned(), self.seed.into());
        figures.insert("rounds".to_owned(), self.rounds.into());
        figures
            .extend(counted.into_iter().chain(harmed).map(|(name, value)| (name.to_owned(), value.into())));
        figures.insert("peak_kb".to_owned(), self.peak_kb.into());
        figures.insert("seconds".to_owned(), self.started.elapsed().as_secs().into());
        let line = serde_json::Value::from(figures);
        eprintln!("attack: {line}");
        if let Some(path) = std::env::var_os("QUIRE_ATTACK_FIGURES") {
            let mut file = File::options().create(true).append(true).open(path).unwrap();
            writeln!(file, "{line}").unwrap();
        }
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        if !self.is_finished {
            // A panic is a failure as well, and says how it is repeated.
            *self.harms.entry(Harm::Wrong).or_default() += 1;
            eprintln!("{}", self.repeat());
            self.write_figures();
        }
    }
}
