//! The run VM, with a scripted host.

mod calls;
mod encode;
mod failure_rule;
mod fake_host;
mod hostile;
mod jobs;
mod registration;
mod stopping;
mod traps;
