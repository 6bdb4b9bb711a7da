//! Artifacts: files of a workspace that are kept with their run.
//!
//! [`select`] finds the files that a path or a pattern names, [`ArtifactStore`] copies them into the folder of the run,
//! under the SHA-256 of their content: names are in the journal only, so that no name can do harm on disk. Nothing is
//! listed that is not in the journal, and the journal is written last: a runner that is killed leaves at most files that
//! nobody lists, which [`ArtifactStore::sweep`] removes. Everything here blocks.

mod artifact_name;
mod junit;
mod pattern;
mod select;
mod store;

pub(crate) use junit::{FailedTest, MAX_REPORT, TestReport};
pub(crate) use select::{Selected, select};
pub(crate) use store::{ArtifactStore, Copied, Rules};

/// The most artifacts of a run.
pub(crate) const MAX_ARTIFACTS: usize = 1_000;

/// Why a file was not kept. The text is for the author of the pipeline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArtifactError {
    /// There is no such file.
    #[error("{0}")]
    Missing(String),
    /// It cannot be kept.
    #[error("{0}")]
    Refused(String),
    /// The job was stopped, or its time is over.
    #[error("the copy was stopped")]
    Stopped,
}

impl ArtifactError {
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }
}
