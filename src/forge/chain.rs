//! Which announced updates happened although no log line records them.
//!
//! Deleting a ref deletes its log, so of a ref that was made, deleted and made again only the last life has lines. The
//! intents are all that is left of its earlier lives: git read the old value of each from the ref itself, so those that
//! happened form a chain from the last observed value to the next certain value.

use std::collections::HashMap;

use crate::model::CommitId;

use super::alignment::Alignment;
use super::ledger::{Claim, Report};

/// One step of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link<'a> {
    /// The push that announced this step.
    Push(&'a Report),
    /// A step to this value that nobody announced.
    Unknown(CommitId),
}

/// The score of a chain, the greater, the better: reported updates that are part of it, steps that
/// nobody announced (counted downwards), announced updates that are part of it.
type Score = (i64, i64, i64);

/// The end of a chain so far.
#[derive(Debug, Clone, Copy)]
struct Node {
    value: CommitId,
    score: Score,
    /// The node before it and the link between; `None` at the start.
    from: Option<(usize, Step)>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Push(usize),
    Unknown,
}

/// The chains that begin at one value, extended by one announced update after the other.
struct Chains {
    nodes: Vec<Node>,
    /// The best chain that ends at a value.
    ends: HashMap<CommitId, usize>,
    /// The best chain whose end is certain, so that an unknown step may follow; `None` if no such chain exists.
    certain: Option<usize>,
}

impl Chains {
    fn new(start: CommitId) -> Self {
        let node = Node { value: start, score: (0, 0, 0), from: None };
        Self { nodes: vec![node], ends: HashMap::from([(start, 0)]), certain: Some(0) }
    }

    fn without_unknown_steps(start: CommitId) -> Self {
        Self { certain: None, ..Self::new(start) }
    }

    fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
    }

    /// The best chain to a value: directly, or by an unknown step from a certain value.
    fn best_to(&self, value: CommitId) -> Option<(Score, usize, bool)> {
        let end = |index: usize| self.node(index).map(|node| (node.score, index));
        let direct = self.ends.get(&value).and_then(|index| end(*index));
        let unknown = self.certain.and_then(end);
        let unknown =
            unknown.map(|((reported, unknown, used), index)| ((reported, unknown - 1, used), index));
        match (direct, unknown) {
            (Some((score, index)), Some((other, _))) if score >= other => Some((score, index, false)),
            (_, Some((score, index))) => Some((score, index, true)),
            (direct, None) => direct.map(|(score, index)| (score, index, false)),
        }
    }

    /// Adds a node and returns its index.
    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The node at the end of the best chain to a value; created if the last step is unknown.
    fn lead_to(&mut self, value: CommitId) -> Option<usize> {
        let (score, from, is_unknown) = self.best_to(value)?;
        if !is_unknown {
            return Some(from);
        }
        Some(self.push(Node { value, score, from: Some((from, Step::Unknown)) }))
    }

    /// Extends the chains by the next announced update. Of equal updates the last counts: a push is repeated when the
    /// first try failed.
    fn extend(&mut self, place: usize, report: &Report) {
        let Some(before) = self.lead_to(report.old) else { return };
        let (reported, unknown, used) = self.node(before).map_or((0, 0, 0), |node| node.score);
        let is_certain = report.claim == Claim::Happened;
        let score = (reported + i64::from(is_certain), unknown, used + 1);
        let best = self.ends.get(&report.new).and_then(|index| self.node(*index)).map(|node| node.score);
        if best.is_some_and(|best| best > score) {
            return;
        }
        let node = self.push(Node { value: report.new, score, from: Some((before, Step::Push(place))) });
        self.ends.insert(report.new, node);
        let certain = self.certain.and_then(|index| self.node(index));
        if is_certain && certain.is_some_and(|best| score >= best.score) {
            self.certain = Some(node);
        }
    }

    /// The links up to a node.
    fn links<'a>(&self, end: usize, reports: &[&'a Report]) -> Vec<Link<'a>> {
        let mut links = Vec::new();
        let mut at = self.node(end);
        while let Some(Node { value, from: Some((before, step)), .. }) = at {
            let link = match step {
                Step::Push(place) => reports.get(*place).map(|report| Link::Push(report)),
                Step::Unknown => Some(Link::Unknown(*value)),
            };
            links.extend(link);
            at = self.node(*before);
        }
        links.reverse();
        links
    }
}

/// The chain of announced updates from one value to another, without an unknown step; empty if none exists.
pub(super) fn find_chain<'a>(from: CommitId, to: CommitId, reports: &[&'a Report]) -> Vec<Link<'a>> {
    let mut chains = Chains::without_unknown_steps(from);
    reports.iter().enumerate().for_each(|(place, report)| chains.extend(place, report));
    chains.lead_to(to).map_or_else(Vec::new, |end| chains.links(end, reports))
}

/// What happened to a ref before the first line of its log.
#[derive(Debug, Default)]
pub(super) struct LivesBefore<'a> {
    /// The steps, in order; empty when the log lines alone explain everything.
    pub(super) links: Vec<Link<'a>>,
    /// Whether every step, here and in the lines, was announced.
    pub(super) is_explained: bool,
}

/// What happened before the first line of a log that differs from the log read before: the longest prefix of the announced
/// many as explain best how the ref came from `from` to `to`, when the others explain the lines.
pub(super) fn find_lives_before<'a>(
    (from, to): (CommitId, CommitId),
    reports: &[&'a Report],
    lines: &Alignment,
) -> LivesBefore<'a> {
    let mut chains = Chains::new(from);
    let mut best: Option<(Score, usize)> = None;
    for split in 0..=reports.len() {
        if let Some(report) = split.checked_sub(1).and_then(|place| reports.get(place)) {
            chains.extend(split - 1, report);
        }
        let Some(((reported, unknown, used), ..)) = chains.best_to(to) else { continue };
        let bound = lines.bound_from(split);
        let score = (reported + bound.reported, unknown - bound.unexplained, used + bound.bound);
        if best.is_none_or(|(known, _)| score >= known)
            && let Some(end) = chains.lead_to(to)
        {
            best = Some((score, end));
        }
    }
    let Some(((_, unknown, _), end)) = best else { return LivesBefore::default() };
    let mut links = chains.links(end, reports);
    if !links.iter().any(|link| matches!(link, Link::Push(_))) {
        links.clear();
    }
    LivesBefore { links, is_explained: unknown == 0 }
}
