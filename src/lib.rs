//! quire: a git forge in one binary that runs `.quire/ci.fnl` on every push and answers in the push.
//!
//! The modules stand in the order in which they may use each other: a module names only those above it
//! (`tests/it/tidy.rs` says so). `docs/architecture.md` follows one push through them.

/// Values with one `parse` each: names, ids, outcomes, diagnostics. No I/O.
pub mod model;
/// What starts a run: a push, a watched remote, a person, a clock, a rerun. No I/O.
pub mod event;
/// What can be written in the files that quire reads: primitives and options in one table, and their reader. No I/O.
pub mod schema;
/// The only door to the operating system: clock, processes, sockets, locks.
pub mod sys;
/// What the server counts and times, for Prometheus.
pub mod metrics;
/// Fennel and Lua: the compile VM, the run VM and what scripts can call.
pub mod script;
/// What the operator decides: where the data is, what `config.fnl` says.
pub mod config;
/// Secret values, and their removal from everything that is written or shown.
pub mod secret;
/// What a container may: profiles, the operator's bundle, signatures; one decision a point.
pub mod policy;
/// Bare repositories: made, adopted, listed, removed; their refs, reflogs and objects.
pub mod forge;
/// Step output on disk: CRI lines, head and tail within a limit.
pub mod log;
/// Files that are kept with their run, and test reports among them.
pub mod artifact;
/// A run's record on disk: one fact a line.
pub mod journal;
/// The database: what was pushed, what is queued, an index of the runs.
pub mod store;
/// How a push comes in: hooks, frames, spool, and what follows from a ref update.
pub mod intake;
/// What a repository declares: jobs and what they need, as one checked graph.
pub mod pipeline;
/// Where a step's processes run, and how all of them end.
pub mod executor;
/// Containers of a run: the engine, images, services, steps in them.
pub mod container;
/// One execution of a graph at one commit: what may start, what must stop, how it ended.
pub mod run;
/// What people and programs see of runs: text and JSON.
pub mod view;
/// Notifications: events, rules, messages and their delivery.
pub mod notify;
/// Watched remotes: when each is looked at, what was found, and who hears of it.
pub mod watch;
/// Sources of jobs: folders, git repositories and images, fetched and kept.
pub mod sources;
/// The application core: the operations of quire, each once, over one state.
pub mod app;
/// The HTTP door: thin handlers over the Unix socket and loopback.
pub mod http;
/// The server: who owns which task, in what order they start and stop.
pub mod serve;
/// The command line: one file a command.
pub mod cli;
/// Names that this binary had elsewhere, and what it does when it is called by one.
pub mod compat;
