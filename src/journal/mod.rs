//! A run's record on disk: `journal.ndjson` in its folder, one fact a line, appended and never changed.
//!
//! The journal is the truth about a run. The database is an index of it, and every screen folds it
//! ([`RunRecord`]). A fact is written before its effect can be seen, in one write, so that it survives
//! `kill -9`; the file is synced at the end of each job and of the run.

mod fact;
mod fold;
mod reader;
mod recorder;
mod writer;

#[cfg(test)]
mod fold_tests;

pub use fact::{DiagnosticFact, Fact, JobFact, Record, StopReason};
pub use fold::{ImageRecord, JobRecord, PolicyRecord, RunRecord, StepRecord};
pub use reader::{JOURNAL, JournalReadError, JournalReader};
pub(crate) use recorder::StepLog;
pub use recorder::{LOG_FOLDER, Recorder, SCRIPT_LOG};
pub use writer::{JournalError, JournalWriter};
