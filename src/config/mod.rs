//! What the operator decides: where the data is, and what `config.fnl` says.
//!
//! `config.fnl` is data: nothing in it is evaluated. Every mistake in it is found at once, with its place.

mod current;
mod data_dir;
mod read;
mod settings;
mod watch;

pub use current::CurrentSettings;
pub use data_dir::{DataDir, DataDirHints};
pub use read::{ConfigError, load, read};
pub use settings::{Bind, Limits, SecretDecl, SecretSource, Settings};
pub use watch::{DEFAULT_EVERY, MAX_WATCHES, WatchDecl, check_every};
