//! What can be written into a journal: the format on disk, version 1.

use serde::{Deserialize, Serialize};

use crate::model::{Diagnostic, Severity, Span};
use crate::secret::{RedactedText, Redactor};

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

/// The longest reason, message or hint, in bytes.
const MAX_REASON: usize = 4_000;

/// The longest name, of an image or a process, in bytes.
const MAX_NAME: usize = 500;

/// One thing that happened to a run.
///
/// A journal takes facts whose texts are redacted. A `Fact<String>` is one whose texts are not, and may hold secrets;
/// [`Fact::redacted`] is the way from one to the other, and the only place where such a text is shortened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fact<T = RedactedText> {
    /// A runner has taken the run. Everything before it in the file belongs to an attempt that never began.
    RunOpened {
        /// The repository, without `.git`.
        repo: String,
        /// The number of the run in its repository.
        number: u64,
        /// The id of the run.
        id: String,
        /// The full name of the ref, if it is about one; bytes that are not UTF-8 are shown as U+FFFD.
        r#ref: Option<String>,
        /// The commit, if it is about one.
        sha: Option<String>,
        /// What started it.
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
        diagnostics: Vec<DiagnosticFact<T>>,
    },
    /// The pipeline cannot be used.
    Broken {
        /// All mistakes that were found.
        diagnostics: Vec<DiagnosticFact<T>>,
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
        title: T,
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
        leftovers: Vec<T>,
    },
    /// It was decided about one point of a container that a job asks for.
    PolicyDecision {
        /// The job.
        job: String,
        /// What the container is for: the job, or a service of it.
        subject: T,
        /// `allow`, `warn` or `deny`.
        verdict: String,
        /// The word for the reason.
        code: String,
        /// The reason, for people.
        reason: T,
        /// What would allow it.
        hint: Option<T>,
    },
    /// An image was found that containers of the run use.
    ImageResolved {
        /// The image, as the pipeline names it.
        image: T,
        /// The id of what is run: it names the content.
        id: T,
        /// Its digest in its registry, if it came from one.
        digest: Option<T>,
    },
    /// A job has ended.
    JobEnded {
        /// The job.
        job: String,
        /// How it ended.
        outcome: String,
        /// Why, unless it passed.
        reason: Option<T>,
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
        reason: Option<T>,
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
pub struct DiagnosticFact<T = RedactedText> {
    severity: String,
    file: T,
    /// Line, column, last line, column after the end.
    span: Option<[u32; 4]>,
    message: T,
    help: Option<T>,
    source_line: Option<T>,
}

impl From<&Diagnostic> for DiagnosticFact<String> {
    fn from(diagnostic: &Diagnostic) -> DiagnosticFact<String> {
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

impl DiagnosticFact<String> {
    /// The same diagnostic with its texts redacted, and short enough for a journal.
    fn redacted(self, redactor: &Redactor) -> DiagnosticFact {
        DiagnosticFact {
            severity: self.severity,
            file: redactor.text(&self.file).shorten_to_bytes(MAX_NAME),
            span: self.span,
            message: redactor.text(&self.message).shorten_to_bytes(MAX_REASON),
            help: self.help.map(|help| redactor.text(&help).shorten_to_bytes(MAX_REASON)),
            // Whole: what shows it cuts a window around the mistake out of it.
            source_line: self.source_line.map(|line| redactor.text(&line)),
        }
    }
}

impl<T: AsRef<str>> DiagnosticFact<T> {
    /// The diagnostic itself.
    pub fn to_diagnostic(&self) -> Diagnostic {
        let span =
            self.span.map(|[line, column, end_line, end_column]| Span { line, column, end_line, end_column });
        let text = |text: &T| text.as_ref().to_owned();
        Diagnostic {
            severity: if self.severity == "warning" { Severity::Warning } else { Severity::Error },
            file: text(&self.file),
            span,
            message: text(&self.message),
            help: self.help.as_ref().map(text),
            source_line: self.source_line.as_ref().map(text),
        }
    }
}

impl Fact<String> {
    /// The same fact with every free text redacted and then shortened. Names of jobs and secrets, words and numbers stay.
    pub fn redacted(self, redactor: &Redactor) -> Fact {
        let reason = |text: String| redactor.text(&text).shorten_to_bytes(MAX_REASON);
        let name = |text: String| redactor.text(&text).shorten_to_bytes(MAX_NAME);
        let all = |diagnostics: Vec<DiagnosticFact<String>>| {
            diagnostics.into_iter().map(|diagnostic| diagnostic.redacted(redactor)).collect()
        };
        match self {
            Fact::RunOpened { repo, number, id, r#ref, sha, event, pusher, runner } => {
                Fact::RunOpened { repo, number, id, r#ref, sha, event, pusher, runner }
            }
            Fact::Evaluated { jobs, diagnostics } => Fact::Evaluated { jobs, diagnostics: all(diagnostics) },
            Fact::Broken { diagnostics } => Fact::Broken { diagnostics: all(diagnostics) },
            Fact::RunStarted {} => Fact::RunStarted {},
            Fact::JobStarted { job } => Fact::JobStarted { job },
            Fact::StepStarted { job, step, title, line } => {
                Fact::StepStarted { job, step, title: name(title), line }
            }
            Fact::StepEnded {
                job,
                step,
                outcome,
                exit,
                signal,
                duration_ms,
                left_out,
                secrets,
                leftovers,
            } => {
                let leftovers = leftovers.into_iter().map(name).collect();
                Fact::StepEnded {
                    job,
                    step,
                    outcome,
                    exit,
                    signal,
                    duration_ms,
                    left_out,
                    secrets,
                    leftovers,
                }
            }
            Fact::PolicyDecision { job, subject, verdict, code, reason: why, hint } => Fact::PolicyDecision {
                job,
                subject: name(subject),
                verdict,
                code,
                reason: reason(why),
                hint: hint.map(reason),
            },
            Fact::ImageResolved { image, id, digest } => {
                Fact::ImageResolved { image: name(image), id: name(id), digest: digest.map(name) }
            }
            Fact::JobEnded { job, outcome, reason: why } => {
                Fact::JobEnded { job, outcome, reason: why.map(reason) }
            }
            Fact::StopAsked { reason } => Fact::StopAsked { reason },
            Fact::RunEnded { outcome, reason: why } => Fact::RunEnded { outcome, reason: why.map(reason) },
        }
    }
}

impl<T> Fact<T> {
    /// Whether the file has to be on disk before the fact counts: the end of a job, and of the run.
    pub fn is_an_end(&self) -> bool {
        matches!(self, Fact::JobEnded { .. } | Fact::RunEnded { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SecretName;

    const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

    /// A text with the token across a limit, and beyond it.
    fn across(limit: usize) -> String {
        format!("{}{TOKEN}{}", "x".repeat(limit - 20), "y".repeat(5_000))
    }

    #[test]
    fn every_text_of_a_fact_is_redacted_before_it_is_shortened() {
        let redactor =
            Redactor::new(vec![(SecretName::parse("t").unwrap(), TOKEN.as_bytes().to_vec().into())]);
        let job = || "j".to_owned();
        let facts = [MAX_NAME, MAX_REASON].map(|limit| {
            let text = || across(limit);
            let mistake = Diagnostic::error(text(), text()).at(Span::point(1, 1), &text()).help(text());
            let diagnostics = || vec![DiagnosticFact::from(&mistake)];
            [
                Fact::StepStarted { job: job(), step: 1, title: text(), line: None },
                Fact::StepEnded {
                    job: job(),
                    step: 1,
                    outcome: job(),
                    exit: 0,
                    signal: None,
                    duration_ms: 0,
                    left_out: 0,
                    secrets: Vec::new(),
                    // The system cuts the name of a program.
                    leftovers: vec![text(), TOKEN[..15].to_owned()],
                },
                Fact::Evaluated { jobs: Vec::new(), diagnostics: diagnostics() },
                Fact::Broken { diagnostics: diagnostics() },
                Fact::PolicyDecision {
                    job: job(),
                    subject: text(),
                    verdict: job(),
                    code: job(),
                    reason: text(),
                    hint: Some(text()),
                },
                Fact::ImageResolved { image: text(), id: text(), digest: Some(text()) },
                Fact::JobEnded { job: job(), outcome: job(), reason: Some(text()) },
                Fact::RunEnded { outcome: job(), reason: Some(text()) },
            ]
        });
        for fact in facts.into_iter().flatten() {
            let json = serde_json::to_string(&fact.redacted(&redactor)).unwrap();
            assert!(!json.contains("ghp_"), "{json}");
        }
    }

    #[test]
    fn a_reason_is_shortened_and_says_so() {
        let fact = Fact::RunEnded { outcome: "failed".to_owned(), reason: Some("é".repeat(MAX_REASON)) };
        let Fact::RunEnded { reason: Some(reason), .. } = fact.redacted(&Redactor::none()) else { panic!() };
        assert!(reason.ends_with("… (4000 more bytes)"), "{reason}");
    }
}
