//! Decides which runs get a runner and which runner gets a slot.

use crate::model::RunId;

/// How many runners may be evaluated and wait for a slot.
const MAX_WAITING_RUNNERS: usize = 4;

/// An unfinished run, as the queue sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuedRun {
    /// The run.
    pub id: RunId,
    /// Whether it has a runner.
    pub has_runner: bool,
    /// Whether it has a slot.
    pub has_slot: bool,
    /// Whether a newer push has superseded it: it only has to find out whether some job of it goes on all the same.
    pub is_superseded: bool,
}

/// What the queue wants done.
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
pub fn plan(runs: &[QueuedRun], max_runs: usize) -> Vec<Dispatch> {
    let mut free = max_runs.saturating_sub(runs.iter().filter(|run| run.has_slot).count());
    let mut waiting = runs.iter().filter(|run| run.has_runner && !run.has_slot).count();
    let mut dispatches = Vec::new();
    for run in runs.iter().filter(|run| !run.has_slot) {
        if free > 0 && (run.has_runner || !run.is_superseded) {
            free -= 1;
            if run.has_runner {
                waiting -= 1;
                dispatches.push(Dispatch::Grant { id: run.id });
            } else {
                dispatches.push(Dispatch::Start { id: run.id, with_slot: true });
            }
        } else if !run.has_runner && waiting < MAX_WAITING_RUNNERS {
            waiting += 1;
            dispatches.push(Dispatch::Start { id: run.id, with_slot: false });
        }
    }
    dispatches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u8, has_runner: bool, has_slot: bool) -> QueuedRun {
        QueuedRun { id: RunId::new(1, [seed; 10]), has_runner, has_slot, is_superseded: false }
    }

    fn id(seed: u8) -> RunId {
        RunId::new(1, [seed; 10])
    }

    #[test]
    fn slots_go_in_the_order_of_the_queue() {
        let runs = [run(1, true, true), run(2, true, false), run(3, false, false)];
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
        let superseded = QueuedRun { is_superseded: true, ..run(1, false, false) };
        let wanted =
            [Dispatch::Start { id: id(1), with_slot: false }, Dispatch::Start { id: id(2), with_slot: true }];
        assert_eq!(plan(&[superseded, run(2, false, false)], 1), wanted);
    }

    #[test]
    fn four_runners_wait_at_most() {
        let runs: Vec<QueuedRun> = (0..10).map(|seed| run(seed, false, false)).collect();
        let dispatches = plan(&runs, 1);
        assert_eq!(dispatches.len(), 1 + MAX_WAITING_RUNNERS);
        assert_eq!(dispatches[0], Dispatch::Start { id: id(0), with_slot: true });
        assert_eq!(dispatches[4], Dispatch::Start { id: id(4), with_slot: false });
        let waiting: Vec<QueuedRun> = (0..10).map(|seed| run(seed, seed < 5, seed == 0)).collect();
        assert!(plan(&waiting, 1).is_empty());
    }
}
