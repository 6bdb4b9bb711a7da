//! What can be written into a journal: the format on disk, version 2.

use serde::{Deserialize, Serialize};

use super::artifact_fact::ArtifactRecord;
use super::diagnostic_fact::DiagnosticFact;
use super::job_output::JobOutput;
use super::outcome_word;
use crate::event::EventRecord;
use crate::model::{Outcome, Reason, Timestamp, codes};
use crate::policy::{Decision, PolicyPoint, Verdict};
use crate::secret::{RedactedText, Redactor};

/// The longest reason, message or hint, in bytes.
pub(super) const MAX_REASON: usize = 4_000;

/// The longest name, of an image or a process, in bytes.
pub(super) const MAX_NAME: usize = 500;

/// The most hints of a reason.
const MAX_HINTS: usize = 20;

/// One record of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its number in the run: 1, 2, 3 …, none missing.
    pub seq: u64,
    /// The attempt that it belongs to: how many runners have opened the run by then, at least 1.
    pub attempt: u32,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    pub fact: Fact,
    /// Whether it has the number that its writer gave it. Another process has written to the journal when it has not.
    pub is_in_order: bool,
}

/// One thing that happened to a run.
///
/// A journal takes facts whose texts are redacted. A `Fact<String>` is one whose texts are not, and may hold secrets;
/// [`Fact::redacted`] is the way from one to the other, and the only place where such a text is shortened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", bound(deserialize = "T: Deserialize<'de>"))]
pub enum Fact<T = RedactedText> {
    /// A runner has taken the run. Everything before it in the file belongs to an attempt that never began.
    RunOpened {
        /// The run.
        run: Box<OpenedRun>,
    },
    /// The pipeline was evaluated: these are the jobs of the run, in the order of the file.
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
    /// The graph has grown.
    JobsAdded {
        /// The job that has added them.
        by: String,
        /// The jobs.
        jobs: Vec<JobFact>,
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
        /// The step.
        step: StepStart<T>,
    },
    /// A step has ended and nothing of it is left.
    StepEnded {
        /// The job.
        job: String,
        /// The number of the step in its job.
        number: u32,
        /// How it ended.
        end: StepEnd<T>,
    },
    /// It was decided about one point of a container that a job asks for.
    PolicyDecision {
        /// The job.
        job: String,
        /// The decision.
        decision: PolicyRecord<T>,
    },
    /// An image was found that containers of the run use.
    ImageResolved {
        /// The image.
        image: ImageRecord<T>,
    },
    /// A log has grown to this many bytes, all of them complete records: what is new of it comes here among the events of
    /// the run. The end of a step says the same of its log.
    LogGrown {
        /// The job; nothing for what the pipeline prints while it is evaluated.
        job: Option<String>,
        /// The number of the step; 0 for what the script prints.
        number: u32,
        /// The bytes of the file.
        bytes: u64,
    },
    /// What a job gives to those that need it. Its end follows.
    JobOutput {
        /// The job.
        job: String,
        /// Its output.
        output: JobOutput<T>,
    },
    /// A job has kept a file with the run. The file is on disk.
    ArtifactSaved {
        /// The job.
        job: String,
        /// The file.
        artifact: Box<ArtifactRecord<T>>,
    },
    /// A job has ended.
    JobEnded {
        /// The job.
        job: String,
        /// How.
        end: End<T>,
    },
    /// Something asked the run to stop.
    StopAsked {
        /// What.
        reason: StopReason,
    },
    /// The run has ended. Nothing follows.
    RunEnded {
        /// How.
        end: End<T>,
    },
}

/// A run that a runner has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedRun {
    /// The repository, without `.git`.
    pub(crate) repo: String,
    /// The number of the run in its repository.
    pub(crate) number: u64,
    /// The id of the run.
    pub(crate) id: String,
    /// What started it; nothing in a journal of version 1.
    pub(crate) event: Option<EventRecord>,
    /// The process id of the runner.
    pub(crate) runner: u32,
}

/// How a run or a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End<T = RedactedText> {
    /// How.
    #[serde(with = "outcome_word")]
    pub(crate) outcome: Outcome,
    /// Why, unless it passed.
    pub(crate) reason: Option<Reason<T>>,
}

/// A step that is about to be spawned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepStart<T = RedactedText> {
    /// Its number in the job, from 1.
    pub(crate) number: u32,
    /// What it runs, for people.
    pub(crate) title: T,
    /// The line of the pipeline that asked for it.
    pub(crate) line: Option<u32>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEnd<T = RedactedText> {
    /// How.
    #[serde(with = "outcome_word")]
    pub(crate) outcome: Outcome,
    /// The exit status; 128 + n for a signal n.
    pub exit: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// How long it took, in milliseconds.
    pub(crate) duration_ms: u64,
    /// Bytes of output that the log had no room for.
    pub(crate) left_out: u64,
    /// The bytes of its log; nothing in journals of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) log_bytes: Option<u64>,
    /// The secrets whose values were masked in its output.
    pub(crate) secrets: Vec<String>,
    /// Processes that it left behind and that were killed.
    pub leftovers: Vec<T>,
}

