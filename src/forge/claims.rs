//! Assigns reports to updates.
//!
//! A report binds to one update with the same old and new value: first by the e-mail in its line, which
//! `quire exec` makes unique to the push; otherwise by time. A report that stays unbound is an update without a line.

use crate::model::CommitId;

use super::alignment::Alignment;
use super::chain::{Link, find_chain, find_lives_before};
use super::ledger::{Bound, Claim, Recent, Report};
use super::reflog::{Line, LineInfo};

/// Tolerance for clocks and for the order within a second: how far outside its push's time a line may be.
const SLACK_SECS: i64 = 2;

/// Whether the update of a line has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It has happened.
    Happened,
    /// It has not happened and will not.
    Phantom,
    /// It probably has: the ref has another value now, and a line is missing.
    Assumed,
    /// It may be in progress.
    Pending,
    /// The line ends the history of the ref that the log was moved from.
    History,
}

/// A line that is not settled yet.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    /// Its index among the entries of the observation.
    pub(super) place: usize,
    pub(super) line: &'a Line,
    /// Whether its update has happened.
    pub(super) proof: Proof,
    /// The push that it belongs to.
    pub(super) push: Option<String>,
}

/// How well a report fits a line; each is tried for all reports before the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// Same e-mail, within the time of the push.
    MailAndTime,
    /// Same e-mail; the pusher sets the date over a local path.
    Mail,
    /// Within the time of the push, and not by the e-mail of another push.
    Time,
    /// Same values.
    Values,
}

/// The reports that are not bound yet.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    unbound: Vec<&'a Report>,
    /// All reports, in the order of announcement.
    order: &'a [Report],
}

impl<'a> Claims<'a> {
    /// The reports, each push once, without those whose update is known; reports of updates that have happened come first.
    pub(super) fn new(reports: &'a [Report], recent: &[Recent]) -> Self {
        let mut sorted: Vec<&Report> = reports.iter().collect();
        sorted.sort_by_key(|report| report.claim);
        let mut unbound: Vec<&Report> = Vec::new();
        for report in sorted {
            let known = recent.iter().any(|update| update.push.as_ref() == Some(&report.push))
                || unbound.iter().any(|other| other.push == report.push);
            if !known && report.old != report.new {
                unbound.push(report);
            }
        }
        Claims { unbound, order: reports }
    }

    /// Takes the announced updates of the ref before the first of these lines, or before its value when the log has
    /// no lines: from the last observed value to the next certain value.
    pub(super) fn take_lives_before(
        &mut self,
        (from, tip): (CommitId, CommitId),
        recent: &[Recent],
        lines: &[Candidate<'_>],
    ) -> Vec<Link<'a>> {
        let reports = self.unrecorded(recent);
        let links = match lines.first() {
            // Another ref was renamed to this one, which may have existed.
            Some(first) if first.proof == Proof::History => find_chain(from, CommitId::ZERO, &reports),
            first => {
                let to = first.map_or(tip, |first| first.line.old);
                find_lives_before((from, to), &reports, &Alignment::new(&reports, lines)).links
            }
        };
        self.leave_out(&links);
        links
    }

    /// Whether everything in these lines was announced, and so was an earlier deletion of the ref: then the log is that
    /// of a new life of the ref, even if equal lines existed before.
    pub(super) fn explain_a_new_life(
        &self,
        from: CommitId,
        recent: &[Recent],
        lines: &[Candidate<'_>],
    ) -> bool {
        let is_new = lines.first().is_some_and(|first| first.line.old.is_zero());
        let reports = if is_new { self.unrecorded(recent) } else { Vec::new() };
        let target = (from, CommitId::ZERO);
        let lives = find_lives_before(target, &reports, &Alignment::new(&reports, lines));
        lives.is_explained && !lives.links.is_empty()
    }

    /// Takes the announced updates that lead from one value to another.
    pub(super) fn take_chain(&mut self, from: CommitId, to: CommitId) -> Vec<Link<'a>> {
        let links = find_chain(from, to, &self.unbound_in_order());
        self.leave_out(&links);
        links
    }

