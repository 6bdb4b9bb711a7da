//! The command line: one file a command. Only here is the environment read.

mod args;
mod ci;
mod ci_run;
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

pub use args::run;
pub use hook::hook_name;
