//! The HTTP door: thin handlers that parse, ask and render a view.
//!
//! Two routers share what they stand on ([`AppState`](crate::app::AppState)). The one over the Unix socket takes what hooks and commands say;
//! the one over TCP only shows, and only to who names a host that is ours.

mod admin;
mod api;
mod byte_range;
mod caller;
mod door;
mod explain;
mod guarded;
mod gzip;
mod hooks;
mod idempotency;
mod input;
mod metrics;
mod page;
mod pages;
mod problem;
mod request_id;
mod router;
mod stream;

pub use api::openapi;
pub use door::{DoorLimits, Listener, serve};
pub use request_id::current_request_id;
pub use router::{MAX_FRAME, local_router, public_router};
