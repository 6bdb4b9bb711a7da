//! wip

mod claims;
#[cfg(test)]
mod fixture;
mod ledger;
#[cfg(test)]
mod ledger_tests;
mod look;
mod look_error;
mod reflog;
mod refs;
#[cfg(test)]
mod simulation;

pub use ledger::*;
pub use look::*;
pub use look_error::LookError;
pub use reflog::*;
pub use refs::{RefList, RefValue, Refs};
