//! The application core: the operations of quire, each once, over one [`AppState`].
//!
//! `http`, `serve`, `cli` and `compat` translate between people or programs and these functions; they decide nothing.

mod caches;
mod doctor;
mod exit;
mod health;
mod isolation;
mod local;
mod logs;
mod operation;
mod problem;
mod probe;
mod repositories;
mod requirements;
mod run_changes;
mod runs;
mod spool_gate;
mod state;
mod tasks;
mod unseen;
mod wait;
mod watches;

pub use caches::clear_caches;
pub use doctor::{Check, Examined, Level, doctor};
pub use exit::{Exit, verdict};
pub use health::{Health, Trouble};
pub use isolation::{ISOLATIONS, Isolation};
pub use local::{Local, serves_without_socket};
pub use logs::{ReadLogs, RunLogs, read_logs};
pub use operation::Operation;
pub use probe::Probe;
pub use problem::{CODES, Code, Problem, ProblemFrame};
pub use repositories::recorded_names;
pub use requirements::{Requirement, check_requirements, missing_requirements, warn_of_watches, watch_note};
pub use runs::{
    CancelRun, ListRuns, NamedRun, RerunRun, end_queued, expect_readable, find_run, list_runs, show_run,
};
pub use spool_gate::{SpoolGate, SpoolState};
pub use state::{AppState, Look, Unsettled, Wake};
pub use tasks::{TaskFailure, Tasks};
pub use unseen::UnseenPushes;
pub use wait::{EndedRun, WaitForRun};
