//! The core of a watch: decides what follows from a look at a branch: its new state, what to announce, and when to look again.
//! It has no clock and no I/O.

use std::time::Duration;

use tokio::time::Instant;

use super::trouble::TroubleKind;
use crate::model::{CommitId, Timestamp};
use crate::store::WatchStatus;

/// The longest time between two looks at a failing remote, in intervals.
const MAX_BACK_OFF_INTERVALS: u32 = 10;

/// The longest time between two looks at a failing remote, unless its interval is longer.
const MAX_BACK_OFF: Duration = Duration::from_secs(3600);

/// The same for a remote that sends too much, whatever its interval: each look may fetch gigabytes.
const MAX_BACK_OFF_TOO_MUCH: Duration = Duration::from_secs(24 * 3600);

/// What is known of a watched branch, and when it is looked at next.
#[derive(Debug)]
pub(crate) struct RemoteState {
    status: Option<WatchStatus>,
    /// The failed looks in a row.
    failures: u32,
    due: Instant,
}

/// When the result of a look is applied. `jitter` is from 0 to 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) time: Timestamp,
    pub(crate) instant: Instant,
    pub(crate) jitter: f64,
}

/// What follows from a look.
#[derive(Debug)]
pub(crate) struct Applied {
    /// The status to record, if it has changed.
    pub(crate) status: Option<WatchStatus>,
    /// What to announce.
    pub(crate) changes: Vec<WatchChange>,
}

/// The state of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatchState {
    /// Not looked at yet.
    New,
    /// The branch exists, and its tip has been recorded.
    Following,
    /// The branch is missing at the remote.
    NoBranch,
    /// The remote could not be used.
    Trouble(TroubleKind),
}

/// The result of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) state: WatchState,
    pub(crate) error: Option<String>,
    /// The tip of the branch.
    pub(crate) tip: Option<CommitId>,
    /// The branch that the remote's `HEAD` names.
    pub(crate) default_branch: Option<String>,
    /// Whether the history was rewritten: the previous tip is not an ancestor of it.
    pub(crate) is_rewritten: bool,
}

/// A change to announce, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WatchChange {
    /// The state has changed.
    State {
        /// The old state.
        from: Option<String>,
        /// The new state.
        to: WatchState,
        error: Option<String>,
    },
    /// The remote has another default branch.
    DefaultBranch {
        /// The old one.
        from: String,
        /// The new one.
        to: String,
    },
    /// The branch was force-pushed: its old tip is not an ancestor of the new one.
    Rewritten {
        /// The old tip.
        from: CommitId,
        /// The new tip.
        to: CommitId,
    },
}

impl WatchState {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Following => "following",
            Self::NoBranch => "no-branch",
            Self::Trouble(kind) => match kind {
                TroubleKind::Unreachable => "unreachable",
                TroubleKind::Gone => "gone",
                TroubleKind::Denied => "denied",
                TroubleKind::TooMuch => "too-much",
                TroubleKind::Refused => "refused",
                TroubleKind::Failed => "failed",
                TroubleKind::Stopped => "stopped",
            },
        }
    }
}

impl RemoteState {
    /// The state of a watch whose status was recorded earlier, if it was, and that is looked at first at `due`.
    pub(crate) fn new(status: Option<WatchStatus>, due: Instant) -> Self {
        Self { status, failures: 0, due }
    }

    /// The tip that was recorded last.
    pub(crate) fn known_tip(&self) -> Option<CommitId> {
        self.status.as_ref()?.tip
    }

    /// Whether the last look failed, also one of an earlier server.
    pub(crate) fn is_failing(&self) -> bool {
        let word = self.status.as_ref().map(|status| status.state.as_str());
        let is_good = |state: WatchState| word == Some(state.as_str());
        word.is_some()
            && ![WatchState::New, WatchState::Following, WatchState::NoBranch].into_iter().any(is_good)
    }

    /// When the next look begins; `None` when it begins now, because it is due or was requested.
    pub(crate) fn next_look(&self, is_requested: bool, now: Instant) -> Option<Instant> {
        (self.due > now && !is_requested).then_some(self.due)
    }

    /// Schedules the next look after one without a result.
    pub(crate) fn postpone(&mut self, every: Duration, now: Instant) {
        self.due = now + every;
    }