    /// The unbound reports, in the order of announcement.
    fn unbound_in_order(&self) -> Vec<&'a Report> {
        let is_unbound = |report: &&Report| self.unbound.iter().any(|other| std::ptr::eq(*other, *report));
        self.order.iter().filter(is_unbound).collect()
    }

    /// The unbound reports that name no update found earlier, in the order of announcement.
    fn unrecorded(&self, recent: &[Recent]) -> Vec<&'a Report> {
        let is_recorded = |report: &Report| {
            recent.iter().any(|update| update.push.is_none() && report.moves(update.old, update.new))
        };
        let mut reports = self.unbound_in_order();
        reports.retain(|report| !is_recorded(report));
        reports
    }

    fn leave_out(&mut self, links: &[Link<'_>]) {
        let is_taken = |report: &Report| {
            links.iter().any(|link| matches!(link, Link::Push(taken) if std::ptr::eq(*taken, report)))
        };
        self.unbound.retain(|report| !is_taken(report));
    }

    /// Binds by e-mail, which is certain: to updates found earlier, which are returned, and to lines, which are marked.
    pub(super) fn bind_by_mail(&mut self, recent: &[Recent], lines: &mut [Candidate<'_>]) -> Vec<Bound> {
        let mut bound = Vec::new();
        self.bind(&[Fit::MailAndTime, Fit::Mail], recent, lines, &mut bound);
        bound
    }

    /// Binds the rest by order, time and values.
    pub(super) fn bind_rest(
        &mut self,
        recent: &[Recent],
        lines: &mut [Candidate<'_>],
        bound: &mut Vec<Bound>,
    ) {
        let reports = self.unrecorded(recent);
        for (report, line) in Alignment::new(&reports, lines).pairs() {
            if let (Some(report), Some(candidate)) = (reports.get(report), lines.get_mut(line)) {
                candidate.push = Some(report.push.clone());
                self.leave_out(&[Link::Push(report)]);
            }
        }
        self.bind(&[Fit::Time, Fit::Values], recent, lines, bound);
        self.put_in_order(lines);
    }

    fn bind(&mut self, fits: &[Fit], recent: &[Recent], lines: &mut [Candidate<'_>], bound: &mut Vec<Bound>) {
        for fit in fits.iter().copied() {
            self.unbound.retain(|report| {
                let earlier = recent.iter().find(|update| {
                    let free =
                        update.push.is_none() && bound.iter().all(|other| other.serial != update.serial);
                    free && report.moves(update.old, update.new)
                        && update
                            .line
                            .as_ref()
                            .map_or(fit == Fit::Time, |line| fits_earlier(report, line, fit))
                });
                if let Some(update) = earlier {
                    bound.push(Bound { serial: update.serial, push: report.push.clone() });
                    return false;
                }
                bind_line(report, lines, fit).is_none()
            });
        }
    }

    /// Equal steps that no e-mail distinguishes belong to their pushes in the order in which these were announced,
    /// whichever was reported first.
    fn put_in_order(&self, lines: &mut [Candidate<'_>]) {
        let announced = |push: &Option<String>| {
            let is_it = |report: &Report| report.email.is_none() && Some(&report.push) == push.as_ref();
            self.order.iter().position(is_it)
        };
        let mut bound: Vec<(usize, &mut Candidate<'_>)> =
            lines.iter_mut().filter_map(|line| Some((announced(&line.push)?, line))).collect();
        while let Some((mut place, line)) = bound.pop() {
            // From the last line to the first: each takes the last of the remaining pushes for its step.
            for (earlier_place, earlier) in &mut bound {
                let is_equal = (earlier.line.old, earlier.line.new) == (line.line.old, line.line.new);
                if is_equal && *earlier_place > place {
                    std::mem::swap(&mut earlier.push, &mut line.push);
                    std::mem::swap(earlier_place, &mut place);
                }
            }
        }
    }

    /// Takes a report that leads away from a value, preferably straight to the target.
    pub(super) fn take_step(&mut self, from: CommitId, target: CommitId) -> Option<&'a Report> {
        let leads = |report: &&Report| report.claim == Claim::Happened && report.old == from;
        let straight = self.unbound.iter().position(|report| leads(report) && report.new == target);
        let place = straight.or_else(|| self.unbound.iter().position(leads))?;
        Some(self.unbound.remove(place))
    }

    /// Takes reports that lead away from a value and back to it, if any.
    pub(super) fn take_round(&mut self, home: CommitId) -> Vec<&'a Report> {
        let before = self.unbound.clone();
        let mut taken = Vec::new();
        let mut at = home;
        while let Some(report) = self.take_step(at, home) {
            at = report.new;
            taken.push(report);
        }
        if at != home {
            self.unbound = before;
            taken.clear();
        }
        taken
    }

    /// Takes all reports of updates that have happened.
    pub(super) fn take_all_happened(&mut self) -> Vec<&'a Report> {
        let (happened, rest) = self.unbound.iter().partition(|report| report.claim == Claim::Happened);
        self.unbound = rest;
        happened
    }
}

/// Binds a report to the first line that it fits; if the report says that its update has happened, so has the line's.
fn bind_line(report: &Report, lines: &mut [Candidate<'_>], fit: Fit) -> Option<()> {
    let free = |line: &&mut Candidate<'_>| {
        line.push.is_none()
            && report.moves(line.line.old, line.line.new)
            && fits(report, &line.line.info, fit)
    };
    if let Some(line) = lines.iter_mut().filter(free).find(|line| line.proof == Proof::Happened) {
        line.push = Some(report.push.clone());
        return Some(());
    }
    if report.claim == Claim::Intended || fit == Fit::Values {
        return None;
    }
    let line = lines.iter_mut().rev().filter(free).find(|line| line.proof != Proof::History)?;
    line.proof = Proof::Happened;
    line.push = Some(report.push.clone());
    Some(())
}

/// Whether a report fits an update found at an earlier look; equal values alone are not enough there.
fn fits_earlier(report: &Report, line: &LineInfo, fit: Fit) -> bool {
    fit != Fit::Values && fits(report, line, fit)
}

/// Whether a report fits a line this well.
pub(super) fn fits(report: &Report, line: &LineInfo, fit: Fit) -> bool {
    let in_time = report.since.saturating_sub(SLACK_SECS) <= line.time
        && line.time <= report.until.saturating_add(SLACK_SECS);
    let same_mail = report.email.as_ref() == Some(&line.email);
    // Two e-mails of one domain that differ are two push ids, or two people.
    let other_push =
        report.email.as_ref().is_some_and(|email| !same_mail && domain(email) == domain(&line.email));
    match fit {
        Fit::MailAndTime => same_mail && in_time,
        Fit::Mail => same_mail,
        Fit::Time => in_time && !other_push,
        Fit::Values => !other_push,
    }
}

/// The part after the last `@`.
fn domain(email: &[u8]) -> Option<&[u8]> {
    email.rsplit(|byte| *byte == b'@').next()
}

impl Report {
    /// Whether an update that another push has only announced may be the one of this report.
    pub(super) fn may_have_made(&self, update: &Recent) -> bool {
        let is_in_time = update.line.as_ref().is_none_or(|line| fits(self, line, Fit::Time));
        update.push.is_some() && self.moves(update.old, update.new) && is_in_time
    }

    /// Whether the report is about this step.
    pub(super) fn moves(&self, old: CommitId, new: CommitId) -> bool {
        self.old == old && self.new == new
    }
}
