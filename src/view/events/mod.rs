//! The events of a run, as one numbered sequence: made from the row of the run, its journal and its logs, and from nothing
//! else. Whoever reads them later, and after whatever restart, reads the same ones with the same numbers.
//!
//! `run.queued` is the first, from the row. The facts of the journal follow in their order; what a log had when a fact says
//! that it has grown comes at the place of that fact. The end of the run in the journal does not count before the run is
//! settled, so `run.finished` is made from the row, and is the last.

mod body;
mod event;
mod expand;
mod pieces;
mod reader;

#[cfg(test)]
mod tests;

pub(crate) use event::RunEvent;
pub(crate) use reader::{EventsError, RunEvents};
