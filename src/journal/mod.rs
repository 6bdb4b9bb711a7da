//! A run's record on disk: `journal.ndjson` in its folder, one fact a line, appended and never changed.
//!
//! The journal is the truth about a run. The database is an index of it, and every screen folds it
//! ([`RunRecord`]). A fact is written before its effect can be seen, in one write, so that it survives
//! `kill -9`; the file is synced at the end of each job and of the run.

mod artifact_fact;
mod diagnostic_fact;
mod fact;
mod fold;
mod job_output;
mod line;
mod outcome_word;
mod reader;
mod recorder;
mod reports;
mod sink;
mod step_log;
mod version_1;
mod writer;

#[cfg(test)]
mod fold_tests;

pub use artifact_fact::{ArtifactRecord, FailedTestRecord, TestRecord};
pub use diagnostic_fact::DiagnosticFact;
pub use fact::{
    End, Fact, ImageRecord, JobFact, OpenedRun, PolicyRecord, Record, StepEnd, StepStart, StopReason,
};
pub use fold::{Denial, JobRecord, RunRecord, StepRecord};
pub use job_output::{JobOutput, MAX_OUTPUT};
pub use reader::{JOURNAL, JournalReadError, JournalReader};
pub use recorder::{EVALUATION_LOG, LOG_FOLDER, Recorder, SCRIPT_LOG};
pub use sink::{JournalError, JournalSink};
pub(crate) use step_log::StepLog;
pub use writer::JournalWriter;
