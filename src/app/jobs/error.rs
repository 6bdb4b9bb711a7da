//! Why a job folder cannot be planned or started.

use crate::app::{Code, Problem};
use crate::model::Diagnostic;
use crate::pipeline::argument::ArgError;
use crate::pipeline::folder::{Alias, ConfigPart};
use crate::policy::PolicyPoint;

/// Why a job folder cannot be planned or started.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JobError {
    /// No job was named.
    #[error("no job is named")]
    NoJob,
    /// No source has the name.
    #[error("there is no source `{0}`")]
    UnknownSource(String),
    /// The source has no folder of jobs here.
    #[error("the source `{0}` has no folder of jobs on this machine")]
    SourceNotMaterialized(String),
    /// No job has the name.
    #[error("there is no job `{job}`")]
    UnknownJob {
        /// What was asked for.
        job: String,
        /// A job with nearly that name.
        near: Option<String>,
    },
    /// The alias leads nowhere, or to several jobs.
    #[error("{}", .0.detail)]
    Alias(Box<AliasProblem>),
    /// Arguments are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Arguments(Vec<ArgError>),
    /// The job takes none.
    #[error("the job `{0}` takes no arguments")]
    NoArguments(String),
    /// `config.yaml` or the folder of the job cannot be used.
    #[error("{text}")]
    Config {
        /// Which part of it.
        part: ConfigPart,
        /// What is wrong.
        text: String,
    },
    /// The profile that was asked for is none, or laxer than what the operator allows.
    #[error("{text}")]
    Profile {
        /// Whether it is a profile at all.
        is_known: bool,
        /// What is wrong.
        text: String,
    },
    /// Policy denies it. The run is recorded, and nothing of it was started.
    #[error("{text}")]
    Denied {
        /// The code of the denial.
        code: String,
        /// What it is about, when that is known.
        point: Option<PolicyPoint>,
        /// The reasons.
        text: String,
        /// The id of the run.
        run: String,
    },
    /// There is no container engine.
    #[error("{0}")]
    NoEngine(String),
    /// The job of an add-on names no command.
    #[error("the add-on `{source_name}` says no command for its job `{job}`")]
    NoCommand {
        /// The source.
        source_name: String,
        /// The job.
        job: String,
    },
    /// Anything else.
    #[error(transparent)]
    Problem(#[from] Problem),
}

impl JobError {
    /// What is wrong with a job beside its steps.
    pub(super) fn config(text: impl Into<String>) -> Self {
        Self::Config { part: ConfigPart::Job, text: text.into() }
    }
}

/// What is wrong with an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasProblem {
    pub(crate) alias: String,
    /// `alias.reserved`, `alias.target.invalid`, `alias.name.conflict` or `alias.collision`.
    pub(crate) code: String,
    /// What is wrong.
    pub(crate) detail: String,
    /// The aliases that have the same name.
    pub(crate) contenders: Vec<Alias>,
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        let problem = |code: Code| Self::new(code, &error);
        match &error {
            JobError::NoJob => problem(Code::RequestInvalid).hint("quire jobs lists them"),
            JobError::UnknownSource(_) => problem(Code::SourceNotFound).hint("quire source list lists them"),
            JobError::SourceNotMaterialized(_) => problem(Code::SourceNotFound),
            JobError::UnknownJob { near, .. } => problem(Code::JobNotFound).hint(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "quire jobs lists them".to_owned(),
            }),
            JobError::Alias(_) => problem(Code::AliasInvalid).hint("the file is scripts/flwd.yaml"),
            JobError::Arguments(wrong) => {
                let mistakes =
                    wrong.iter().map(|wrong| Diagnostic::error(wrong.arg.clone(), wrong.message.clone()));
                Self { mistakes: mistakes.collect(), ..problem(Code::ArgumentsInvalid) }
            }
            JobError::NoArguments(_) => problem(Code::ArgumentsInvalid),
            JobError::Config { .. } | JobError::NoCommand { .. } => problem(Code::JobUnusable),
            JobError::Profile { .. } | JobError::Denied { .. } => problem(Code::PolicyDenied),
            JobError::NoEngine(_) => problem(Code::EngineUnavailable),
            JobError::Problem(problem) => problem.clone(),
        }
    }
}
