//! The jobs of a run that a rerun of a part does not repeat: they end at once, as they did.

use std::collections::HashMap;

use serde_json::Value;

use super::repeat::{EarlierJob, EarlierRun};
use crate::event::RerunScope;
use crate::journal::{Fact, JobOutput, JournalError, Recorder};
use crate::model::{Outcome, Reason, codes};
use crate::pipeline::JobGraph;

/// The jobs that are not repeated, by their places in the graph.
#[derive(Debug, Default)]
pub(super) struct KeptJobs {
    from: u64,
    jobs: Vec<(usize, EarlierJob)>,
}

impl KeptJobs {
    /// Those of a graph; nothing is kept when no part of an earlier run is repeated.
    ///
    /// # Errors
    /// The part cannot be repeated.
    pub(super) fn new(graph: &JobGraph, earlier: Option<&(EarlierRun, RerunScope)>) -> Result<Self, Reason> {
        let Some((run, scope)) = earlier else { return Ok(Self::default()) };
        let named: Vec<_> =
            graph.jobs().iter().map(|job| (job.id.to_string(), graph.need_names(job))).collect();
        let kept = run.kept(&named, scope).map_err(|error| {
            let text = format!("run {} cannot be repeated so: {error}", run.number);
            Reason { hints: error.hint().into_iter().collect(), ..Reason::new(codes::NOT_STARTED, text) }
        })?;
        let places = named.iter().enumerate();
        let jobs = places.filter_map(|(place, (id, _))| Some((place, (*kept.get(id.as_str())?).clone())));
        Ok(Self { from: run.number, jobs: jobs.collect() })
    }

    /// The jobs of a graph that are repeated, apart from what they need: what is kept asks for nothing.
    pub(super) fn repeated(&self, graph: &JobGraph) -> JobGraph {
        graph.apart_from(|job| self.jobs.iter().any(|(_, kept)| kept.id == job.id.as_str()))
    }

    /// Writes down how they ended, and what they gave.
    pub(super) fn record(&self, recorder: &Recorder) -> Result<(), JournalError> {
        for (_, job) in &self.jobs {
            if let Some(output) = &job.output {
                let output = JobOutput::new(Ok(output.clone()));
                recorder.write(Fact::JobOutput { job: job.id.clone(), output })?;
            }
            recorder.write(Fact::job_ended(job.id.clone(), job.kept_end(self.from)))?;
        }
        Ok(())
    }

    /// How they ended.
    pub(super) fn ends(&self) -> impl Iterator<Item = (usize, Outcome)> {
        self.jobs.iter().map(|(place, job)| (*place, job.end.outcome))
    }

    /// What they gave.
    pub(super) fn outputs(&self) -> HashMap<usize, Value> {
        self.jobs.iter().filter_map(|(place, job)| Some((*place, job.output.clone()?))).collect()
    }
}
