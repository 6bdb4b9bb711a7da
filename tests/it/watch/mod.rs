//! Watched remotes, with the real parts: git over http and ssh on loopback, and servers that die.

mod bursts;
mod host;
mod http;
mod over_http;
mod over_ssh;
