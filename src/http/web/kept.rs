//! What a run has kept, on its page: artifacts, and what the test reports among them say.

use axum::response::Response;

use super::ask::Ask;
use super::mark::size;
use crate::app::{RunRow, open_artifact};
use crate::http::artifact_file::artifact_answer;
use crate::http::problem::Refused;
use crate::model::percent_encoded_path;
use crate::view::{ArtifactShape, RunShape, TestsShape, one_line, plain};

/// The most artifacts that are listed.
const MAX_ARTIFACTS: usize = 200;

/// The most failed tests that are shown.
const MAX_FAILED: usize = 20;

/// What a run has kept.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) artifacts: Vec<KeptFile>,
    pub(super) more: usize,
    pub(super) tests: Option<Tests>,
}

/// An artifact.
pub(super) struct KeptFile {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) size: String,
    pub(super) job: String,
    pub(super) tests: Option<String>,
    /// The day on which it is removed.
    pub(super) expires: Option<String>,
}

/// What the test reports say.
pub(super) struct Tests {
    pub(super) line: String,
    pub(super) is_bad: bool,
    pub(super) failed: Vec<FailedTest>,
    pub(super) more: u64,
}

/// A test that has failed.
pub(super) struct FailedTest {
    pub(super) job: String,
    pub(super) title: String,
    pub(super) message: String,
}

impl Kept {
    /// What a run has kept, for whoever may read its output.
    pub(super) fn of(run: &RunShape, path: &str) -> Self {
        let file = |artifact: &ArtifactShape| KeptFile {
            name: one_line(&artifact.path),
            href: format!(
                "{path}/run/{}/artifact/{}",
                run.number,
                percent_encoded_path(artifact.path.as_bytes())
            ),
            size: size(artifact.size_bytes),
            job: artifact.job.clone(),
            tests: artifact.tests.as_ref().map(TestsShape::line),
            expires: artifact.expires_at.as_ref().and_then(|time| time.get(..10).map(str::to_owned)),
        };
        Self {
            artifacts: run.artifacts.iter().take(MAX_ARTIFACTS).map(file).collect(),
            more: run.artifacts.len().saturating_sub(MAX_ARTIFACTS),
            tests: run.tests.as_ref().map(|tests| Tests::of(run, tests)),
        }
    }
}

impl Tests {
    fn of(run: &RunShape, tests: &TestsShape) -> Self {
        let reports = run.artifacts.iter().filter_map(|artifact| artifact.tests.as_ref());
        let failed: Vec<FailedTest> = reports
            .flat_map(|report| &report.failing)
            .take(MAX_FAILED)
            .map(|test| FailedTest {
                job: test.job.clone(),
                title: test.title(),
                message: test.message.as_deref().map(plain).unwrap_or_default(),
            })
            .collect();
        Self {
            line: tests.line(),
            is_bad: tests.failed > 0,
            more: tests.failed.saturating_sub(failed.len() as u64),
            failed,
        }
    }
}

/// `GET /{repo}/run/{n}/artifact/{name}`
pub(super) async fn download(ask: &Ask, row: RunRow, name: &str) -> Result<Response, Refused> {
    let row = ask.caller.run_with_artifacts(&ask.app, &row.id.to_string()).await?;
    let (artifact, file) = open_artifact(&ask.app, row, name).await?;
    Ok(artifact_answer(&ask.parts.headers, &artifact, file))
}
