//! Decides what follows from a look at a watched branch: its new state, what to announce, and when to look again.

use std::time::Duration;

use super::trouble::TroubleKind;
use crate::model::{CommitId, Timestamp};
use crate::store::WatchStatus;

/// The longest time between two looks at a failing remote, unless its interval is longer.
const MAX_BACK_OFF: Duration = Duration::from_secs(3600);

/// The same for a remote that sends too much: each look may fetch gigabytes.
const MAX_BACK_OFF_TOO_MUCH: Duration = Duration::from_secs(24 * 3600);

/// The state of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchState {
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
    /// The state of the watch.
    pub state: WatchState,
    /// The error.
    pub error: Option<String>,
    /// The tip of the branch.
    pub tip: Option<CommitId>,
    /// The branch that the remote's `HEAD` names.
    pub default_branch: Option<String>,
    /// Whether the history was rewritten: the previous tip is not an ancestor of it.
    pub is_rewritten: bool,
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
        /// The error.
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
    pub fn as_str(self) -> &'static str {
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

/// The new status, and the changes to announce. A state that lasts is announced once.
pub(crate) fn advance(
    before: Option<&WatchStatus>,
    found: Finding,
    now: Timestamp,
) -> (WatchStatus, Vec<WatchChange>) {
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

/// How long to wait for the next look, after `failures` failed looks in a row. `jitter` is from 0 to 1.
pub(crate) fn next_look(every: Duration, state: WatchState, failures: u32, jitter: f64) -> Duration {
    let cap = match state {
        WatchState::Trouble(TroubleKind::TooMuch) => MAX_BACK_OFF_TOO_MUCH,
        WatchState::Trouble(_) => MAX_BACK_OFF,
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
        let middle = |state, failures| next_look(every, state, failures, 0.5);
        assert_eq!(middle(WatchState::Following, 0), every);
        assert_eq!(middle(bad, 1), every * 2);
        assert_eq!(middle(bad, 3), every * 8);
        assert_eq!(middle(bad, 90), MAX_BACK_OFF);
        assert_eq!(middle(WatchState::NoBranch, 5), every);
        let day = Duration::from_secs(86_400);
        assert_eq!(next_look(day, bad, 9, 0.5), day);
        assert_eq!(next_look(every, WatchState::Following, 0, 0.0), every.mul_f64(0.9));
        assert!(next_look(every, WatchState::Following, 0, 1.0) > every);
    }
}
