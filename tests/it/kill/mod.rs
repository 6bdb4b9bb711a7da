//! The hard promises (DESIGN section 2, 1 and 2): processes are killed on the road of a push, and nothing but the time
//! may change.

mod deleted;
mod forge;
mod hooks;
mod identity;
mod index;
mod moves;
mod namespaces;
mod receive_pack;
mod rename;
mod rivals;
mod runner;
mod server;
mod silent;
mod speculation;
mod spool;
mod strace;
mod template;
mod wait;

pub(super) use strace::require_strace;
