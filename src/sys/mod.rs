//! The only access to the operating system: clock, processes, sockets, locks. No decisions.

mod boot;
pub mod cancel_signal;
pub mod cgroup;
pub mod children;
pub mod clock;
mod clone_into;
pub mod descriptors;
pub mod exchanged_mount;
pub mod folder;
mod folder_identity;
pub mod git_command;
pub mod handover;
pub mod http_client;
pub mod inotify;
pub mod interrupts;
pub mod lock;
pub mod notify;
pub mod mount_view;
pub mod own_pages;
pub mod parent;
pub mod pidfd;
pub mod process;
pub mod program;
pub mod random;
pub mod ready;
pub mod reexec;
pub mod remove_tree;
pub mod resolve;
pub mod search_path;
pub mod socket;
pub mod spawn;
pub mod transition;
pub(crate) mod tree;
pub mod user;

pub use boot::{boot_id, pid_namespace};
pub use folder_identity::FolderIdentity;
