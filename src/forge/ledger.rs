//! The rule that decides which updates of a ref have happened since its last observation. Pure: no file, no clock.
//!
//! The log is evidence, not the record. A line counts once something confirms it: the next line starts from
//! its new value, the ref has that value, or a hook reports it. A line that the next one does not continue is a
//! phantom (a receive-pack was killed between the line and the ref). A value that no line leads to was reached
//! all the same (power cut, log removed, ref deleted), and is an update of its own. Every line, phantom or
//! not, proves that the ref had its old value, because git reads that under the ref's lock. What happened to a ref
//! before it was deleted has no line any more; the intents that form a chain (`chain`) replace the lines.
//!
//! Invariants: observing again with the state that the verdict returned finds nothing; a report never makes a second
//! update of one that is among the last [`MAX_RECENT`]; the caller assigns the ids of updates.
//!
//! Known limits: a ref deleted and recreated within one second by one identity between two observations, without
//! reports and without intents; several updates whose lines were all lost between two observations become one; a phantom *and* a lost
//! line next to it, both since the last observation, count as one update too many.

use std::collections::BTreeMap;

use crate::model::CommitId;

use super::chain::Link;
use super::claims::{Candidate, Claims, Proof};
use super::look::{LogCursor, LogId, LogPart, LogStart, Look};
use super::reflog::{Entry, Line, LineInfo, LineKey};

/// How many of the latest updates of a ref are kept for late reports.
pub(crate) const MAX_RECENT: usize = 64;

/// The state of one ref after the observations so far. The default is a ref that was never observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The last recorded value; zero for none.
    pub(crate) value: CommitId,
    /// How far its log has been read.
    pub(crate) cursor: Option<LogCursor>,
    /// The log, and the offset after a line in it, whose ref had not moved at the last observation.
    pub(crate) waiting: Option<(LogId, u64)>,
    /// The serial that the next update gets.
    pub(crate) next_serial: u64,
    /// The latest updates, oldest first, at most [`MAX_RECENT`].
    pub(crate) recent: Vec<Recent>,
}

/// One of the latest updates of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recent {
    pub(crate) serial: u64,
    /// The old value.
    pub(crate) old: CommitId,
    /// The new value.
    pub(crate) new: CommitId,
    /// Its log line, if it had one.
    pub(crate) line: Option<LineInfo>,
    /// The push that it belongs to, once known.
    pub(crate) push: Option<String>,
    /// Whether that push, or its e-mail in the line, says so itself. Otherwise the push has only announced such an update.
    pub(crate) is_reported: bool,
}

/// How often each line of the present log was settled, as an update or as a phantom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys(BTreeMap<LineKey, u32>);

/// How the stored keys of a ref change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeysChange {
    /// These are added to them.
    Add(Vec<LineKey>),
    /// These replace them.
    Replace(Vec<LineKey>),
}

/// A hook's report of one ref update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The id of the push.
    pub(crate) push: String,
    /// The old value.
    pub(crate) old: CommitId,
    /// The new value.
    pub(crate) new: CommitId,
    /// The committer e-mail that receive-pack ran with, which git puts into the log.
    pub(crate) email: Option<Vec<u8>>,
    /// When receive-pack began, in seconds since 1970.
    pub(crate) since: i64,
    /// When the hook reported; `i64::MAX` when receive-pack has not ended yet.
    pub(crate) until: i64,
    /// What is reported.
    pub(crate) claim: Claim,
}

/// How certain a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// The ref has moved: reported afterwards. Makes an update even without a log line.
    Happened,
    /// The ref was about to move: names the push of an update that is found. Makes an update without a line only as a part
    /// of a chain, because git refuses some pushes after this report.
    Intended,
}

/// The evidence for an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum How {
    /// Its line in the log.
    Line,
    /// A report alone.
    Report,
    /// The ref's value, or an intent that leads to a value which the ref certainly had: the log has no line.
    Tip,
}

/// An update that was not known before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its serial within the ref.
    pub(crate) serial: u64,
    /// The old value; zero when the ref was created.
    pub(crate) old: CommitId,
    /// The new value; zero when the ref was deleted.
    pub(crate) new: CommitId,
    /// The content of its log line.
    pub(crate) line: Option<LineInfo>,
    /// The evidence for it.
    pub(crate) how: How,
    /// The push that it belongs to.
    pub(crate) push: Option<String>,
}

/// An earlier update whose push is known now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    /// The serial of the update.
    pub(crate) serial: u64,
    pub(crate) push: String,
}

