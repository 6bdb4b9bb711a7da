//! Watched remotes: which there are, when each is looked at, what was found, and who hears of it.
//!
//! `state` decides: the state so far and what a look has found in; the new state, the next look and what is announced out,
//! without clock or I/O. `remotes` is the shell: it owns the watches and their deadlines. A look asks the remote by git
//! (`remote`) and fetches into a copy, which is then settled as any repository is ([`SettleCopy`]). Nothing here starts runs.

mod admin;
mod announce;
mod context;
mod look;
mod remote;
mod remotes;
mod state;
mod trouble;
mod wake;

pub use admin::{WatchError, add_watch, all_watches, remove_watch};
pub use context::{SettleCopy, Settling, WatchContext};
pub use remote::FETCH_MARK;
pub use remotes::watch_remotes;
pub use state::WatchState;
pub use trouble::TroubleKind;
pub use wake::WatchWake;
