//! What can be written into a journal: the format on disk, version 1.

use serde::{Deserialize, Serialize};

use crate::model::{Diagnostic, Severity, Span};

/// The version of the journal's format.
pub(super) const VERSION: u32 = 1;

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of the format.
    pub v: u32,
    /// When it was written: RFC 3339 with milliseconds.
    pub t: String,
    /// What happened.
    pub fact: Fact,
}

/// One thing that happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fact {
    /// A runner has taken the run. Everything before it in the file belongs to an attempt that never began.
    RunOpened {
        /// The repository, without `.git`.
        repo: String,
        /// The number of the run in its repository.
        number: u64,
        /// The id of the run.
        id: String,
        /// The full name of the ref; bytes that are not UTF-8 are shown as U+FFFD.
        r#ref: String,
        /// The commit.
        sha: String,
        /// What started it: `push`.
        event: String,
        /// Who pushed, when that is known.
        pusher: Option<String>,
        /// The process id of the runner.
        runner: u32,
    },
    /// The pipeline was evaluated: these are its jobs, in the order of the file.
    Evaluated {
        /// The jobs.
        jobs: Vec<JobFact>,
        /// Warnings about the file.
        diagnostics: Vec<DiagnosticFact>,
    },
    /// The pipeline cannot be used.
    Broken {
        /// All mistakes that were found.
        diagnostics: Vec<DiagnosticFact>,
    },
    /// The run has its slot; jobs begin.
    RunStarted {},
    /// A job begins.
    JobStarted {
        /// The job.
        job: String,
    },
    /// A step is about to be spawned.
    StepStarted {
        /// The job.
        job: String,
        /// The number of the step in its job, from 1.
        step: u32,
        /// What it runs, for people; redacted.
        title: String,
        /// The line of the pipeline that asked for it.
        line: Option<u32>,
    },
    /// A step has ended and nothing of it is left.
    StepEnded {
        /// The job.
        job: String,
        /// The number of the step in its job.
        step: u32,
        /// How it ended.
        outcome: String,
        /// The exit status; 128 + n for a signal n.
        exit: i32,
        /// The signal that ended it.
        signal: Option<i32>,
        /// How long it took, in milliseconds.
        duration_ms: u64,
        /// Bytes of output that the log had no room for.
        left_out: u64,
        /// The secrets whose values were masked in its output.
        secrets: Vec<String>,
        /// Processes that it left behind and that were killed.
        leftovers: Vec<String>,
    },
    /// It was decided about one point of a container that a job asks for.
    PolicyDecision {
        /// The job.
        job: String,
        /// What the container is for: the job, or a service of it.
        subject: String,
        /// `allow`, `warn` or `deny`.
        verdict: String,
        /// The word for the reason.
        code: String,
        /// The reason, for people.
        reason: String,
        /// What would allow it.
        hint: Option<String>,
    },
    /// An image was found that containers of the run use.
    ImageResolved {
        /// The image, as the pipeline names it.
        image: String,
        /// The id of what is run: it names the content.
        id: String,
        /// Its digest in its registry, if it came from one.
        digest: Option<String>,
    },
    /// A job has ended.
    JobEnded {
        /// The job.
        job: String,
        /// How it ended.
        outcome: String,
        /// Why, unless it passed.
        reason: Option<String>,
    },
    /// Something asked the run to stop.
    StopAsked {
        /// What.
        reason: StopReason,
    },
    /// The run has ended. Nothing follows.
    RunEnded {
        /// How it ended.
        outcome: String,
        /// Why, unless it passed.
        reason: Option<String>,
    },
}

/// A job as the pipeline declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFact {
    /// Its id.
    pub id: String,
    /// What it needs: job ids and event sources.
    pub needs: Vec<String>,
}

/// Why a run has to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StopReason {
    /// A newer push to the same branch: jobs that are not interruptible go on.
    Superseded {
        /// The number of the newer run.
        by: u64,
    },
    /// A person asked.
    Cancelled {
        /// Who, when that is known.
        by: Option<String>,
    },
    /// The run's time is over.
    TimedOut {},
    /// The memory of the run's VM is used up, which is the run's end and not one job's.
    OutOfMemory {},
}

/// A diagnostic as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiagnosticFact {
    severity: String,
    file: String,
    /// Line, column, last line, column after the end.
    span: Option<[u32; 4]>,
    message: String,
    help: Option<String>,
    source_line: Option<String>,
}

impl From<&Diagnostic> for DiagnosticFact {
    fn from(diagnostic: &Diagnostic) -> DiagnosticFact {
        DiagnosticFact {
            severity: diagnostic.severity.word().to_owned(),
            file: diagnostic.file.clone(),
            span: diagnostic.span.map(|span| [span.line, span.column, span.end_line, span.end_column]),
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
            source_line: diagnostic.source_line.clone(),
        }
    }
}

impl DiagnosticFact {
    /// The diagnostic itself.
    pub fn to_diagnostic(&self) -> Diagnostic {
        let span =
            self.span.map(|[line, column, end_line, end_column]| Span { line, column, end_line, end_column });
        Diagnostic {
            severity: if self.severity == "warning" { Severity::Warning } else { Severity::Error },
            file: self.file.clone(),
            span,
            message: self.message.clone(),
            help: self.help.clone(),
            source_line: self.source_line.clone(),
        }
    }
}

impl Fact {
    /// The same fact with every free text passed through `redact`. Names, words and numbers stay.
    #[must_use]
    pub fn redacted(mut self, redact: &dyn Fn(&str) -> String) -> Fact {
        match &mut self {
            Fact::StepStarted { title, .. } => *title = redact(title),
            Fact::StepEnded { leftovers, .. } => leftovers.iter_mut().for_each(|name| *name = redact(name)),
            Fact::PolicyDecision { reason, hint, .. } => {
                *reason = redact(reason);
                *hint = hint.as_deref().map(redact);
            }
            Fact::JobEnded { reason, .. } | Fact::RunEnded { reason, .. } => {
                *reason = reason.as_deref().map(redact);
            }
            Fact::Evaluated { diagnostics, .. } | Fact::Broken { diagnostics } => {
                for diagnostic in diagnostics {
                    diagnostic.message = redact(&diagnostic.message);
                    diagnostic.help = diagnostic.help.as_deref().map(redact);
                    diagnostic.source_line = diagnostic.source_line.as_deref().map(redact);
                }
            }
            Fact::ImageResolved { image, .. } => *image = redact(image),
            Fact::RunOpened { .. }
            | Fact::RunStarted {}
            | Fact::JobStarted { .. }
            | Fact::StopAsked { .. } => {}
        }
        self
    }

    /// Whether the file has to be on disk before the fact counts: the end of a job, and of the run.
    pub fn is_an_end(&self) -> bool {
        matches!(self, Fact::JobEnded { .. } | Fact::RunEnded { .. })
    }
}
