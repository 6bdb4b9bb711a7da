//! What the operator decides: where the data is, and what `config.fnl` says.
//!
//! `config.fnl` is data: nothing in it is evaluated. Every mistake in it is found at once, with its place.

mod access;
mod bind;
mod current;
mod data_dir;
mod http;
mod instance;
mod notify;
mod notify_read;
mod notify_twice;
mod policy;
mod protected_text;
mod read;
mod scope;
mod settings;
mod steps;
mod watch;
mod watch_list;

pub use bind::Bind;
pub(crate) use current::first_place;
pub use current::{Additions, CurrentSettings};
pub use data_dir::{DataDir, DataDirHints};
pub use http::{HttpSettings, is_user_name};
pub use instance::{Instance, InstanceError, Origin};
pub use notify::{MailDecl, NotifyEvent, NotifyRule, NotifySettings, TargetAddress, TargetDecl};
pub use notify_read::{MAX_REPO_CONFIG, REPO_CONFIG, read_repo_rules};
pub use policy::{PolicySettings, SYSTEM_FOLDERS, SignatureSettings, is_clean_folder};
pub use read::{ConfigError, load, read};
pub use scope::{Asker, MissingGrant};
pub use settings::{Limits, SecretDecl, SecretSource, Settings};
pub(crate) use steps::{INSTALL_BWRAP, find as find_step_user};
pub(crate) use watch::{DEFAULT_EVERY, MAX_WATCHES, SshKey, WatchDecl, WatchRuns, check_every};
pub(crate) use watch_list::{
    DEFAULT_BRANCH, ListedWatch, is_same, name_with_branch, read_list_file, read_watch_list,
};
