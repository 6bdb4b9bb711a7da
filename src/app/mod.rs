//! The application core: the operations of quire, each once, over one [`AppState`].
//!
//! `http`, `serve`, `cli` and `compat` translate between people or programs and these functions; they decide nothing.

mod health;
mod probe;
mod spool_gate;
mod state;
mod tasks;
mod unseen;
mod watches;

pub use health::{Health, Trouble};
pub use probe::Probe;
pub use spool_gate::{SpoolGate, SpoolState};
pub use state::{AppState, Look, Unsettled, Wake};
pub use tasks::{TaskFailure, Tasks};
pub use unseen::UnseenPushes;
