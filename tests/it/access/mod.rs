//! Users, keys and rights, through a real sshd, git and curl.

mod over_http;
mod over_ssh;
mod slow_pusher;
mod sshd;