    /// Applies the result of a look; `None` when it was stopped and says nothing about the remote: it is repeated at once.
    pub(crate) fn apply(&mut self, every: Duration, found: Finding, at: Moment) -> Option<Applied> {
        let state = found.state;
        self.failures = match state {
            WatchState::Trouble(TroubleKind::Stopped) => return None,
            WatchState::Trouble(_) => self.failures.saturating_add(1),
            WatchState::New | WatchState::Following | WatchState::NoBranch => 0,
        };
        self.due = at.instant + pause(every, state, self.failures, at.jitter);
        let (status, changes) = advance(self.status.as_ref(), found, at.time);
        let is_changed = self.status.as_ref() != Some(&status);
        self.status = Some(status);
        Some(Applied { status: self.status.clone().filter(|_| is_changed), changes })
    }
}

/// The new status, and the changes to announce. A state that lasts is announced once.
fn advance(before: Option<&WatchStatus>, found: Finding, now: Timestamp) -> (WatchStatus, Vec<WatchChange>) {
    let word = found.state.as_str();
    let mut changes = Vec::new();
    let lasting = before.filter(|before| before.state == word);
    if lasting.is_none() {
        let from = before.map(|before| before.state.clone());
        changes.push(WatchChange::State { from, to: found.state, error: found.error.clone() });
    }
    let known_default = before.and_then(|before| before.default_branch.clone());
    if let (Some(from), Some(to)) = (&known_default, &found.default_branch)
        && from != to
    {
        changes.push(WatchChange::DefaultBranch { from: from.clone(), to: to.clone() });
    }
    let known_tip = before.and_then(|before| before.tip);
    let rewritten_at = match (known_tip, found.tip) {
        (Some(from), Some(to)) if from != to => {
            if found.is_rewritten {
                changes.push(WatchChange::Rewritten { from, to });
            }
            found.is_rewritten.then_some(now)
        }
        (_, _) => before.and_then(|before| before.rewritten_at),
    };
    let status = WatchStatus {
        state: word.to_owned(),
        since: lasting.map_or(now, |before| before.since),
        error: found.error,
        tip: found.tip.or(known_tip),
        default_branch: found.default_branch.or(known_default),
        rewritten_at,
    };
    (status, changes)
}

