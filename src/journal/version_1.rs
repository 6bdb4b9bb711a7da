//! Journals of version 1, as quire 0.1.0 wrote them: read, never written.

use serde::Deserialize;

use super::diagnostic_fact::DiagnosticFact;
use super::fact::{End, Fact, ImageRecord, JobFact, OpenedRun, PolicyRecord, StepEnd, StepStart, StopReason};
use crate::model::{Outcome, Reason, codes};
use crate::secret::RedactedText;

#[derive(Deserialize)]
struct Line {
    t: String,
    fact: OldFact,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum OldFact {
    RunOpened { repo: String, number: u64, id: String, runner: u32 },
    Evaluated { jobs: Vec<JobFact>, diagnostics: Vec<DiagnosticFact> },
    Broken { diagnostics: Vec<DiagnosticFact> },
    RunStarted {},
    JobStarted { job: String },
    StepStarted { job: String, step: u32, title: RedactedText, line: Option<u32> },
    StepEnded(OldStepEnd),
    PolicyDecision(OldDecision),
    ImageResolved(ImageRecord),
    JobEnded { job: String, outcome: String, reason: Option<RedactedText> },
    StopAsked { reason: StopReason },
    RunEnded { outcome: String, reason: Option<RedactedText> },
}

#[derive(Deserialize)]
struct OldStepEnd {
    job: String,
    step: u32,
    outcome: String,
    exit: i32,
    signal: Option<i32>,
    duration_ms: u64,
    left_out: u64,
    secrets: Vec<String>,
    leftovers: Vec<RedactedText>,
}

#[derive(Deserialize)]
struct OldDecision {
    job: String,
    #[serde(flatten)]
    decision: PolicyRecord,
}

/// The time and the fact of a line; nothing when this version does not know it.
pub(super) fn read(bytes: &[u8]) -> Option<(String, Fact)> {
    let line: Line = serde_json::from_slice(bytes).ok()?;
    Some((line.t, fact(line.fact)?))
}

fn fact(old: OldFact) -> Option<Fact> {
    Some(match old {
        OldFact::RunOpened { repo, number, id, runner } => {
            Fact::RunOpened { run: Box::new(OpenedRun { repo, number, id, event: None, runner }) }
        }
        OldFact::Evaluated { jobs, diagnostics } => Fact::Evaluated { jobs, diagnostics },
        OldFact::Broken { diagnostics } => Fact::Broken { diagnostics },
        OldFact::RunStarted {} => Fact::RunStarted {},
        OldFact::JobStarted { job } => Fact::JobStarted { job },
        OldFact::StepStarted { job, step, title, line } => {
            Fact::StepStarted { job, step: StepStart { number: step, title, line } }
        }
        OldFact::StepEnded(end) => {
            let OldStepEnd { job, step, outcome, exit, signal, duration_ms, left_out, secrets, leftovers } =
                end;
            let outcome = Outcome::parse(&outcome)?;
            let end =
                StepEnd { outcome, exit, signal, duration_ms, left_out, log_bytes: None, secrets, leftovers };
            Fact::StepEnded { job, number: step, end }
        }
        OldFact::PolicyDecision(OldDecision { job, decision }) => Fact::PolicyDecision { job, decision },
        OldFact::ImageResolved(image) => Fact::ImageResolved { image },
        OldFact::JobEnded { job, outcome, reason } => Fact::JobEnded { job, end: end(&outcome, reason)? },
        OldFact::StopAsked { reason } => Fact::StopAsked { reason },
        OldFact::RunEnded { outcome, reason } => Fact::RunEnded { end: end(&outcome, reason)? },
    })
}

/// An end. Its reason was a text with all that there was to say, and stays one.
fn end(outcome: &str, reason: Option<RedactedText>) -> Option<End> {
    let outcome = Outcome::parse(outcome)?;
    let reason = reason.map(|text| Reason { code: codes::OTHER.to_owned(), text, hints: Vec::new() });
    Some(End { outcome, reason })
}
