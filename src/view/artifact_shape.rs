//! Artifacts and test reports as JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sanitize::one_line;
use super::shape::{seconds, seconds_text};
use crate::journal::{ArtifactRecord, FailedTestRecord, RunRecord, TestRecord};
use crate::model::Timestamp;

/// The most failed tests of a run that are named.
const MAX_NAMED: usize = 100;

/// A file that a run has kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Artifact)]
pub(crate) struct ArtifactShape {
    /// Its path in the run.
    pub(crate) path: String,
    /// Its size.
    pub(crate) size_bytes: u64,
    /// The SHA-256 of its content, in hex.
    pub(crate) sha256: String,
    /// The job that has kept it.
    pub(crate) job: String,
    /// When it is removed; null when it stays as long as its run.
    pub(crate) expires_at: Option<String>,
    /// What it says, when it is a test report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tests: Option<TestsShape>,
}

/// What test reports say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Tests)]
pub(crate) struct TestsShape {
    /// How many tests have passed.
    pub(crate) passed: u64,
    /// How many have failed.
    pub(crate) failed: u64,
    /// How many were skipped.
    pub(crate) skipped: u64,
    /// How long they took, each for itself.
    pub(crate) duration_s: f64,
    /// The first of the failed ones.
    pub(crate) failing: Vec<FailedTestShape>,
}

/// A test that has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FailedTest)]
pub(crate) struct FailedTestShape {
    /// The job.
    pub(crate) job: String,
    /// The class or the suite.
    pub(crate) suite: String,
    /// Its name.
    pub(crate) name: String,
    /// Why, as its report has it; absent in a run: it is output, which not everybody may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
}

impl ArtifactShape {
    /// Those of a run that have not expired, in the order in which they were kept.
    pub(crate) fn all_of(record: &RunRecord, now: Timestamp) -> Vec<Self> {
        let kept = record.artifacts.iter().filter(|(_, artifact)| !artifact.has_expired(now));
        kept.map(|(job, artifact)| Self::of(job, artifact)).collect()
    }

    /// An artifact of a job.
    pub(crate) fn of(job: &str, artifact: &ArtifactRecord) -> Self {
        Self {
            path: artifact.path.to_string(),
            size_bytes: artifact.size_bytes,
            sha256: artifact.sha256.clone(),
            job: job.to_owned(),
            expires_at: artifact.expires_at().map(|time| time.to_string()),
            tests: artifact.tests.as_ref().map(|tests| {
                let mut shape = TestsShape::default();
                shape.add(job, tests, true);
                shape
            }),
        }
    }
}

impl TestsShape {
    /// All reports of a run, without the messages.
    pub(super) fn of_run(record: &RunRecord) -> Option<Self> {
        let mut shape = Self::default();
        let mut has_report = false;
        for (job, artifact) in &record.artifacts {
            if let Some(tests) = &artifact.tests {
                shape.add(job, tests, false);
                has_report = true;
            }
        }
        has_report.then_some(shape)
    }

    fn add(&mut self, job: &str, tests: &TestRecord, has_messages: bool) {
        self.passed = self.passed.saturating_add(tests.passed);
        self.failed = self.failed.saturating_add(tests.failed);
        self.skipped = self.skipped.saturating_add(tests.skipped);
        self.duration_s += seconds(tests.duration_ms);
        let shape = |test: &FailedTestRecord| FailedTestShape {
            job: job.to_owned(),
            suite: test.suite.to_string(),
            name: test.name.to_string(),
            message: has_messages.then(|| test.message.to_string()),
        };
        let left = MAX_NAMED.saturating_sub(self.failing.len());
        self.failing.extend(tests.failing.iter().take(left).map(shape));
    }

    /// `2 failed, 10 passed, 1 skipped`, and how long they took.
    pub(crate) fn line(&self) -> String {
        let parts = [(self.failed, "failed"), (self.passed, "passed"), (self.skipped, "skipped")];
        let parts = parts.iter().filter(|(count, word)| *count > 0 || *word == "passed");
        let parts: Vec<String> = parts.map(|(count, word)| format!("{count} {word}")).collect();
        format!("{}, {}", parts.join(", "), seconds_text(self.duration_s))
    }

    /// How many have failed that are not named.
    pub(crate) fn unnamed(&self) -> u64 {
        self.failed.saturating_sub(self.failing.len() as u64)
    }
}

impl FailedTestShape {
    /// `suite: name`, on one line.
    pub(crate) fn title(&self) -> String {
        match self.suite.is_empty() {
            true => one_line(&self.name),
            false => one_line(&format!("{}: {}", self.suite, self.name)),
        }
    }
}
