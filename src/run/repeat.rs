//! Which jobs of a run a rerun repeats, and what it keeps of the others: their ends, and their outputs from the journal.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::RerunScope;
use crate::journal::{End, JobRecord};
use crate::model::{Outcome, Reason, codes, suggest};

/// The most bytes of outputs, as JSON, that a rerun keeps.
const MAX_OUTPUTS: usize = 32 << 20;

/// A job of the run that is repeated in part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierJob {
    pub(crate) id: String,
    /// How it ended.
    pub(crate) end: End<String>,
    /// What it gave.
    pub(crate) output: Option<Value>,
    /// Why what it gave is not in the journal as it was.
    pub(crate) lost: Option<String>,
}

/// The run that is repeated in part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierRun {
    pub(crate) number: u64,
    pub(crate) jobs: Vec<EarlierJob>,
    /// Why they are not known.
    pub(crate) lost: Option<String>,
}

/// Why a part of a run cannot be repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepeatError {
    /// None of its jobs has failed.
    #[error("no job of the run has failed")]
    NothingFailed,
    /// It has no such job.
    #[error("the run has no job `{job}`")]
    NoJob {
        /// The job.
        job: String,
        /// One of its jobs with a name like it.
        near: Option<String>,
    },
    /// What a kept job gave is needed and not known.
    #[error("`{needs}` needs the output of `{job}`, which the record of the run does not have: {why}")]
    OutputLost {
        /// The job that is repeated.
        needs: String,
        /// The job that is kept.
        job: String,
        /// Why it is not known.
        why: String,
    },
    /// The record of the run cannot be used.
    #[error("{0}")]
    Lost(String),
}

impl RepeatError {
    /// What helps.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NothingFailed => Some("quire rerun repeats all of its jobs".to_owned()),
            Self::NoJob { near, .. } => near.as_ref().map(|near| format!("did you mean `{near}`?")),
            Self::OutputLost { job, .. } => Some(format!("repeat `{job}`, or the whole run")),
            Self::Lost(_) => Some("quire rerun without --failed and --job repeats the whole run".to_owned()),
        }
    }
}

impl EarlierJob {
    /// What a journal says of a job.
    pub(crate) fn of(job: &JobRecord) -> Self {
        let lost = job.output.as_ref().filter(|output| !output.is_exact()).map(|output| {
            output.left_out().map_or_else(|| "secrets were removed from it".to_owned(), str::to_owned)
        });
        let output = job.output.as_ref().filter(|_| lost.is_none());
        Self {
            id: job.id.clone(),
            end: End { outcome: job.outcome.unwrap_or(Outcome::Interrupted), reason: job.reason.clone() },
            output: output.and_then(|output| output.json().cloned()),
            lost,
        }
    }

    /// Whether it is one of those that have failed: neither passed nor skipped.
    fn has_failed(&self) -> bool {
        !matches!(self.end.outcome, Outcome::Passed | Outcome::Skipped)
    }

    /// How it ended, in the words of a run that keeps it.
    pub(crate) fn kept_end(&self, from: u64) -> (Outcome, Option<Reason>) {
        let earlier = self.end.reason.clone();
        if earlier.as_ref().is_some_and(|reason| reason.code == codes::KEPT) {
            return (self.end.outcome, earlier);
        }
        let why = earlier.as_ref().map(|reason| format!(": {}", reason.text)).unwrap_or_default();
        let hints = earlier.map(|reason| reason.hints).unwrap_or_default();
        let reason = Reason { hints, ..Reason::new(codes::KEPT, format!("kept from run {from}{why}")) };
        (self.end.outcome, Some(reason))
    }
}

impl EarlierRun {
    /// A run by what its journal says.
    pub(crate) fn new(number: u64, jobs: &[JobRecord]) -> Self {
        let jobs: Vec<EarlierJob> = jobs.iter().map(EarlierJob::of).collect();
        let outputs = jobs.iter().filter_map(|job| job.output.as_ref());
        let size: usize = outputs.map(|output| output.to_string().len()).sum();
        if size > MAX_OUTPUTS {
            return Self::lost(
                number,
                format!("the outputs of its jobs have {size} bytes, more than {MAX_OUTPUTS}"),
            );
        }
        Self { number, jobs, lost: None }
    }

