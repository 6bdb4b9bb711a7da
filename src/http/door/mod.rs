//! The listeners of the server, and the limits of what comes in.
//!
//! Connections that have not sent a whole request are cheap to make, so they are the first to go: at a limit, the
//! oldest of them is closed and the new one is served. Nobody keeps hooks out by connecting and saying nothing.

mod accept;
mod calls;
mod limits;
mod open_connections;
mod progress;
mod remote;
mod request;
mod socket;

pub(crate) use accept::{Listener, serve};
pub(crate) use calls::Calls;
pub(crate) use limits::DoorLimits;
pub(crate) use open_connections::Peer;
pub(crate) use remote::Remote;
pub(crate) use request::AnswerProblem;
