//! quire: a git forge in one binary that runs `.quire/ci.fnl` on every push and answers in the push.
//!
//! The modules stand in the order in which they may use each other: a module names only those above it
//! (`tests/it/tidy.rs` says so). `docs/architecture.md` follows one push through them.

/// Values with one `parse` each: names, ids, outcomes, diagnostics. No I/O.
pub mod model;

/// The only door to the operating system: clock, processes, sockets, locks.
pub mod sys;

/// Repositories, their refs and logs, and what can be read of a commit.
pub mod forge;
