//! Decides which runs get a runner and which runner gets a slot.

use crate::model::RunId;

/// How many runners may be evaluated and wait for a slot.
const MAX_WAITING_RUNNERS: usize = 4;

/// How many there may be when each one above [`MAX_WAITING_RUNNERS`] is the only one of its repository: evaluations of one
/// repository that take long do not hold up those of another.
const MAX_EVALUATING_RUNNERS: usize = 16;

/// Where an unfinished run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has no runner.
    Queued,
    /// It has none, and it is not yet time to try again to start one.
    Delayed,
    /// Its runner evaluates the pipeline, or has done so and waits for a slot.
    Waiting,
    /// Its runner has a slot.
    Running,
    /// Its runner has been evaluating the pipeline for so long that it does not use the slot that it may have, and gets none.
    Slow,
    /// Its runner is gone or is being killed, and the run is being settled; or nobody knows yet who leads it.
    Ending,
}

/// An unfinished run, as the queue sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuedRun<'a> {
    pub(crate) id: RunId,
    /// The id of its repository.
    pub(crate) repo: &'a str,
    /// Where it is.
    pub(crate) stage: Stage,
    /// Whether a newer push has superseded it: it only has to find out whether some job of it is still running all the same.
    pub(crate) is_superseded: bool,
    /// Whether an older run of the same ref, which this one has superseded, has not ended: then its jobs must not begin.
    pub(crate) is_blocked: bool,
}

/// What the queue needs done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dispatch {
    /// Start a runner.
    Start {
        /// For this run.
        id: RunId,
        /// Whether it gets a slot at once; otherwise it evaluates and waits.
        with_slot: bool,
    },
    /// Give a slot to a runner that waits.
    Grant {
        /// The run.
        id: RunId,
    },
}

/// Decides what is to be done, given the unfinished runs in the order of the queue.
pub fn plan(runs: &[QueuedRun<'_>], max_runs: usize) -> Vec<Dispatch> {
    let in_stage = |stage: Stage| runs.iter().filter(|run| run.stage == stage).count();
    let mut free = max_runs.saturating_sub(in_stage(Stage::Running));
    let mut waiting: Vec<&str> = runs
        .iter()
        .filter(|run| matches!(run.stage, Stage::Waiting | Stage::Slow))
        .map(|run| run.repo)
        .collect();
    let mut dispatches = Vec::new();
    for run in runs {
        let may_run = free > 0 && !run.is_blocked;
        match run.stage {
            Stage::Waiting if may_run => {
                free -= 1;
                if let Some(place) = waiting.iter().position(|repo| *repo == run.repo) {
                    waiting.swap_remove(place);
                }
                dispatches.push(Dispatch::Grant { id: run.id });
            }
            Stage::Queued if may_run && !run.is_superseded && waiting.len() < MAX_EVALUATING_RUNNERS => {
                free -= 1;
                dispatches.push(Dispatch::Start { id: run.id, with_slot: true });
            }
            Stage::Queued
                if waiting.len() < MAX_WAITING_RUNNERS
                    || (waiting.len() < MAX_EVALUATING_RUNNERS && !waiting.contains(&run.repo)) =>
            {
                waiting.push(run.repo);
                dispatches.push(Dispatch::Start { id: run.id, with_slot: false });
            }
            Stage::Queued
            | Stage::Delayed
            | Stage::Waiting
            | Stage::Running
            | Stage::Slow
            | Stage::Ending => {}
        }
    }
    dispatches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u8, stage: Stage) -> QueuedRun<'static> {
        let id = RunId::new(1, [seed; 10]);
        QueuedRun { id, repo: "a", stage, is_superseded: false, is_blocked: false }
    }

    fn id(seed: u8) -> RunId {
        RunId::new(1, [seed; 10])
    }

    #[test]
    fn slots_go_in_the_order_of_the_queue() {
        let runs = [run(1, Stage::Running), run(2, Stage::Waiting), run(3, Stage::Queued)];
        assert_eq!(
            plan(&runs, 3),
            [Dispatch::Grant { id: id(2) }, Dispatch::Start { id: id(3), with_slot: true }]
        );
        assert_eq!(
            plan(&runs, 2),
            [Dispatch::Grant { id: id(2) }, Dispatch::Start { id: id(3), with_slot: false }]
        );
    }

    #[test]
    fn a_superseded_run_gets_a_runner_but_no_slot_of_its_own() {
        let superseded = QueuedRun { is_superseded: true, ..run(1, Stage::Queued) };
        let expected =
            [Dispatch::Start { id: id(1), with_slot: false }, Dispatch::Start { id: id(2), with_slot: true }];
        assert_eq!(plan(&[superseded, run(2, Stage::Queued)], 1), expected);
    }

    #[test]
    fn a_run_does_not_begin_before_the_one_that_it_superseded_has_ended() {
        let blocked = QueuedRun { is_blocked: true, ..run(2, Stage::Queued) };
        let other = run(3, Stage::Queued);
        let expected =
            [Dispatch::Start { id: id(2), with_slot: false }, Dispatch::Start { id: id(3), with_slot: true }];
        assert_eq!(plan(&[run(1, Stage::Ending), blocked, other], 2), expected);
        assert!(plan(&[QueuedRun { stage: Stage::Waiting, ..blocked }], 2).is_empty());
    }

    #[test]
    fn four_runners_wait_at_most() {
        let runs: Vec<QueuedRun<'_>> = (0..10).map(|seed| run(seed, Stage::Queued)).collect();
        let dispatches = plan(&runs, 1);
        assert_eq!(dispatches.len(), 1 + MAX_WAITING_RUNNERS);
        assert_eq!(dispatches[0], Dispatch::Start { id: id(0), with_slot: true });
        assert_eq!(dispatches[4], Dispatch::Start { id: id(4), with_slot: false });
        let stage = |seed| match seed {
            0 => Stage::Running,
            1..5 => Stage::Waiting,
            _ => Stage::Queued,
        };
        let waiting: Vec<QueuedRun<'_>> = (0..10).map(|seed| run(seed, stage(seed))).collect();
        assert!(plan(&waiting, 1).is_empty());
    }

    #[test]
    fn evaluations_of_one_repository_do_not_hold_up_those_of_another() {
        let mut runs: Vec<QueuedRun<'_>> = (0..6).map(|seed| run(seed, Stage::Slow)).collect();
        runs.push(run(6, Stage::Queued));
        runs.push(QueuedRun { repo: "b", ..run(7, Stage::Queued) });
        runs.push(QueuedRun { repo: "b", ..run(8, Stage::Queued) });
        assert_eq!(plan(&runs, 0), [Dispatch::Start { id: id(7), with_slot: false }]);
        // A slow one does not use its slot.
        assert_eq!(plan(&runs, 1)[0], Dispatch::Start { id: id(6), with_slot: true });
        let crowd: Vec<QueuedRun<'_>> = (0..20).map(|seed| run(seed, Stage::Slow)).collect();
        let stranger = QueuedRun { repo: "b", ..run(20, Stage::Queued) };
        assert!(plan(&[crowd, vec![stranger]].concat(), 1).is_empty(), "there is a limit to all of them");
    }

    #[test]
    fn a_delayed_run_is_left_alone() {
        let runs = [run(1, Stage::Delayed), run(2, Stage::Queued)];
        assert_eq!(plan(&runs, 1), [Dispatch::Start { id: id(2), with_slot: true }]);
    }
}