/// The result of one observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// New updates, in order.
    pub(crate) found: Vec<Found>,
    /// Pushes of earlier updates.
    pub(crate) bound: Vec<Bound>,
    /// The state to store, together with the updates.
    pub(crate) seen: Seen,
    /// How the stored keys change.
    pub(crate) keys: KeysChange,
    /// Whether a line waits for its ref: a push is in progress, or was killed.
    pub(crate) pending: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self { value: CommitId::ZERO, cursor: None, waiting: None, next_serial: 0, recent: Vec::new() }
    }
}

impl Keys {
    /// A multiset of keys.
    pub(crate) fn of(list: impl IntoIterator<Item = LineKey>) -> Self {
        let mut keys = Self::default();
        list.into_iter().for_each(|key| keys.add(key));
        keys
    }

    /// All keys; equal keys as often as they occur.
    pub(crate) fn list(&self) -> impl Iterator<Item = LineKey> {
        self.0.iter().flat_map(|(key, count)| (0..*count).map(|_| *key))
    }

    /// Applies the changes of a verdict.
    #[cfg(test)]
    pub(crate) fn apply(&mut self, change: KeysChange) {
        match change {
            KeysChange::Add(list) => list.into_iter().for_each(|key| self.add(key)),
            KeysChange::Replace(list) => *self = Self::of(list),
        }
    }

    fn add(&mut self, key: LineKey) {
        *self.0.entry(key).or_default() += 1;
    }

    /// Removes one occurrence of a key, if present.
    fn take(&mut self, key: LineKey) -> bool {
        let left = self.0.get_mut(&key).filter(|count| **count > 0);
        left.map(|count| *count -= 1).is_some()
    }
}

/// Decides what has happened to a ref since its last observation.
///
/// `known` is only used when the log is another file than before ([`LogStart::Beginning`]); otherwise it may
/// be empty. A push whose update is recorded already is better not reported again.
pub(crate) fn compare(seen: &Seen, known: &Keys, look: &Look, reports: &[Report]) -> Verdict {
    let mut reading = read(seen, known, look);
    let mut claims = Claims::new(reports, &seen.recent);
    let fresh = read(seen, &Keys::default(), look);
    if fresh.candidates.len() > reading.candidates.len()
        && claims.explain_a_new_life(seen.value, &seen.recent, &fresh.candidates)
    {
        reading = fresh;
    }
    let mut bound = claims.bind_by_mail(&seen.recent, &mut reading.candidates);
    let before = match look.log.as_ref().map(|log| log.from) {
        // The log continues from the last observation: the ref was not deleted meanwhile.
        Some(LogStart::Cursor(_)) => Vec::new(),
        Some(LogStart::Beginning) | None => {
            claims.take_lives_before((seen.value, look.tip), &seen.recent, &reading.candidates)
        }
    };
    claims.bind_rest(&seen.recent, &mut reading.candidates, &mut bound);
    let pending = reading.candidates.iter().any(|candidate| candidate.proof == Proof::Pending);
    let waiting = waiting_line(look, &reading);
    let (cursor, keys) = settle(seen, look, &reading);

    let mut book = Book { at: seen.value, found: Vec::new(), next_serial: seen.next_serial };
    before.into_iter().for_each(|link| book.follow(link));
    for candidate in reading.candidates {
        if candidate.proof == Proof::History {
            book.write(candidate.line.new, Some(candidate.line.info.clone()), How::Line, candidate.push);
            continue;
        }
        book.bridge(candidate.line.old, &mut claims);
        if candidate.proof == Proof::Happened {
            book.write(candidate.line.new, Some(candidate.line.info.clone()), How::Line, candidate.push);
        }
    }
    book.add_unexplained(look.tip, &mut claims, &seen.recent, &mut bound);
    book.bridge(look.tip, &mut claims);

    let mut recent = seen.recent.clone();
    for Bound { serial, push } in &bound {
        for update in recent.iter_mut().filter(|update| update.serial == *serial) {
            update.push = Some(push.clone());
            update.is_reported = is_reported(reports, Some(push), update.line.as_ref());
        }
    }
    recent.extend(book.found.iter().map(|found| found.as_recent(reports)));
    recent.drain(..recent.len().saturating_sub(MAX_RECENT));
    let seen = Seen { value: look.tip, cursor, waiting, next_serial: book.next_serial, recent };
    Verdict { found: book.found, bound, seen, keys, pending: pending || reading.waits }
}

