//! What a `config.yaml` says, as types.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Diagnostic, Severity};
use crate::pipeline::argument::ArgSpec;
use crate::policy::Cpus;

/// What holds for a job, or for several that share a folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct JobConfig {
    /// What runs the scripts.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) interpreter: Option<Interpreter>,
    /// Where they run, when the file says so.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) executor: Option<Executor>,
    /// The container of the job.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) container: ContainerConfig,
    /// Variables of the scripts.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) env: BTreeMap<String, String>,
    /// Whether the scripts ask for quire's own environment.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) env_inheritance: bool,
    /// The longest that the job may take.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) timeout: Option<Duration>,
    /// What follows when a script fails.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) errors: ErrorPolicy,
    /// The steps, each after those that it needs; empty when the job is its numbered scripts.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) steps: Vec<StepConfig>,
    /// The arguments that the job takes.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) args: Vec<ArgSpec>,
    /// Whether the file declares arguments.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) has_args: bool,
}

/// What runs a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Interpreter {
    /// A program with its arguments; never empty.
    Program(Vec<String>),
    /// The image's own programs: the script is executed in a container.
    Container { image: String },
}

/// Where scripts run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Executor {
    /// In a container.
    Container,
    /// As processes.
    Process,
    /// As processes, by the older word.
    Shell,
}

/// What a container is. Nothing in it is granted yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainerConfig {
    pub(crate) image: Option<String>,
    /// Processors.
    pub(crate) cpus: Option<Cpus>,
    /// Bytes of memory.
    pub(crate) memory: Option<u64>,
    /// The network of the engine.
    pub(crate) network: Option<String>,
    /// Whether the image's own files shall be writable.
    pub(crate) rootfs_writable: bool,
    pub(crate) capabilities: Vec<String>,
    /// More arguments of the engine.
    pub(crate) extra_args: Vec<String>,
    /// The program that is started.
    pub(crate) entrypoint: Vec<String>,
}

/// What follows when a script fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ErrorPolicy {
    /// The job fails, and nothing more of it starts.
    #[default]
    Abort,
    /// The next script starts; the job fails at its end.
    Continue,
    /// The script is tried again.
    Retry {
        /// Attempts after the first one.
        retries: u32,
        /// The pause before each of them.
        backoff: Duration,
    },
}

/// One of `steps`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepConfig {
    /// Its id, unique in the job.
    pub(crate) id: String,
    pub(crate) name: String,
    /// The script, relative to the job's folder.
    pub(crate) script: String,
    /// The ids of the steps that must have passed before.
    pub(crate) needs: Vec<String>,
    /// Where it runs: its own word, otherwise the job's.
    pub(crate) executor: Option<Executor>,
    /// Its container: the job's, with what the step says differently.
    pub(crate) container: ContainerConfig,
}

/// Something wrong with a `config.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConfigProblem {
    /// Whether the job cannot run because of it. An unknown key is only reported.
    pub(crate) is_fatal: bool,
    /// Which part of the file it is in.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) part: ConfigPart,
    /// Line and column, when known.
    pub(crate) place: Option<(u32, u32)>,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do instead.
    pub(crate) help: Option<String>,
}

/// A part of a `config.yaml`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfigPart {
    /// What is about the whole job.
    #[default]
    Job,
    /// The steps and their dependencies.
    Steps,
    /// One step.
    Step,
}

/// Whether a value says nothing: the index of folders leaves it out.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl fmt::Display for Interpreter {
    /// As the file has it, words separated by one space.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(words) => f.write_str(&words.join(" ")),
            Self::Container { image } => write!(f, "container:{image}"),
        }
    }
}

impl Executor {
    pub(super) const ALL: [Self; 3] = [Self::Container, Self::Process, Self::Shell];

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Process => "proc",
            Self::Shell => "shell",
        }
    }
}

impl JobConfig {
    /// The image of the job's container: that of `container`, otherwise that of `interpreter: container:IMAGE`.
    pub(crate) fn image(&self) -> Option<&str> {
        let own = match &self.interpreter {
            Some(Interpreter::Container { image }) => Some(image.as_str()),
            Some(Interpreter::Program(_)) | None => None,
        };
        self.container.image.as_deref().or(own)
    }

    /// Whether the scripts of the job run in a container; a step can say otherwise.
    pub(crate) fn is_container(&self) -> bool {
        matches!(self.interpreter, Some(Interpreter::Container { .. }))
            || self.executor == Some(Executor::Container)
    }
}

impl From<&Diagnostic> for ConfigProblem {
    fn from(wrong: &Diagnostic) -> Self {
        Self {
            is_fatal: wrong.severity == Severity::Error,
            part: ConfigPart::Job,
            place: wrong.span.map(|span| (span.line, span.column)),
            message: wrong.message.clone(),
            help: wrong.help.clone(),
        }
    }
}

impl fmt::Display for ConfigProblem {
    /// `LINE:COLUMN: what is wrong; what to do`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}
