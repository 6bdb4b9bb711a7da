//! What a primitive may ask of the world, as a trait: the VM's side of it. Tests script it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::artifact_call::ArtifactCall;
use super::container_options::ContainerOptions;
use crate::model::{Diagnostic, Reason};
use crate::schema::Node;
use crate::sys::kept_output::KeptOutput;

/// What a host's slow work gives back. It is dropped when its job is stopped, and must then end its work.
pub type HostFuture<T> = Pin<Box<dyn Future<Output = Result<T, HostError>> + Send + 'static>>;

/// The world as a running job sees it.
///
/// No method may block: all are called on the VM's one thread.
pub trait JobHost: Send + Sync + 'static {
    /// Runs one step of a job. The input and output of its process must not need the VM's thread.
    fn sh(&self, job: &str, call: ShCall) -> HostFuture<StepResult>;

    /// Runs one step of a job in a container of its own.
    fn container(&self, job: &str, call: ContainerCall) -> HostFuture<StepResult>;

    /// The value of a secret; refuses an undeclared one with a text that lists the declared names.
    ///
    /// # Errors
    /// Says why the job cannot have the value.
    fn secret(&self, job: &str, name: &str) -> Result<Vec<u8>, HostError>;

    /// Shows one line, without its line feed: in the job's log, or in the run's while the pipeline is read.
    fn log(&self, job: Option<&str>, line: &[u8]);

    /// Reads a file of the job's workspace, and refuses paths that lead out of it.
    fn read_file(&self, job: &str, path: &str) -> HostFuture<Vec<u8>>;

    /// Writes a file of the job's workspace, and refuses paths that lead out of it.
    fn write_file(&self, job: &str, path: &str, bytes: Vec<u8>) -> HostFuture<()>;

    /// Keeps files of the job's workspace with the run.
    fn artifact(&self, job: &str, call: ArtifactCall) -> HostFuture<Vec<SavedArtifact>>;
}

/// A file that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedArtifact {
    /// Its name in the run.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// The SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
}

/// Why a host did not do what a primitive asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The script asked for something that it cannot have; it may catch this error.
    #[error("{0}")]
    Refused(String),
    /// Policy refused it. The job is denied with this, whatever the script does about it.
    #[error("{0}")]
    Denied(Box<Reason>),
    /// quire could not do its work. The job fails with this, whatever the script does about it.
    #[error("{0}")]
    Broken(String),
}

/// What `sh` runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A text for a shell, without NUL bytes.
    Shell(Vec<u8>),
    /// A program and its arguments: at least one, none with NUL bytes.
    Argv(Vec<Vec<u8>>),
}

impl Command {
    /// Reads a text for a shell, or a list of arguments.
    pub(super) fn read(node: &Node) -> Result<Self, Diagnostic> {
        let without_nul = |bytes: Vec<u8>| match bytes.contains(&0) {
            true => Err(node.error("a command must not have a NUL byte")),
            false => Ok(bytes),
        };
        if let Ok(text) = node.as_bytes() {
            return match text.trim_ascii() {
                [] => Err(node.error("the command is empty")),
                _ => without_nul(text.to_vec()).map(Command::Shell),
            };
        }
        let items = node.as_list().map_err(|_| node.expected("a string or a list of arguments"))?;
        let argv =
            items.iter().map(|item| without_nul(item.as_argument()?)).collect::<Result<Vec<_>, _>>()?;
        match argv.first().is_none_or(Vec::is_empty) {
            true => Err(node.error("the list of arguments has no program")),
            false => Ok(Self::Argv(argv)),
        }
    }
}

/// One checked call of `sh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShCall {
    /// What to run.
    pub command: Command,
    /// Variables over the clean environment, sorted by name; names without `=`, neither side with NUL bytes.
    pub env: Vec<(String, Vec<u8>)>,
    /// The folder to run in, as written; the default is the workspace.
    pub cwd: Option<String>,
    /// Bytes for its standard input.
    pub input: Option<Vec<u8>>,
    /// After which time it is stopped.
    pub timeout: Option<Duration>,
    /// A title of the user's.
    pub name: Option<String>,
    /// `:check`; the failure rule itself is the VM's.
    pub check: Option<bool>,
    /// The line of the call, when it is known.
    pub line: Option<u32>,
}

/// One checked call of `container`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerCall {
    /// The image, as written.
    pub image: String,
    /// What the container is asked to be.
    pub(crate) options: ContainerOptions,
    /// What runs in it.
    pub step: ShCall,
}

/// How a step ended.
#[derive(Debug, Clone)]
pub struct StepResult {
    /// Its exit status; 127 for a program that was not found, 128+n for a signal.
    pub exit: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote, as much as is kept for the script.
    pub stdout: KeptOutput,
    /// What it wrote as errors, as much as is kept for the script.
    pub stderr: KeptOutput,
    /// How long it took.
    pub duration: Duration,
    /// Whether `stdout` or `stderr` are not all of it.
    pub truncated: bool,
    /// Whether the clock stopped it.
    pub timed_out: bool,
    /// Its number within the job, from 1.
    pub step: u32,
    /// Its name for people: `:name`, otherwise the command's first line.
    pub title: String,
}
