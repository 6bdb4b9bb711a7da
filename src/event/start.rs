//! What an event starts of a pipeline.

use std::collections::BTreeSet;

use super::source::Source;
use crate::model::JobId;

/// What an event starts of a pipeline: the root jobs that need one of its sources, or one of these jobs, and what needs them; of
/// these only some, when it says which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The sources that fire.
    pub(crate) sources: BTreeSet<Source>,
    /// The one root job to start; all of them when absent.
    pub(crate) root: Option<JobId>,
    /// The only jobs to start, with all that they need; all of them when absent.
    pub(crate) only: Option<BTreeSet<String>>,
}

impl From<Source> for Start {
    fn from(source: Source) -> Self {
        Self { sources: BTreeSet::from([source]), root: None, only: None }
    }
}
