//! Job folders: what `scripts/**/config.d/config.yaml` declares, found, read and checked.
//!
//! Nothing here runs a job or knows an engine; everything blocks. What is wrong with one folder hides no other one.

mod alias;
mod argument;
mod argument_word;
mod config;
mod discover;
mod discovery;
mod index;
mod read_argument;
mod read_config;
mod read_steps;
mod resolve;
mod script;

pub use alias::{Alias, Aliases, InvalidAlias};
pub use argument::{ArgFormat, ArgKind, ArgSpec, Bounds};
pub use argument_word::{GivenWords, SecretWord, read_words};
pub use config::{ConfigProblem, ContainerConfig, ErrorPolicy, Executor, Interpreter, JobConfig, StepConfig};
pub use discover::{DiscoverError, discover, discover_with_index};
pub use discovery::{Discovery, FolderError, FolderJob, Found};
pub use read_argument::read_arguments;
pub use resolve::{ArgError, ArgErrorKind, Resolved, SHOWN_SECRET, resolve};
pub use script::{ScriptError, ScriptFile};

#[cfg(test)]
mod tests;
