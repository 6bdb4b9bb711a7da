//! The only door to the operating system: clock, processes, sockets, locks. No decisions.

mod boot;
pub mod cgroup;
pub mod children;
pub mod clock;
pub mod lock;
pub mod pidfd;
pub mod process;
pub mod spawn;

pub use boot::boot_id;
