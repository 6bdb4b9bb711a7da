//! Watched remotes, with the real parts: git over http and ssh on loopback, and servers that die.

mod bursts;
mod host;
pub(crate) mod http;
mod over_http;
mod over_ssh;
