//! How long the server waits for a runner, and what follows when the runner is late. No clock and no I/O: what is seen
//! comes in with its time, the next deadline comes out.

use std::time::Duration;

use tokio::time::Instant;

use crate::journal::{RunRecord, StopReason};
use crate::model::{Outcome, Reason, codes, format_duration};
use crate::run::Message;

/// How long a runner may take from getting its run until the pipeline is evaluated. Its own limits are shorter.
pub(super) const EVALUATION_LIMIT: Duration = Duration::from_secs(90);

/// After this, a pipeline that is not evaluated no longer counts as using one of the slots.
pub(super) const SLOW_AFTER: Duration = Duration::from_secs(3);

/// How long a runner may take to answer a message. The answer to a stop is the fact in its journal.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long a cancelled run may take to end: the grace of its steps and its containers, and the work after it.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How long a run may continue after its own time limit, which its runner enforces.
const OVERTIME: Duration = Duration::from_secs(60);

/// How long a runner may take to exit after it has written the end of its run.
const EXIT_LIMIT: Duration = Duration::from_secs(30);

/// Why a runner was killed: how its run ends, unless the journal has an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) reason: Reason,
    /// Whether it replaces an end that the journal has.
    pub(super) is_final: bool,
}

impl Verdict {
    /// The runner is gone, and nobody knows why.
    pub(super) fn runner_gone() -> Self {
        Self::interrupted(Reason::new(codes::INTERRUPTED, "its runner was gone before it had ended"))
    }

    /// The journal has an end that its runner, which was killed, cannot have meant.
    pub(super) fn unconfirmed() -> Self {
        let reason = Reason::new(codes::INTERRUPTED, "its runner was killed before it had confirmed the end");
        Self { is_final: true, ..Self::interrupted(reason) }
    }

    /// The run was interrupted, for this reason.
    pub(super) fn interrupted(reason: Reason) -> Self {
        Self::new(Outcome::Interrupted, reason)
    }

    fn new(outcome: Outcome, reason: Reason) -> Self {
        Self { outcome, reason, is_final: false }
    }
}

/// The deadlines of one runner.
#[derive(Debug)]
pub(super) struct RunnerLimits {
    run_timeout: Duration,
    has_slot: bool,
    has_begun: bool,
    evaluation: Option<Instant>,
    /// Whether a slot that was given during the evaluation is to be sent once more when that has ended.
    go_again: bool,
    slow: Option<Instant>,
    answer: Option<(Instant, Message)>,
    stop: Option<(Instant, StopReason)>,
    run: Option<Instant>,
    exit: Option<Instant>,
}

impl RunnerLimits {
    /// The limits of a runner that was given its run, or found, now.
    pub(super) fn new(run_timeout: Duration, has_slot: bool, now: Instant) -> Self {
        Self {
            run_timeout,
            has_slot,
            has_begun: false,
            evaluation: Some(now + EVALUATION_LIMIT),
            go_again: false,
            slow: Some(now + SLOW_AFTER),
            answer: None,
            stop: None,
            run: None,
            exit: None,
        }
    }

    /// Takes note of a message that was sent to the runner.
    pub(super) fn sent(&mut self, message: &Message, now: Instant) {
        // Nobody listens while the pipeline is evaluated, which has a limit of its own: a slot can wait for that, a stop cannot.
        if self.evaluation.is_none() || matches!(message, Message::Stop { .. }) {
            self.answer = Some((now + ANSWER_LIMIT, message.clone()));
        }
        match message {
            Message::Go {} => {
                self.has_slot = true;
                self.go_again = self.evaluation.is_some();
            }
            Message::Stop { reason: reason @ StopReason::Cancelled { .. } } => {
                self.stop = Some((now + STOP_LIMIT, reason.clone()));
            }
            Message::Stop { .. } => {}
        }
    }

    /// Takes note that the runner has answered over its socket. That counts for [`Message::Go`] only.
    pub(super) fn answered(&mut self) {
        if matches!(self.answer, Some((_, Message::Go {}))) {
            self.answer = None;
        }
    }

