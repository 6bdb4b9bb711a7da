//! The job graph: jobs in the order of the file, and what each needs.

use std::time::Duration;

use crate::event::Source;
use crate::model::JobId;
use crate::pipeline::argument::ArgSpec;
use crate::script::{ArtifactCall, ContainerOptions};

/// What a job waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// An event source.
    Source(Source),
    /// Another job, by its place in [`JobGraph::jobs`].
    Job(usize),
}

/// When a job runs, once its needs have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum When {
    /// When all of them passed.
    #[default]
    Passed,
    /// Whatever became of them.
    Always,
    /// When one of them failed.
    Failed,
}

/// What a job may say about itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobOptions {
    /// The longest it may take.
    pub(crate) timeout: Option<Duration>,
    /// When it runs.
    pub(crate) when: When,
    /// Whether its failure leaves the run green and its dependents running.
    pub(crate) allow_failure: bool,
    /// Whether a newer push may stop it; nothing when it does not say.
    pub(crate) interruptible: Option<bool>,
    /// The image that its steps run in; otherwise they run on the host.
    pub(crate) image: Option<String>,
    /// What the job's container is asked to be, and its services.
    pub(crate) container: ContainerOptions,
    /// Whether its steps run in a sandbox, also where the operator does not require it.
    pub(crate) sandbox: bool,
    /// Whether its sandbox should have the network; nothing when it does not say.
    pub(crate) network: Option<bool>,
    /// The arguments that it takes; nothing when `:quire/manual` gives it any JSON.
    pub(crate) arguments: Option<Vec<ArgSpec>>,
    /// What is kept when it has ended.
    pub(crate) artifacts: Vec<ArtifactCall>,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            timeout: None,
            when: When::Passed,
            allow_failure: false,
            interruptible: None,
            image: None,
            container: ContainerOptions::default(),
            sandbox: false,
            network: None,
            arguments: None,
            artifacts: Vec::new(),
        }
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    /// What it waits for; never empty.
    pub(crate) needs: Vec<Need>,
    /// What it says about itself.
    pub(crate) options: JobOptions,
}

/// A checked pipeline: acyclic, every need known, every job reachable from a source. Made by
/// [`JobGraph::check`] only.
#[derive(Debug, Clone, PartialEq)]
pub struct JobGraph {
    pub(super) jobs: Vec<Job>,
}

impl JobGraph {
    /// The jobs, in the order of the file.
    pub(crate) fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// The same jobs; those that do not say whether a newer push may stop them have this answer.
    #[must_use]
    pub(crate) fn interruptible_by_default(mut self, is_interruptible: bool) -> Self {
        for job in &mut self.jobs {
            job.options.interruptible.get_or_insert(is_interruptible);
        }
        self
    }

    /// The names of what a job needs, as the pipeline wrote them.
    pub(crate) fn need_names(&self, job: &Job) -> Vec<String> {
        job.needs
            .iter()
            .filter_map(|need| match need {
                Need::Source(source) => Some(source.name().to_owned()),
                Need::Job(index) => self.jobs.get(*index).map(|job| job.id.to_string()),
            })
            .collect()
    }
}
