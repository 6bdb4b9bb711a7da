//! Job folders: what `scripts/**/config.d/config.yaml` declares, found, read and checked.
//!
//! Nothing here runs a job or knows an engine; everything blocks. What is wrong with one folder hides no other one.

mod alias;
mod config;
mod discover;
mod discovery;
mod index;
mod index_bytes;
mod lazy_config;
mod read_argument;
mod read_config;
mod read_steps;
mod script;

pub(crate) use alias::{Alias, Aliases};
pub(crate) use config::{ConfigPart, ContainerConfig, ErrorPolicy, Executor, Interpreter, StepConfig};
pub(crate) use discover::discover_with_index;
pub(crate) use discovery::{Discovery, FolderError, FolderJob};
pub(crate) use read_argument::read_arguments;
pub(crate) use script::ScriptFile;

#[cfg(test)]
mod tests;
