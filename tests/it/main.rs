//! quire's tests from outside: one binary, so that it links once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests start processes and read the environment")]

mod access;
mod accounts;
mod api;
mod attack;
mod browse;
mod containers;
mod docker;
mod docs;
mod doors;
mod engine;
mod events;
mod executor;
mod executor_suite;
mod fixtures;
mod flwd;
mod host_page;
mod jobs_page;
mod kill;
mod listen;
mod local_ends;
mod local_repositories;
mod local_run;
mod mistakes;
mod phantom_page;
mod place;
mod push_report;
mod seam;
mod server_lock;
mod reference;
mod reindex;
mod service;
mod snapshots;
mod stories;
mod tidy;
mod vm;
mod watch;
mod working_copy;