/// Accepts a ref in its current state, so that nothing that has happened to it before counts: for a repository that is
/// adopted. The keys are those of all lines of its log.
pub(crate) fn baseline(look: &Look) -> (Seen, Vec<LineKey>) {
    let keys =
        look.log.iter().flat_map(|log| &log.entries).filter_map(|entry| Some(entry.line.as_ref()?.key()));
    let cursor = look.log.as_ref().map(|log| cursor_at(log, log.entries.len()));
    (Seen { value: look.tip, cursor, ..Seen::default() }, keys.collect())
}

/// The lines of an observation that are not settled yet, and whether lines wait for the ref to be created.
struct Reading<'a> {
    candidates: Vec<Candidate<'a>>,
    waits: bool,
}

/// Classifies the lines of an observation: lines settled before are left out, each other line gets its proof.
fn read<'a>(seen: &Seen, known: &Keys, look: &'a Look) -> Reading<'a> {
    let Some(log) = &look.log else {
        return Reading { candidates: Vec::new(), waits: false };
    };
    if look.tip.is_zero() {
        // Git removes and writes the log before the ref, so these lines are not updates: a branch
        // is being renamed, or a push that would have created the ref was killed.
        return Reading {
            candidates: Vec::new(),
            waits: log.entries.iter().any(|entry| entry.line.is_some()),
        };
    }
    let whole = log.from == LogStart::Beginning;
    let mut left = if whole && seen.cursor.is_some() { known.clone() } else { Keys::default() };
    let mut candidates = Vec::new();
    let lines = log.entries.iter().enumerate();
    let mut entries = lines.filter_map(|(place, entry)| Some((place, entry.mark.end, entry.line.as_ref()?)));
    let mut next = entries.next();
    while let Some((place, end, line)) = next {
        next = entries.next();
        if whole && left.take(line.key()) {
            continue;
        }
        let waited = seen.waiting == Some((log.log, end));
        let proof = match prove(line, next.map(|(_, _, line)| line), look.tip) {
            // It was pending while its ref did not move, so something else has moved the ref since.
            Proof::Assumed if waited => Proof::Phantom,
            Proof::Assumed => Proof::Happened,
            proof @ (Proof::Happened | Proof::Phantom | Proof::Pending | Proof::History) => proof,
        };
        candidates.push(Candidate { place, line, proof, push: None });
    }
    // Up to the rename line, a log that was moved here belongs to another ref; also when an equal line is
    // known, from an earlier move within the same second.
    let moved_here = |entry: &Entry| entry.line.as_ref().is_some_and(|line| line.moved_here);
    if let Some(moved) = log.entries.iter().rposition(moved_here).filter(|_| whole) {
        candidates.retain(|candidate| candidate.place >= moved);
        let marker = candidates.iter_mut().find(|candidate| candidate.place == moved);
        marker.into_iter().for_each(|candidate| candidate.proof = Proof::History);
    }
    Reading { candidates, waits: false }
}

/// Whether a line's update has happened, as far as the log and the ref show.
fn prove(line: &Line, next: Option<&Line>, tip: CommitId) -> Proof {
    let after = next.map_or(tip, |next| next.old);
    if line.old == line.new {
        Proof::Phantom
    } else if after == line.new {
        Proof::Happened
    } else if after == line.old {
        if next.is_some() { Proof::Phantom } else { Proof::Pending }
    } else {
        // The ref left the old value and a line is missing: far more often the next line than the line of this update.
        Proof::Assumed
    }
}

/// The line that waits for its ref: the pending line, or the last line of a ref that does not exist.
fn waiting_line(look: &Look, reading: &Reading<'_>) -> Option<(LogId, u64)> {
    let log = look.log.as_ref()?;
    let pending = reading.candidates.iter().rfind(|candidate| candidate.proof == Proof::Pending);
    let entry = match pending {
        Some(candidate) => log.entries.get(candidate.place),
        None if reading.waits => log.entries.iter().rfind(|entry| entry.line.is_some()),
        None => None,
    };
    Some((log.log, entry?.mark.end))
}

/// The cursor after everything that is settled, and the change of the keys.
fn settle(seen: &Seen, look: &Look, reading: &Reading<'_>) -> (Option<LogCursor>, KeysChange) {
    let Some(log) = &look.log else {
        return (None, KeysChange::Replace(Vec::new()));
    };
    if look.tip.is_zero() {
        return (seen.cursor, KeysChange::Add(Vec::new()));
    }
    let waiting = reading.candidates.iter().find(|candidate| candidate.proof == Proof::Pending);
    let count = waiting.map_or(log.entries.len(), |candidate| candidate.place);
    let settled = log.entries.iter().take(count);
    let keys = settled.filter_map(|entry| Some(entry.line.as_ref()?.key())).collect();
    let change = match log.from {
        LogStart::Beginning => KeysChange::Replace(keys),
        LogStart::Cursor(_) => KeysChange::Add(keys),
    };
    (Some(cursor_at(log, count)), change)
}

