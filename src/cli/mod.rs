//! The command line: one file a command. Only here is the environment read.

pub(crate) mod access;
mod args;
mod audit;
pub(crate) mod ask;
mod ci;
mod ci_plan;
mod ci_report;
mod ci_run;
mod doctor;
mod ci_workflow;
pub(crate) mod exit;
mod follow;
mod hook;
mod licenses;
pub(crate) mod logs;
mod next_command;
mod notify;
pub(crate) mod ops;
pub(crate) mod place;
mod reindex;
mod remote;
mod repo;
mod reset_caches;
mod run_filter;
pub(crate) mod runs;
pub(crate) mod serve;
mod server_log;
pub(crate) mod service;
mod start;
mod token;
mod usage_error;
mod watch;
mod watch_import;

pub(crate) use args::leave;
pub use args::run;
pub use hook::hook_name;
