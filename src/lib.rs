//! quire: a git forge in one binary that runs `.quire/ci.fnl` on every push and answers in the push.
//!
//! The modules stand in the order in which they may use each other: a module names only those above it
//! (`tests/it/tidy.rs` says so). `docs/architecture.md` follows one push through them.

/// Values with one `parse` each: names, ids, outcomes, diagnostics. No I/O.
pub mod model;
/// The only door to the operating system: clock, processes, sockets, locks.
pub mod sys;

/// Step output on disk: the lines of a step log, its limit, its readers.
pub mod log;

/// Where a step's process runs, and how it ends with everything it left behind.
pub mod executor;
