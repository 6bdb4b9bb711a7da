//! One execution of a job graph at one commit.
//!
//! [`RunState`] and [`step`] decide: functions from state and event to actions, without clock, I/O or channel.
//! [`drive`] performs the actions and turns what happens into events; it decides nothing. The VM has a thread of its
//! own, and so has the watchdog that ends the process when the VM does not listen.

mod artifacts;
mod assignment;
mod confine;
mod control;
mod drive;
mod early_vm;
mod evaluate;
mod filling;
mod fired;
mod folder_place;
mod job_slot;
mod kept_jobs;
mod lease;
mod live;
mod local_runs;
mod manual_jobs;
mod objects;
mod only_evaluate;
mod order;
mod pipeline_watch;
mod place;
mod planner;
mod push_event;
mod queue;
mod repeat;
mod rerun;
mod run_host;
mod runner;
mod runner_process;
mod runner_link;
mod speculation;
mod state;
mod step;
mod steps_here;
mod subject;
mod up_front;
mod vm_thread;
mod watchdog;

#[cfg(test)]
mod step_tests;

pub use assignment::Assignment;
pub use confine::{Confiner, StepPlace};
pub(crate) use control::{Answer, Control, RunnerInbox};
pub use control::{CONTROL_SOCKET, Inbox, Message, Pending};
pub use drive::{Drive, Ended, Outside, drive};
pub use early_vm::{EarlyVm, ReadyPipeline};
pub use evaluate::{EVALUATION_LIMIT, Loaded, commit_files, job_facts, sort_files};
pub use filling::Fill;
pub use fired::Fired;
pub use job_slot::JobSlots;
pub use lease::Lost;
pub(crate) use lease::{Lease, RunLock};
pub use live::{LiveRun, LiveRuns, RunNews};
pub use local_runs::{CacheHints, LocalRun, LocalRunError, LocalRuns};
pub(crate) use manual_jobs::ManualJob;
pub use objects::{GitFolder, Objects, Pushed};
pub use only_evaluate::OnlyEvaluated;
pub use order::{Grant, Order, RunLimits, StepRules};
pub use pipeline_watch::{PipelineWatch, end_process};
pub use place::Place;
pub use planner::{
    PLANNER, PlanAnswer, PlanError, PlanOrder, PlannedDecision, PlannedJob, plan_from_input, planned_jobs,
};
pub use push_event::PushEvent;
pub use queue::{Dispatch, QueuedRun, Stage, plan};
pub use repeat::{EarlierJob, EarlierRun, RepeatError};
pub use rerun::rerun;
pub use run_host::RunHost;
pub use runner::{Execution, RunnerError, execute};
pub(crate) use runner_link::{InheritedSocket, RunSocket, send_message};
pub use runner_process::run_from_socket;
pub(crate) use speculation::{Speculation, sweep_speculations};