/// How long to wait for the next look, after `failures` failed looks in a row.
fn pause(every: Duration, state: WatchState, failures: u32, jitter: f64) -> Duration {
    let cap = match state {
        WatchState::Trouble(TroubleKind::TooMuch) => MAX_BACK_OFF_TOO_MUCH,
        WatchState::Trouble(_) => MAX_BACK_OFF.min(every.saturating_mul(MAX_BACK_OFF_INTERVALS)),
        WatchState::New | WatchState::Following | WatchState::NoBranch => every,
    };
    let doubled = every.saturating_mul(2_u32.saturating_pow(failures.min(30)));
    doubled.min(cap.max(every)).mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(state: WatchState, error: Option<&str>, default_branch: &str) -> Finding {
        let default_branch = Some(default_branch.to_owned());
        Finding { state, error: error.map(str::to_owned), tip: None, default_branch, is_rewritten: false }
    }

    #[test]
    fn a_state_that_lasts_is_announced_once_and_keeps_its_beginning() {
        let at = Timestamp::from_millis;
        let unreachable = WatchState::Trouble(TroubleKind::Unreachable);
        let (first, changes) = advance(None, found(WatchState::Following, None, "main"), at(1));
        assert_eq!(changes.len(), 1);
        let (second, changes) = advance(Some(&first), found(WatchState::Following, None, "main"), at(2));
        assert_eq!((&second, changes.len()), (&first, 0));
        let (third, changes) = advance(Some(&second), found(unreachable, Some("a"), "main"), at(3));
        assert_eq!((changes.len(), third.since), (1, at(3)));
        let (fourth, changes) = advance(Some(&third), found(unreachable, Some("b"), "main"), at(4));
        assert_eq!((changes.len(), fourth.since, fourth.error.as_deref()), (0, at(3), Some("b")));
        let (fifth, changes) = advance(Some(&fourth), found(WatchState::Following, None, "trunk"), at(5));
        assert_eq!((changes.len(), fifth.default_branch.as_deref()), (2, Some("trunk")));
    }

    #[test]
    fn a_rewritten_branch_is_announced_once_and_noted_until_it_moves_on() {
        let at = Timestamp::from_millis;
        let tip = |byte: u8, is_rewritten| Finding {
            tip: Some(CommitId::from_bytes([byte; 20])),
            is_rewritten,
            ..found(WatchState::Following, None, "main")
        };
        let gone = || found(WatchState::Trouble(TroubleKind::Gone), Some("x"), "main");
        // The tip, at its time; whether a rewrite is announced, and the recorded time of the rewrite then.
        let looks = [
            (tip(1, true), 1, false, None),
            (tip(1, true), 2, false, None),
            (tip(2, true), 3, true, Some(3)),
            (tip(2, false), 4, false, Some(3)),
            (gone(), 5, false, Some(3)),
            (tip(2, true), 6, false, Some(3)),
            (tip(3, true), 7, true, Some(7)),
            (tip(4, false), 8, false, None),
            (gone(), 9, false, None),
            (tip(5, true), 10, true, Some(10)),
        ];
        let mut status: Option<WatchStatus> = None;
        for (finding, now, is_announced, noted) in looks {
            let (next, changes) = advance(status.as_ref(), finding, at(now));
            let announced = changes.iter().any(|change| matches!(change, WatchChange::Rewritten { .. }));
            assert_eq!((announced, next.rewritten_at), (is_announced, noted.map(at)), "at {now}");
            status = Some(next);
        }
    }

    #[test]
    fn looks_back_off_up_to_a_cap_and_never_come_more_often() {
        let every = Duration::from_secs(60);
        let bad = WatchState::Trouble(TroubleKind::Gone);
        let middle = |state, failures| pause(every, state, failures, 0.5);
        assert_eq!(middle(WatchState::Following, 0), every);
        assert_eq!(middle(bad, 1), every * 2);
        assert_eq!(middle(bad, 3), every * 8);
        assert_eq!((middle(bad, 4), middle(bad, 90)), (every * 10, every * 10));
        assert_eq!(middle(WatchState::NoBranch, 5), every);
        assert_eq!(middle(WatchState::Trouble(TroubleKind::TooMuch), 90), MAX_BACK_OFF_TOO_MUCH);
        assert_eq!(pause(every * 30, bad, 9, 0.5), MAX_BACK_OFF);
        let day = Duration::from_secs(86_400);
        assert_eq!(pause(day, bad, 9, 0.5), day);
        assert_eq!(pause(every, WatchState::Following, 0, 0.0), every.mul_f64(0.9));
        assert!(pause(every, WatchState::Following, 0, 1.0) > every);
    }

    #[test]
    fn a_look_is_due_after_its_pause_or_at_once_when_it_is_requested_or_was_stopped() {
        let (start, every) = (Instant::now(), Duration::from_secs(60));
        let trouble = |kind| found(WatchState::Trouble(kind), Some("x"), "main");
        let mut remote = RemoteState::new(None, start);
        assert!(remote.next_look(false, start).is_none() && !remote.is_failing());
        // The result of each look, the pause after it, the announcements, and whether the status is recorded.
        let looks = [
            (found(WatchState::Following, None, "main"), 1, 1, true),
            (found(WatchState::Following, None, "main"), 1, 0, false),
            (trouble(TroubleKind::Unreachable), 2, 1, true),
            (trouble(TroubleKind::Unreachable), 4, 0, false),
            (found(WatchState::NoBranch, None, "main"), 1, 1, true),
            (trouble(TroubleKind::Gone), 2, 1, true),
        ];
        let mut now = start;
        for (finding, pauses, announced, is_recorded) in looks {
            let is_failing = matches!(finding.state, WatchState::Trouble(_));
            let at = Moment { time: Timestamp::from_millis(1), instant: now, jitter: 0.5 };
            assert!(remote.apply(every, trouble(TroubleKind::Stopped), at).is_none());
            assert!(remote.next_look(false, now).is_none());
            let applied = remote.apply(every, finding, at).unwrap();
            assert_eq!((applied.changes.len(), applied.status.is_some()), (announced, is_recorded));
            assert_eq!(remote.is_failing(), is_failing);
            let due = now + every * pauses;
            assert_eq!((remote.next_look(false, now), remote.next_look(true, now)), (Some(due), None));
            now = due;
        }
        // A new server knows which remotes have failed.
        let again = RemoteState::new(remote.status.clone(), now);
        assert!(again.is_failing() && again.failures == 0);
        remote.postpone(every, now);
        assert_eq!(remote.next_look(false, now), Some(now + every));
    }
}
