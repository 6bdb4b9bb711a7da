//! An artifact as a journal keeps it, and what a test report said.

use serde::{Deserialize, Serialize};

use super::fact::MAX_NAME;
use crate::artifact::{FailedTest, TestReport};
use crate::model::Timestamp;
use crate::secret::{RedactedText, Redactor};

/// The longest message of a failed test, in bytes.
const MAX_MESSAGE: usize = 2_000;

/// A file that a job has kept with its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct ArtifactRecord<T = RedactedText> {
    /// Its name: a path with `/`.
    pub(crate) path: T,
    pub(crate) size_bytes: u64,
    /// The SHA-256 of its content, in hexadecimal digits; the name of its file.
    pub(crate) sha256: String,
    /// When it is removed, in milliseconds; otherwise it stays as long as its run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_ms: Option<i64>,
    /// What it says, when it is a test report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tests: Option<TestRecord<T>>,
}

/// What a test report said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRecord<T = RedactedText> {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) duration_ms: u64,
    /// The first of the failed ones.
    pub(crate) failing: Vec<FailedTestRecord<T>>,
}

/// A test that has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedTestRecord<T = RedactedText> {
    /// The class or the suite; may be empty.
    pub(crate) suite: T,
    pub(crate) name: T,
    pub(crate) message: T,
}

impl<T> ArtifactRecord<T> {
    /// When it is removed.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        self.expires_ms.map(Timestamp::from_millis)
    }

    /// Whether it is not to be given any more.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at().is_some_and(|expiry| expiry <= now)
    }
}

impl TestRecord<String> {
    /// What a report says, with so many of the failed tests.
    pub(crate) fn of(report: TestReport, most: usize) -> Self {
        let record =
            |test: FailedTest| FailedTestRecord { suite: test.suite, name: test.name, message: test.message };
        Self {
            passed: report.counts.passed,
            failed: report.counts.failed,
            skipped: report.counts.skipped,
            duration_ms: report.counts.duration_ms,
            failing: report.failing.into_iter().take(most).map(record).collect(),
        }
    }
}

impl ArtifactRecord<String> {
    /// The same with its texts redacted, and short enough for a journal.
    pub(super) fn redacted(self, redactor: &Redactor) -> ArtifactRecord {
        let Self { path, size_bytes, sha256, expires_ms, tests } = self;
        let short = |text: &str, most| redactor.text(text).shorten_to_bytes(most);
        let test = |test: FailedTestRecord<String>| FailedTestRecord {
            suite: short(&test.suite, MAX_NAME),
            name: short(&test.name, MAX_NAME),
            message: short(&test.message, MAX_MESSAGE),
        };
        let tests = tests.map(|tests| TestRecord {
            passed: tests.passed,
            failed: tests.failed,
            skipped: tests.skipped,
            duration_ms: tests.duration_ms,
            failing: tests.failing.into_iter().map(test).collect(),
        });
        // No name is longer than what a journal takes.
        ArtifactRecord { path: redactor.text(&path), size_bytes, sha256, expires_ms, tests }
    }
}
