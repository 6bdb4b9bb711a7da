//! Assigns announced updates to the lines of a ref log, both in their order.
//!
//! Of several assignments, the one that binds most reported updates wins, then the one that binds most updates, then the one whose
//! times fit, then the later announcement: a push is made again when the first try failed.

use super::claims::{Candidate, Fit, Proof, fits};
use super::ledger::{Claim, Report};

/// The most pairs of an announced update and a line that are compared. Above that, each update is bound by itself.
const MAX_PAIRS: usize = 16 << 20;

/// The score of an alignment: bound updates that were reported, bound updates, and those whose times fit.
type Score = (u32, u32, u32);

/// What was chosen for one pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    LeaveReport,
    LeaveLine,
    Bind,
}

/// How many lines are bound, when only a part of the announced updates may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BoundCount {
    pub(super) reported: i64,
    pub(super) bound: i64,
    pub(super) unexplained: i64,
}

/// The best way to bind announced updates to lines, for each number of updates that are left out at the beginning.
#[derive(Debug)]
pub(super) struct Alignment {
    lines: Vec<usize>,
    scores: Vec<Score>,
    choices: Vec<Choice>,
}

impl Alignment {
    /// Aligns what was announced, in its order, with the lines that count and belong to no push yet.
    pub(super) fn new(reports: &[&Report], candidates: &[Candidate<'_>]) -> Self {
        let counts = |candidate: &Candidate<'_>| {
            candidate.push.is_none() && matches!(candidate.proof, Proof::Happened | Proof::Assumed)
        };
        let lines = candidates.iter().enumerate().filter(|(_, candidate)| counts(candidate));
        let lines: Vec<(usize, &Candidate<'_>)> = lines.collect();
        let is_too_large = reports.len().saturating_mul(lines.len()) > MAX_PAIRS;
        let reports = if is_too_large { &[] } else { reports };
        let mut scores = vec![Score::default()];
        let mut choices = Vec::with_capacity(reports.len() * lines.len());
        // From the last report and the last line to the first: `row` holds the scores from the report before on.
        let mut row = vec![Score::default(); lines.len() + 1];
        for report in reports.iter().rev() {
            let mut diagonal = Score::default();
            for (place, (_, candidate)) in lines.iter().enumerate().rev() {
                let leave_report = row.get(place).copied().unwrap_or_default();
                let leave_line = row.get(place + 1).copied().unwrap_or_default();
                let mut best = (leave_report, Choice::LeaveReport);
                if leave_line > best.0 {
                    best = (leave_line, Choice::LeaveLine);
                }
                if let Some(bound) = bind(report, candidate, diagonal).filter(|bound| *bound > best.0) {
                    best = (bound, Choice::Bind);
                }
                diagonal = leave_report;
                if let Some(cell) = row.get_mut(place) {
                    *cell = best.0;
                }
                choices.push(best.1);
            }
            scores.push(row.first().copied().unwrap_or_default());
        }
        scores.reverse();
        choices.reverse();
        Self { lines: lines.into_iter().map(|(place, _)| place).collect(), scores, choices }
    }

    /// What is bound when the first so many updates are left out.
    pub(super) fn bound_from(&self, first: usize) -> BoundCount {
        let (reported, bound, _) = self.scores.get(first).copied().unwrap_or_default();
        let lines = i64::try_from(self.lines.len()).unwrap_or(i64::MAX);
        BoundCount {
            reported: i64::from(reported),
            bound: i64::from(bound),
            unexplained: lines - i64::from(bound),
        }
    }

    /// The pairs of an update and a candidate, by their places.
    pub(super) fn pairs(&self) -> Vec<(usize, usize)> {
        let (width, mut report, mut line) = (self.lines.len(), 0, 0);
        let mut pairs = Vec::new();
        while let (Some(candidate), Some(choice)) =
            (self.lines.get(line), self.choices.get(report * width + line))
        {
            match choice {
                Choice::LeaveReport => report += 1,
                Choice::LeaveLine => line += 1,
                Choice::Bind => {
                    pairs.push((report, *candidate));
                    (report, line) = (report + 1, line + 1);
                }
            }
        }
        pairs
    }
}

/// The score with this pair bound, if the two fit.
fn bind(report: &Report, candidate: &Candidate<'_>, (reported, bound, timely): Score) -> Option<Score> {
    let line = candidate.line;
    let is_it = report.moves(line.old, line.new) && fits(report, &line.info, Fit::Values);
    let is_timely = fits(report, &line.info, Fit::Time);
    let is_certain = report.claim == Claim::Happened;
    is_it.then_some((reported + u32::from(is_certain), bound + 1, timely + u32::from(is_timely)))
}