/// What was decided about one point of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord<T = RedactedText> {
    /// What the container is for: the job, or a service of it.
    pub(crate) subject: T,
    /// What it is about; older journals do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) point: Option<PolicyPoint>,
    /// `allow`, `warn` or `deny`.
    pub(crate) verdict: String,
    /// The word for the reason.
    pub(crate) code: String,
    /// The reason, for people.
    pub(crate) reason: T,
    /// What would allow it.
    pub(crate) hint: Option<T>,
}

impl From<Decision> for PolicyRecord<String> {
    fn from(Decision { subject, point, verdict, code, reason, hint }: Decision) -> Self {
        let (verdict, code) = (verdict.as_str().to_owned(), code.to_owned());
        Self { subject, point: Some(point), verdict, code, reason, hint }
    }
}

impl<T> PolicyRecord<T> {
    /// Whether it is about a container, as all are that do not say what they are about.
    pub(crate) fn is_about_container(&self) -> bool {
        !matches!(self.point, Some(PolicyPoint::Environment | PolicyPoint::Profile))
    }

    /// Whether something was denied.
    pub(crate) fn is_denial(&self) -> bool {
        self.verdict == Verdict::Deny.as_str()
    }
}

/// An image that containers of a run use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord<T = RedactedText> {
    /// The image, as the pipeline names it.
    pub(crate) image: T,
    /// The id of what is run: it names the content.
    pub(crate) id: T,
    /// Its digest in its registry, if it came from one.
    pub(crate) digest: Option<T>,
    /// How long pulling it took; nothing when it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pulled_ms: Option<u64>,
}

/// A job as the pipeline declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFact {
    pub(crate) id: String,
    /// What it needs: job ids and event sources.
    pub(crate) needs: Vec<String>,
}

/// Why a run has to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StopReason {
    /// A newer push to the same branch: jobs that are not interruptible continue.
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

impl StopReason {
    /// The outcome of what it ends, and the reason.
    pub(crate) fn end(&self) -> (Outcome, Reason) {
        match self {
            Self::Superseded { by } => {
                (Outcome::Superseded, Reason::new(codes::SUPERSEDED, format!("superseded by run {by}")))
            }
            Self::Cancelled { by } => {
                let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                (Outcome::Cancelled, Reason::new(codes::CANCELLED, format!("cancelled{by}")))
            }
            Self::TimedOut {} => {
                (Outcome::TimedOut, Reason::new(codes::TIMED_OUT, "the run took longer than its limit"))
            }
            Self::OutOfMemory {} => {
                let text = "out of memory: the pipeline's script has used up :vm-memory";
                (Outcome::Failed, Reason::new(codes::OUT_OF_MEMORY, text))
            }
        }
    }
}

/// Redacts the texts of a fact and then shortens them.
struct Texts<'a>(&'a Redactor);

impl Texts<'_> {
    fn reason(&self, text: String) -> RedactedText {
        self.0.text(&text).shorten_to_bytes(MAX_REASON)
    }

    fn name(&self, text: String) -> RedactedText {
        self.0.text(&text).shorten_to_bytes(MAX_NAME)
    }

    fn end(&self, end: End<String>) -> End {
        let reason = end.reason.map(|mut reason| {
            reason.hints.truncate(MAX_HINTS);
            reason.map(|text| self.reason(text))
        });
        End { outcome: end.outcome, reason }
    }

    fn all(&self, diagnostics: Vec<DiagnosticFact<String>>) -> Vec<DiagnosticFact> {
        diagnostics.into_iter().map(|diagnostic| diagnostic.redacted(self.0)).collect()
    }

    fn step_end(&self, end: StepEnd<String>) -> StepEnd {
        let StepEnd { outcome, exit, signal, duration_ms, left_out, log_bytes, secrets, leftovers } = end;
        let leftovers = leftovers.into_iter().map(|name| self.name(name)).collect();
        StepEnd { outcome, exit, signal, duration_ms, left_out, log_bytes, secrets, leftovers }
    }

    fn decision(&self, decision: PolicyRecord<String>) -> PolicyRecord {
        let PolicyRecord { subject, point, verdict, code, reason, hint } = decision;
        let (subject, reason) = (self.name(subject), self.reason(reason));
        PolicyRecord { subject, point, verdict, code, reason, hint: hint.map(|hint| self.reason(hint)) }
    }

    fn image(&self, image: ImageRecord<String>) -> ImageRecord {
        let ImageRecord { image, id, digest, pulled_ms } = image;
        ImageRecord {
            image: self.name(image),
            id: self.name(id),
            digest: digest.map(|digest| self.name(digest)),
            pulled_ms,
        }
    }
}

