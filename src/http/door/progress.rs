//! How far a connection is with its request, and until when it has to continue.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::limits::Timeouts;

/// What a connection is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head of a request.
    Head,
    /// The body of a request.
    Body,
    /// Nothing: a request is being answered.
    Answer,
    /// The next request.
    Idle,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    since: Instant,
    /// When bytes came last.
    read: Instant,
    /// Since when the client takes nothing of what is written.
    stalled: Option<Instant>,
}

/// The progress of a connection, shared by what reads, answers and watches it.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<State>,
    timeouts: Timeouts,
    close: Notify,
    /// Notified when an answer has begun that may never end.
    streams: Notify,
}

impl Progress {
    /// A connection that has just been made.
    pub(super) fn new(timeouts: Timeouts) -> Self {
        let now = Instant::now();
        let state = State { phase: Phase::Head, since: now, read: now, stalled: None };
        Self { state: Mutex::new(state), timeouts, close: Notify::new(), streams: Notify::new() }
    }

    /// Bytes have come.
    pub(super) fn has_read(&self) {
        self.change(|state| {
            state.read = Instant::now();
            if state.phase == Phase::Idle {
                (state.phase, state.since) = (Phase::Head, state.read);
            }
        });
    }

    /// The head of a request is complete.
    pub(super) fn expect_body(&self) {
        self.change(|state| {
            (state.phase, state.since) = (Phase::Body, Instant::now());
            state.read = state.since;
        });
    }

    /// The request is complete.
    pub(super) fn begin_answer(&self) {
        self.change(|state| (state.phase, state.since) = (Phase::Answer, Instant::now()));
    }

    /// The answer has been given.
    pub(super) fn end_answer(&self) {
        self.change(|state| {
            if state.phase == Phase::Answer {
                (state.phase, state.since) = (Phase::Idle, Instant::now());
            }
        });
    }

    /// The client has taken bytes, or takes none for now.
    pub(super) fn has_written(&self, is_taken: bool) {
        self.change(|state| match is_taken {
            true => state.stalled = None,
            false => {
                state.stalled.get_or_insert_with(Instant::now);
            }
        });
    }

    /// Whether the connection has not sent a whole request.
    pub(super) fn is_waiting(&self) -> bool {
        self.state().phase != Phase::Answer
    }

    /// When to look again, and whether the connection is late by now.
    pub(super) fn deadline(&self, now: Instant) -> (Instant, bool) {
        let (state, timeouts) = (self.state(), self.timeouts);
        let of_phase = match state.phase {
            Phase::Head => Some(state.since + timeouts.head),
            Phase::Body => Some((state.read + timeouts.body).min(state.since + timeouts.whole_body)),
            Phase::Idle => Some(state.since + timeouts.idle),
            Phase::Answer => None,
        };
        let of_stall = state.stalled.map(|since| since + timeouts.stall);
        let deadline = of_phase.into_iter().chain(of_stall).min();
        let is_late = deadline.is_some_and(|deadline| deadline <= now);
        // Another phase may have begun by then, with a shorter time limit.
        let look = now + timeouts.head.min(timeouts.body).min(timeouts.stall);
        (deadline.unwrap_or(look).min(look), is_late)
    }

    /// An answer begins that may never end: who sends no more has left.
    pub(super) fn begin_stream(&self) {
        self.streams.notify_one();
    }

    /// Waits until an answer has begun that may never end.
    pub(super) async fn is_stream(&self) {
        self.streams.notified().await;
    }

    /// Has the connection closed.
    pub(super) fn close(&self) {
        self.close.notify_one();
    }

    /// Waits until the connection is to be closed: another needs its place, it is late, or its client is gone. A client that
    /// only sends no more waits for its answer.
    pub(super) async fn is_over(&self, is_gone: impl Fn() -> bool) {
        loop {
            let (deadline, is_late) = self.deadline(Instant::now());
            if is_late || is_gone() {
                return;
            }
            tokio::select! {
                () = self.close.notified() => return,
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_phase_has_its_time_limit() {
        let progress = Progress::new(Timeouts::OF_DOORS);
        let is_late_after = |seconds| progress.deadline(Instant::now() + Duration::from_secs(seconds)).1;
        assert!(!is_late_after(9) && is_late_after(10) && progress.is_waiting());
        progress.expect_body();
        assert!(!is_late_after(29) && is_late_after(30) && progress.is_waiting());
        // Each byte gives it another half a minute, but not for ever.
        progress.change(|state| state.read = state.since + Duration::from_secs(580));
        assert!(!is_late_after(599) && is_late_after(600) && progress.is_waiting());
        progress.begin_answer();
        progress.has_read();
        assert!(!is_late_after(86_400) && !progress.is_waiting());
        progress.has_written(false);
        assert!(!is_late_after(29) && is_late_after(30));
        progress.has_written(true);
        assert!(!is_late_after(86_400));
        progress.end_answer();
        assert!(!is_late_after(59) && is_late_after(60) && progress.is_waiting());
        progress.has_read();
        assert!(!is_late_after(9) && is_late_after(10));
    }
}
