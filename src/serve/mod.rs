//! The server: who owns which task, in what order they start and stop.
//!
//! It never evaluates repository code. Runs are led by runner processes that outlive it.

mod alone;
mod audit;
mod backoff;
mod copied;
mod dispatcher;
mod echo;
mod expiry;
mod follower;
mod index;
mod kept_commits;
mod launch;
mod local_launch;
mod pushes;
mod quiet;
mod run_folder;
mod assignment;
mod runner_limits;
mod settle;
mod start;
mod tracked;
mod unpassed;
mod watcher;

pub(crate) use alone::{AloneOptions, LedRun, start_alone};
pub(crate) use start::{ServeError, ServeOptions, Stopped, serve};
