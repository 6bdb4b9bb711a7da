//! One execution of a job graph at one commit.
//!
//! [`RunState`] and [`step`] decide: functions from state and event to actions, without clock, I/O or channel.
//! The driver performs the actions and turns what happens into events.

mod queue;
mod state;
mod step;

#[cfg(test)]
mod step_tests;

pub use queue::{Dispatch, QueuedRun, plan};
pub use state::{Action, Event, JobState, RunState};
pub use step::step;
