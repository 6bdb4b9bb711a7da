//! One step: what is asked for, and how it ended.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::confinement::Confinement;
use super::environment::Environment;
use crate::log::LogError;
use crate::script::Command;
use crate::sys::kept_output::KeptOutput;

/// How long a step may take to end when it was asked to.
pub const STOP_GRACE: Duration = Duration::from_secs(10);

/// How much of each output of a step a script gets, in bytes.
pub const CAPTURE_LIMIT: usize = 16 << 20;

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A text for `/bin/sh -c`; one of several lines is for `sh -ec`, which stops at the first line that fails.
    Shell(Vec<u8>),
    /// A program and its arguments. Without a slash it is looked for in the `PATH` of the step's environment.
    Argv(Vec<Vec<u8>>),
}

impl Program {
    /// The program and its arguments, the shell written out.
    pub(crate) fn to_argv(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Shell(text) => {
                let option = if text.contains(&b'\n') { "-ec" } else { "-c" };
                vec![b"sh".to_vec(), option.into(), text.clone()]
            }
            Self::Argv(argv) => argv.clone(),
        }
    }
}

impl From<Command> for Program {
    fn from(command: Command) -> Self {
        match command {
            Command::Shell(text) => Self::Shell(text),
            Command::Argv(argv) => Self::Argv(argv),
        }
    }
}

/// A step to be run.
#[derive(Clone)]
pub struct StepSpec {
    /// What to run.
    pub program: Program,
    /// What the step is called in `QUIRE_STEP`: no two steps of a run that run at the same time share it.
    pub name: String,
    /// The environment; `QUIRE_RUN` and `QUIRE_STEP` are added to it.
    pub env: Environment,
    /// The working directory.
    pub cwd: PathBuf,
    /// What the step reads on its standard input; `/dev/null` when none is given.
    pub input: Option<Vec<u8>>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// How long it may take to end when it was asked to.
    pub grace: Duration,
    /// How long what it left behind may continue by itself, before it is asked to end.
    pub settle: Duration,
    /// How much of each of its two outputs is given back, in bytes.
    pub capture_limit: usize,
    /// How it is isolated from the machine; nothing for what quire itself starts.
    pub confinement: Option<Arc<Confinement>>,
    /// Whether the program passes on the output of others, as an engine's client does: it is asked to end after them.
    pub is_client: bool,
}

/// How a step ended.
#[derive(Clone, Default)]
pub struct StepEnd {
    /// The exit code: 127 when the program was not found, 126 when it could not be started, 128+n on signal n.
    pub exit: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether it was ended because its time was over.
    pub timed_out: bool,
    /// Whether it was ended because somebody asked for that.
    pub stopped: bool,
    /// The begin of its standard output, before redaction.
    pub stdout: KeptOutput,
    /// The begin of its standard error, before redaction.
    pub stderr: KeptOutput,
    /// Whether there was more output than is given back.
    pub truncated: bool,
    /// From its start until nothing was left of it.
    pub duration: Duration,
    /// The names of the processes that it left behind and that had to be ended; at most 32.
    pub leftovers: Vec<String>,
    /// The names of the processes that could not be killed: they hang in the kernel. At most 32.
    pub survivors: Vec<String>,
    /// Whether memory ran out, as far as that can be known.
    pub(crate) out_of_memory: OutOfMemory,
    /// Why the program could not be started, when the exit code is 126 or 127 because of that.
    pub missing: Option<String>,
}

/// Whether memory ran out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutOfMemory {
    /// No sign of it is left.
    #[default]
    No,
    /// What had a limit was killed, and nobody here did it.
    Likely,
    /// Who set the limit says so.
    Sure,
}

/// Why quire could not run a step.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The working directory cannot be used.
    #[error("the step cannot run in the folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The process could not be started, and the program is not at fault.
    #[error("could not start `{program}`")]
    Spawn {
        /// The program's name.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// Its sandbox could not be made: it did not run.
    #[error("the step did not run, because its sandbox could not be made: {problem}")]
    Sandbox {
        /// What bubblewrap said.
        problem: String,
    },
    /// The process could not be watched.
    #[error("could not watch a running step")]
    Watch {
        /// What the system said.
        source: io::Error,
    },
    /// The output could not be kept; the step was killed.
    #[error("the step was killed, because its output could not be kept")]
    Log {
        /// What went wrong.
        source: LogError,
    },
    /// The process cannot adopt what its steps leave behind.
    #[error("could not become the parent of orphaned processes")]
    Subreaper {
        /// What the system said.
        source: io::Error,
    },
}