impl Fact<String> {
    /// The same fact with every free text redacted and then shortened. Names of jobs and secrets, words and numbers stay.
    pub(crate) fn redacted(self, redactor: &Redactor) -> Fact {
        let texts = Texts(redactor);
        match self {
            Self::RunOpened { run } => Fact::RunOpened { run },
            Self::Evaluated { jobs, diagnostics } => {
                Fact::Evaluated { jobs, diagnostics: texts.all(diagnostics) }
            }
            Self::Broken { diagnostics } => Fact::Broken { diagnostics: texts.all(diagnostics) },
            Self::JobsAdded { by, jobs } => Fact::JobsAdded { by, jobs },
            Self::RunStarted {} => Fact::RunStarted {},
            Self::JobStarted { job } => Fact::JobStarted { job },
            Self::StepStarted { job, step: StepStart { number, title, line } } => {
                Fact::StepStarted { job, step: StepStart { number, title: texts.name(title), line } }
            }
            Self::StepEnded { job, number, end } => Fact::StepEnded { job, number, end: texts.step_end(end) },
            Self::PolicyDecision { job, decision } => {
                Fact::PolicyDecision { job, decision: texts.decision(decision) }
            }
            Self::ImageResolved { image } => Fact::ImageResolved { image: texts.image(image) },
            Self::LogGrown { job, number, bytes } => Fact::LogGrown { job, number, bytes },
            Self::JobOutput { job, output } => Fact::JobOutput { job, output: output.redacted(redactor) },
            Self::ArtifactSaved { job, artifact } => {
                Fact::ArtifactSaved { job, artifact: Box::new(artifact.redacted(redactor)) }
            }
            Self::JobEnded { job, end } => Fact::JobEnded { job, end: texts.end(end) },
            Self::StopAsked { reason } => Fact::StopAsked { reason },
            Self::RunEnded { end } => Fact::RunEnded { end: texts.end(end) },
        }
    }

    /// The end of a run.
    pub(crate) fn run_ended((outcome, reason): (Outcome, Option<Reason>)) -> Self {
        Self::RunEnded { end: End { outcome, reason } }
    }

    /// The end of a job.
    pub(crate) fn job_ended(job: String, (outcome, reason): (Outcome, Option<Reason>)) -> Self {
        Self::JobEnded { job, end: End { outcome, reason } }
    }
}

impl<T> Fact<T> {
    /// Whether the file has to be on disk before the fact counts: the end of a job, and of the run.
    pub(crate) fn is_an_end(&self) -> bool {
        matches!(self, Self::JobEnded { .. } | Self::RunEnded { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Diagnostic, SecretName, Span};
    use serde_json::json;

    const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

    fn redactor(value: &str) -> Redactor {
        Redactor::new(vec![(SecretName::parse("t").unwrap(), value.as_bytes().to_vec().into())])
    }

    /// A text with the token across a limit, and beyond it.
    fn across(limit: usize) -> String {
        format!("{}{TOKEN}{}", "x".repeat(limit - 20), "y".repeat(5_000))
    }

    #[test]
    fn every_text_of_a_fact_is_redacted_before_it_is_shortened() {
        let redactor = redactor(TOKEN);
        let job = || "j".to_owned();
        let facts = [MAX_NAME, MAX_REASON].map(|limit| {
            let text = || across(limit);
            let mistake = Diagnostic::error(text(), text()).at(Span::point(1, 1), &text()).help(text());
            let diagnostics = || vec![DiagnosticFact::from(&mistake)];
            let reason = || Reason { hints: vec![text()], ..Reason::new(codes::OTHER, text()) };
            let end = StepEnd {
                outcome: Outcome::Passed,
                exit: 0,
                signal: None,
                duration_ms: 0,
                left_out: 0,
                log_bytes: None,
                secrets: Vec::new(),
                // The system cuts the name of a program.
                leftovers: vec![text(), TOKEN[..15].to_owned()],
            };
            let decision = PolicyRecord {
                subject: text(),
                point: None,
                verdict: job(),
                code: job(),
                reason: text(),
                hint: Some(text()),
            };
            [
                Fact::StepStarted { job: job(), step: StepStart { number: 1, title: text(), line: None } },
                Fact::StepEnded { job: job(), number: 1, end },
                Fact::Evaluated { jobs: Vec::new(), diagnostics: diagnostics() },
                Fact::Broken { diagnostics: diagnostics() },
                Fact::PolicyDecision { job: job(), decision },
                Fact::ImageResolved {
                    image: ImageRecord { image: text(), id: text(), digest: Some(text()), pulled_ms: None },
                },
                Fact::JobOutput { job: job(), output: JobOutput::new(Err(text())) },
                Fact::JobOutput { job: job(), output: JobOutput::new(Ok(json!({ text(): [text()] }))) },
                Fact::job_ended(job(), (Outcome::Failed, Some(reason()))),
                Fact::run_ended((Outcome::Failed, Some(reason()))),
            ]
        });
        for fact in facts.into_iter().flatten() {
            let json = serde_json::to_string(&fact.redacted(&redactor)).unwrap();
            assert!(!json.contains("ghp_"), "{json}");
        }
    }

    #[test]
    fn a_reason_is_shortened_and_says_so() {
        let long = Reason::new(codes::OTHER, "é".repeat(MAX_REASON));
        let fact = Fact::run_ended((Outcome::Failed, Some(long)));
        let Fact::RunEnded { end } = fact.redacted(&Redactor::none()) else { panic!() };
        let reason = end.reason.unwrap();
        assert!(reason.text.ends_with("… (4000 more bytes)"), "{reason}");
    }
}
