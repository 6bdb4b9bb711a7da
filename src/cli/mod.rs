//! The command line: one file a command. Only here is the environment read.

mod args;
mod caches;
mod ci;
mod ci_run;
mod doctor;
mod ci_workflow;
mod exit;
mod hook;
mod licenses;
mod logs;
mod notify;
mod ops;
mod place;
mod repo;
mod runs;
mod serve;
mod service;
mod watch;

pub use args::run;
pub use hook::hook_name;
