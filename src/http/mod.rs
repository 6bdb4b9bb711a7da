//! The HTTP door: thin handlers that parse, ask and render a view.
//!
//! Two routers share what they stand on ([`App`]). The one over the Unix socket takes what hooks and commands say;
//! the one over TCP only shows, and only to who names a host that is ours.

mod app;
mod admin;
mod door;
mod guarded;
mod health;
mod hooks;
mod notify;
mod pages;
mod probe;
mod report;
mod router;
mod spool;
mod spool_gate;
mod unseen;
mod watches;

pub use app::{App, Look, Unsettled, Wake};
pub use door::{DoorLimits, Listener, serve};
pub use health::{Health, Trouble};
pub use probe::Probe;
pub use router::{MAX_FRAME, local_router, public_router};
pub use spool::{drain_spool, take_spool};
pub use spool_gate::{SpoolGate, SpoolState};
pub use unseen::UnseenPushes;
pub use watches::{WatchFrame, WatchWake};
