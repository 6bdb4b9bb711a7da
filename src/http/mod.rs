//! The HTTP door: thin handlers that parse, ask and render a view.
//!
//! Two routers share what they stand on ([`AppState`](crate::app::AppState)). The one over the Unix socket takes what hooks and commands say;
//! the one over TCP answers only to who names a host that is ours, and decides first who that is (`identity.rs`).

mod api;
mod artifact_file;
mod byte_range;
mod caller;
mod credentials;
mod door;
mod etag;
mod explain;
mod failed_tokens;
mod guarded;
mod git;
mod gzip;
mod hooks;
mod idempotency;
mod identity;
mod input;
mod metrics;
mod moved;
mod page;
mod pages;
mod problem;
mod request_id;
mod router;
mod same_origin;
mod sign_in;
mod stream;
mod web;

pub use api::openapi;
pub(crate) use door::{Calls, DoorLimits, Listener, serve};
pub(crate) use idempotency::{answer_again, keep_first};
pub(crate) use request_id::current_request_id;
pub(crate) use router::{MAX_FRAME, PublicRoutes, local_router};

pub(crate) use door::Remote;
pub(crate) use failed_tokens::FailedTokens;
pub(crate) use metrics::is_proxied;
pub(crate) use stream::{BodyParts, OwnPlace, streamed};