    /// A run of which nothing is known.
    pub(crate) fn lost(number: u64, why: String) -> Self {
        Self { number, jobs: Vec::new(), lost: Some(why) }
    }

    /// The jobs that a rerun keeps, of these jobs with what each needs: all that are neither asked for nor need, directly or not,
    /// one that is. A job that the earlier run did not have is not kept.
    ///
    /// # Errors
    /// Nothing would be repeated, or something that is needed is not known.
    pub(crate) fn kept(
        &self,
        jobs: &[(String, Vec<String>)],
        scope: &RerunScope,
    ) -> Result<HashMap<&str, &EarlierJob>, RepeatError> {
        if let Some(why) = &self.lost {
            return Err(RepeatError::Lost(why.clone()));
        }
        let earlier: HashMap<&str, &EarlierJob> =
            self.jobs.iter().map(|job| (job.id.as_str(), job)).collect();
        let is_asked = |id: &str| match scope {
            RerunScope::All => true,
            RerunScope::Failed => earlier.get(id).is_some_and(|job| job.has_failed()),
            RerunScope::Job(job) => job.as_str() == id,
        };
        let mut repeated: BTreeSet<&str> =
            jobs.iter().map(|(id, _)| id.as_str()).filter(|id| is_asked(id)).collect();
        if repeated.is_empty() {
            return Err(match scope {
                RerunScope::Job(job) => RepeatError::NoJob {
                    job: job.to_string(),
                    near: suggest(job.as_str(), jobs.iter().map(|(id, _)| id.as_str())).map(str::to_owned),
                },
                RerunScope::All | RerunScope::Failed => RepeatError::NothingFailed,
            });
        }
        repeated.extend(jobs.iter().map(|(id, _)| id.as_str()).filter(|id| !earlier.contains_key(id)));
        loop {
            let depends = |(_, needs): &&(String, Vec<String>)| {
                needs.iter().any(|need| repeated.contains(need.as_str()))
            };
            let more: Vec<&str> = jobs
                .iter()
                .filter(|job| !repeated.contains(job.0.as_str()))
                .filter(depends)
                .map(|(id, _)| id.as_str())
                .collect();
            if more.is_empty() {
                break;
            }
            repeated.extend(more);
        }
        for (id, needs) in jobs.iter().filter(|(id, _)| repeated.contains(id.as_str())) {
            for need in needs.iter().filter(|need| !repeated.contains(need.as_str())) {
                if let Some(why) = earlier.get(need.as_str()).and_then(|job| job.lost.clone()) {
                    return Err(RepeatError::OutputLost { needs: id.clone(), job: need.clone(), why });
                }
            }
        }
        Ok(earlier.into_iter().filter(|(id, _)| !repeated.contains(id)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JobId;
    use serde_json::json;

    fn job(id: &str, outcome: Outcome) -> EarlierJob {
        let end = End { outcome, reason: None };
        EarlierJob { id: id.to_owned(), end, output: None, lost: None }
    }

    fn jobs(needs: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        needs.iter().map(|(id, needs)| ((*id).to_owned(), names(needs))).collect()
    }

    fn graph() -> Vec<(String, Vec<String>)> {
        jobs(&[
            ("report", &["deploy", "docs"]),
            ("lint", &["quire/push"]),
            ("test", &["quire/push"]),
            ("docs", &["lint"]),
            ("deploy", &["test"]),
            ("alarm", &["test"]),
            ("idle", &["quire/push"]),
        ])
    }

    fn earlier() -> EarlierRun {
        let jobs = vec![
            job("report", Outcome::Skipped),
            job("lint", Outcome::Passed),
            job("test", Outcome::Failed),
            job("docs", Outcome::Passed),
            job("deploy", Outcome::Skipped),
            job("alarm", Outcome::Passed),
            job("idle", Outcome::Skipped),
        ];
        EarlierRun { number: 3, jobs, lost: None }
    }

    fn kept(run: &EarlierRun, scope: &RerunScope) -> Result<String, RepeatError> {
        let graph = graph();
        let mut ids: Vec<&str> = run.kept(&graph, scope)?.into_keys().collect();
        ids.sort_unstable();
        Ok(ids.join(" "))
    }

    fn one(id: &str) -> RerunScope {
        RerunScope::Job(JobId::parse(id).unwrap())
    }

    #[test]
    fn what_failed_is_repeated_with_what_needs_it() {
        assert_eq!(kept(&earlier(), &RerunScope::Failed).unwrap(), "docs idle lint");
        assert_eq!(kept(&earlier(), &one("docs")).unwrap(), "alarm deploy idle lint test");
        assert_eq!(kept(&earlier(), &one("report")).unwrap(), "alarm deploy docs idle lint test");
        assert_eq!(kept(&earlier(), &RerunScope::All).unwrap(), "");
        // A job that was not there is not kept, nor is what needs it.
        let mut run = earlier();
        run.jobs.retain(|job| job.id != "lint");
        assert_eq!(kept(&run, &RerunScope::Failed).unwrap(), "idle");
        for outcome in [Outcome::TimedOut, Outcome::Cancelled, Outcome::Interrupted, Outcome::Denied] {
            assert!(job("a", outcome).has_failed());
        }
    }

    #[test]
    fn nothing_is_repeated_that_cannot_be() {
        let mut run = earlier();
        assert_eq!(
            kept(&run, &one("dosc")),
            Err(RepeatError::NoJob { job: "dosc".to_owned(), near: Some("docs".to_owned()) })
        );
        run.jobs[1].lost = Some("it is too large".to_owned());
        let lost = kept(&run, &one("docs")).unwrap_err();
        assert!(lost.to_string().starts_with("`docs` needs the output of `lint`"), "{lost}");
        assert!(kept(&run, &one("lint")).is_ok() && kept(&run, &RerunScope::Failed).is_ok());
        run.jobs[2].end.outcome = Outcome::Passed;
        assert_eq!(kept(&run, &RerunScope::Failed), Err(RepeatError::NothingFailed));
        let gone = EarlierRun::lost(3, "gone".to_owned());
        assert_eq!(kept(&gone, &one("docs")), Err(RepeatError::Lost("gone".to_owned())));
    }

    #[test]
    fn a_kept_job_says_where_its_end_is_from() {
        let mut test = job("test", Outcome::Skipped);
        test.end.reason = Some(Reason::new(codes::NEEDS, "needs lint, which failed"));
        let (outcome, reason) = test.kept_end(3);
        assert_eq!(
            (outcome, &*reason.clone().unwrap().text),
            (Outcome::Skipped, "kept from run 3: needs lint, which failed")
        );
        // And so from rerun to rerun.
        let again = EarlierJob { end: End { outcome, reason: reason.clone() }, ..test };
        assert_eq!(again.kept_end(7), (outcome, reason));
    }

    #[test]
    fn outputs_that_are_too_large_together_are_lost() {
        use crate::journal::{JobOutput, JobRecord};
        use crate::secret::Redactor;
        let output = || {
            let fact = crate::journal::Fact::JobOutput {
                job: "j".to_owned(),
                output: JobOutput::new(Ok(json!("x".repeat(250_000)))),
            };
            let crate::journal::Fact::JobOutput { output, .. } = fact.redacted(&Redactor::none()) else {
                unreachable!("it is one")
            };
            output
        };
        let record = |number: usize| JobRecord {
            output: Some(output()),
            ..JobRecord::new(number.to_string(), Vec::new())
        };
        let many: Vec<JobRecord> = (0..=MAX_OUTPUTS / 250_000).map(record).collect();
        assert!(EarlierRun::new(1, &many).lost.is_some() && EarlierRun::new(1, &many[..9]).lost.is_none());
    }
}