/// The cursor after so many entries of a part of a log.
fn cursor_at(log: &LogPart, count: usize) -> LogCursor {
    let last = count.checked_sub(1).and_then(|place| log.entries.get(place));
    match (last, log.from) {
        (Some(entry), _) => LogCursor { log: log.log, offset: entry.mark.end, last: Some(entry.mark) },
        (None, LogStart::Cursor(cursor)) => cursor,
        (None, LogStart::Beginning) => LogCursor { log: log.log, offset: 0, last: None },
    }
}

/// The updates recorded so far, and the value that the ref has after them.
struct Book {
    at: CommitId,
    found: Vec<Found>,
    next_serial: u64,
}

impl Book {
    /// Records an update of the ref from its current value to this value; nothing when the values are equal.
    fn write(&mut self, new: CommitId, line: Option<LineInfo>, how: How, push: Option<String>) {
        if self.at != new {
            let old = self.at;
            self.at = new;
            self.write_apart(old, Found { serial: 0, old, new, line, how, push });
        }
    }

    /// Records an update that does not change the current value.
    fn write_apart(&mut self, old: CommitId, found: Found) {
        self.found.push(Found { serial: self.next_serial, old, ..found });
        self.next_serial += 1;
    }

    /// Leads to a value that the ref certainly had: by reports as far as possible, then in one step.
    fn bridge(&mut self, target: CommitId, claims: &mut Claims<'_>) {
        self.bridge_by_reports(target, claims);
        if self.at != target {
            claims.take_chain(self.at, target).into_iter().for_each(|link| self.follow(link));
        }
        self.write(target, None, How::Tip, None);
    }

    /// Records one link of a chain.
    fn follow(&mut self, link: Link<'_>) {
        match link {
            Link::Push(report) => {
                let how = if report.claim == Claim::Happened { How::Report } else { How::Tip };
                self.write(report.new, None, how, Some(report.push.clone()));
            }
            Link::Unknown(value) => self.write(value, None, How::Tip, None),
        }
    }

    /// Leads towards a value as far as reports lead.
    fn bridge_by_reports(&mut self, target: CommitId, claims: &mut Claims<'_>) {
        while self.at != target {
            let Some(report) = claims.take_step(self.at, target) else { break };
            self.write(report.new, None, How::Report, Some(report.push.clone()));
        }
    }

    /// Records updates that hooks report but the log lacks. One that was taken for that of a push which had only announced
    /// it is no second update: it is that of the push which reports it.
    fn add_unexplained(
        &mut self,
        tip: CommitId,
        claims: &mut Claims<'_>,
        recent: &[Recent],
        bound: &mut Vec<Bound>,
    ) {
        self.bridge_by_reports(tip, claims);
        let round = if self.at == tip { claims.take_round(tip) } else { Vec::new() };
        for report in round {
            self.write(report.new, None, How::Report, Some(report.push.clone()));
        }
        for report in claims.take_all_happened() {
            let push = Some(report.push.clone());
            if self.at != tip && report.new == tip {
                self.write(report.old, None, How::Tip, None);
                self.write(report.new, None, How::Report, push);
            } else if let Some(taken) = recent.iter().rev().find(|update| {
                let is_free = bound.iter().all(|other| other.serial != update.serial);
                is_free && !update.is_reported && report.may_have_made(update)
            }) {
                bound.push(Bound { serial: taken.serial, push: report.push.clone() });
            } else {
                let found =
                    Found { serial: 0, old: report.old, new: report.new, line: None, how: How::Report, push };
                self.write_apart(report.old, found);
            }
        }
    }
}

impl Found {
    /// The update in the form that is kept for late reports.
    fn as_recent(&self, reports: &[Report]) -> Recent {
        let Self { serial, old, new, line, how: _, push } = self.clone();
        let is_reported = is_reported(reports, push.as_ref(), line.as_ref());
        Recent { serial, old, new, line, push, is_reported }
    }
}

/// Whether a push, or its e-mail in a line, says itself that its update has happened.
fn is_reported(reports: &[Report], push: Option<&String>, line: Option<&LineInfo>) -> bool {
    reports.iter().filter(|report| Some(&report.push) == push).any(|report| {
        report.claim == Claim::Happened || line.is_some_and(|line| report.email.as_ref() == Some(&line.email))
    })
}