    /// Takes note of what the journal says by now.
    pub(super) fn saw(&mut self, record: &RunRecord, now: Instant) {
        if record.is_evaluated || record.outcome.is_some() {
            (self.evaluation, self.slow) = (None, None);
        }
        let has_begun = record.started_at.is_some();
        // The files are on their way for as long as the limit at most, and the jobs continue for that long again.
        if (has_begun && !self.has_begun)
            || (self.has_slot && self.evaluation.is_none() && self.run.is_none())
        {
            self.run = Some(now + self.run_timeout + OVERTIME);
        }
        self.has_begun = has_begun;
        if record.stop.is_some() && matches!(self.answer, Some((_, Message::Stop { .. }))) {
            self.answer = None;
        }
        if record.outcome.is_some() {
            (self.answer, self.stop, self.run) = (None, None, None);
            self.exit.get_or_insert(now + EXIT_LIMIT);
        }
    }

    /// Whether the runner has to be sent its slot once more: it was sent during the evaluation, when no answer is
    /// expected, and has begun nothing since. True once; a runner that hears it twice ignores the second.
    pub(super) fn must_repeat_go(&mut self) -> bool {
        let is_due = self.go_again && self.evaluation.is_none();
        if is_due {
            self.go_again = false;
        }
        is_due && !self.has_begun && self.exit.is_none()
    }

