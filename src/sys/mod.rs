//! The only door to the operating system: clock, processes, sockets, locks. No decisions.

pub mod clock;
pub mod git_command;
