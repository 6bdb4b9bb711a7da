//! Watched remotes: the list of watches, when each is looked at, what was found, and what is announced.
//!
//! `state` decides: from the state so far and the result of a look it computes the new state, the next look and the announcements,
//! without clock or I/O. `remotes` is the shell: it owns the watches and their deadlines. A look queries the remote by git
//! (`remote`) and fetches into a copy, which is then settled like any repository ([`SettleCopy`]). Nothing here starts runs.

mod admin;
mod announce;
mod context;
mod look;
mod remote;
mod remotes;
mod state;
mod trouble;
mod wake;

pub use admin::{WatchError, add_watch, all_watches, find_watch, remove_watch, runs_first};
pub use context::{SettleCopy, Settling, WatchContext};
pub use remote::FETCH_MARK;
pub(crate) use remote::{Refspec, Remote, RemoteSigns};
pub(crate) use remotes::watch_remotes;
pub(crate) use state::WatchState;
pub(crate) use trouble::Trouble;
pub(crate) use wake::WatchWake;