    /// Whether the pipeline has been under evaluation for so long that others should not wait for it; true once.
    pub(super) fn is_slow(&mut self, now: Instant) -> bool {
        self.slow.take_if(|at| *at <= now).is_some()
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<Instant> {
        let answer = self.answer.as_ref().map(|(at, _)| *at);
        let stop = self.stop.as_ref().map(|(at, _)| *at);
        [self.evaluation, self.slow, answer, stop, self.run, self.exit].into_iter().flatten().min()
    }

    /// What the run was last asked to stop for, as a verdict, if the runner did not say itself how the run ended.
    pub(super) fn stop_verdict(&self) -> Option<Verdict> {
        match (&self.stop, &self.answer) {
            (Some((_, reason)), _) | (None, Some((_, Message::Stop { reason }))) => {
                Some(stopped(reason, "the runner was gone before it had answered"))
            }
            (None, Some((_, Message::Go {})) | None) => None,
        }
    }

    /// Which limit is exceeded, if any. There are no further ones for a runner that is about to be killed.
    pub(super) fn exceeded(&mut self, now: Instant) -> Option<Verdict> {
        let verdict = self.first_exceeded(now)?;
        (self.evaluation, self.slow, self.answer, self.stop) = (None, None, None, None);
        (self.run, self.exit) = (None, None);
        Some(verdict)
    }

    fn first_exceeded(&self, now: Instant) -> Option<Verdict> {
        let is_over = |at: &Instant| *at <= now;
        if let Some((_, message)) = self.answer.as_ref().filter(|(at, _)| is_over(at)) {
            let late = format!("the runner did not answer within {}", format_duration(ANSWER_LIMIT));
            return Some(match message {
                Message::Stop { reason } => stopped(reason, &late),
                Message::Go {} => Verdict::interrupted(Reason::new(codes::INTERRUPTED, late)),
            });
        }
        if let Some((_, reason)) = self.stop.as_ref().filter(|(at, _)| is_over(at)) {
            let late = format!("the runner did not end within {}", format_duration(STOP_LIMIT));
            return Some(stopped(reason, &late));
        }
        let timed_out =
            |text: String| Some(Verdict::new(Outcome::TimedOut, Reason::new(codes::TIMED_OUT, text)));
        if self.evaluation.as_ref().is_some_and(is_over) {
            let limit = format_duration(EVALUATION_LIMIT);
            return timed_out(format!("evaluating the pipeline took longer than {limit}"));
        }
        if self.run.as_ref().is_some_and(is_over) {
            return timed_out("the run took longer than its limit, and its runner did not end it".to_owned());
        }
        let no_exit = || Verdict::interrupted(Reason::new(codes::INTERRUPTED, "the runner did not exit"));
        self.exit.as_ref().is_some_and(is_over).then(no_exit)
    }
}

/// How a run ends whose runner had to be killed because it did not stop by itself.
fn stopped(reason: &StopReason, late: &str) -> Verdict {
    let (outcome, mut reason) = reason.end();
    reason.add(&format!("{late} and was killed"));
    Verdict::new(outcome, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn evaluated() -> RunRecord {
        RunRecord { is_evaluated: true, ..RunRecord::default() }
    }

    fn cancel() -> Message {
        Message::Stop { reason: StopReason::Cancelled { by: Some("ann".to_owned()) } }
    }

    #[test]
    fn an_evaluation_is_slow_once_and_then_over() {
        let now = Instant::now();
        let mut limits = RunnerLimits::new(HOUR, true, now);
        assert!(!limits.is_slow(now) && limits.exceeded(now).is_none());
        assert_eq!(limits.next(), Some(now + SLOW_AFTER));
        assert!(limits.is_slow(now + SLOW_AFTER) && !limits.is_slow(now + SLOW_AFTER));
        assert_eq!(limits.exceeded(now + EVALUATION_LIMIT).unwrap().outcome, Outcome::TimedOut);
        assert_eq!(limits.next(), None);
    }

    #[test]
    fn a_runner_that_waits_for_its_slot_has_no_deadline() {
        let now = Instant::now();
        let mut limits = RunnerLimits::new(HOUR, false, now);
        limits.saw(&evaluated(), now);
        assert_eq!(limits.next(), None);
        limits.sent(&Message::Go {}, now);
        let mut silent = RunnerLimits::new(HOUR, false, now);
        silent.sent(&Message::Go {}, now);
        assert!(silent.exceeded(now + ANSWER_LIMIT).is_none(), "it still evaluates");
        silent.saw(&evaluated(), now);
        silent.sent(&Message::Go {}, now);
        assert_eq!(silent.exceeded(now + ANSWER_LIMIT).unwrap().outcome, Outcome::Interrupted);
        limits.answered();
        limits.saw(&evaluated(), now);
        assert_eq!(limits.next(), Some(now + HOUR + OVERTIME));
        assert_eq!(limits.exceeded(now + HOUR + OVERTIME).unwrap().outcome, Outcome::TimedOut);
    }

    #[test]
    fn a_slot_that_was_given_during_the_evaluation_is_sent_again_after_it() {
        let now = Instant::now();
        let mut limits = RunnerLimits::new(HOUR, false, now);
        limits.sent(&Message::Go {}, now);
        assert!(!limits.must_repeat_go(), "it still evaluates");
        limits.saw(&evaluated(), now);
        assert!(limits.must_repeat_go() && !limits.must_repeat_go());
        limits.sent(&Message::Go {}, now);
        assert!(!limits.must_repeat_go());
        assert_eq!(limits.exceeded(now + ANSWER_LIMIT).unwrap().outcome, Outcome::Interrupted);

        let mut begun = RunnerLimits::new(HOUR, false, now);
        begun.sent(&Message::Go {}, now);
        let started = RunRecord { started_at: Some(crate::model::Timestamp::from_millis(1)), ..evaluated() };
        begun.saw(&started, now);
        assert!(!begun.must_repeat_go(), "its jobs have begun");
    }

    #[test]
    fn a_stop_is_answered_in_the_journal_and_by_the_end_of_the_run() {
        let now = Instant::now();
        let mut limits = RunnerLimits::new(HOUR, true, now);
        limits.saw(&evaluated(), now);
        limits.sent(&cancel(), now);
        // What answers on the socket proves nothing.
        limits.answered();
        let verdict = limits.exceeded(now + ANSWER_LIMIT).unwrap();
        assert_eq!(verdict.outcome, Outcome::Cancelled);
        assert!(verdict.reason.text.starts_with("cancelled by ann; the runner did not answer within 10"));

        limits.saw(&evaluated(), now);
        limits.sent(&cancel(), now);
        let stopped = RunRecord { stop: Some(StopReason::Cancelled { by: None }), ..evaluated() };
        limits.saw(&stopped, now);
        assert!(limits.exceeded(now + ANSWER_LIMIT).is_none());
        assert_eq!(limits.exceeded(now + STOP_LIMIT).unwrap().outcome, Outcome::Cancelled);
    }

    #[test]
    fn a_run_with_an_end_has_a_moment_to_exit() {
        let now = Instant::now();
        let mut limits = RunnerLimits::new(HOUR, true, now);
        limits.sent(&cancel(), now);
        limits.saw(&RunRecord { outcome: Some(Outcome::Passed), ..evaluated() }, now);
        assert_eq!(limits.next(), Some(now + EXIT_LIMIT));
        assert_eq!(limits.exceeded(now + EXIT_LIMIT).unwrap().outcome, Outcome::Interrupted);
    }
}
