//! Compiles and evaluates a pipeline and runs nothing of it.

use std::path::Path;
use std::sync::Arc;

use super::evaluate::{EVALUATION_LIMIT, Loaded};
use super::pipeline_watch::PipelineWatch;
use super::vm_thread::Evaluated;
use crate::model::Diagnostic;
use crate::pipeline::PipelineFiles;
use crate::pipeline::fennel::took_too_long;
use crate::script::{
    ArtifactCall, ContainerCall, HostError, HostFuture, JobHost, SavedArtifact, ShCall, StepResult, VmPulse,
};

/// A pipeline of which nothing is to run.
#[derive(Debug)]
pub struct OnlyEvaluated<'a> {
    pub(crate) files: &'a PipelineFiles,
    /// The folder of compiled pipelines.
    pub(crate) cache: Option<&'a Path>,
    /// The memory of the VM, in bytes.
    pub(crate) memory: usize,
    /// Takes what the pipeline prints.
    pub(crate) print: fn(&[u8]),
}

impl OnlyEvaluated<'_> {
    /// Compiles and evaluates it. When that does not end, `late` gets the mistake; it has to end the process.
    ///
    /// # Errors
    /// Gives all mistakes.
    pub(crate) fn evaluate(&self, late: impl Fn(Diagnostic) + Clone + Send + 'static) -> Evaluated {
        let quire = |problem: String| vec![Diagnostic::error("quire", problem)];
        let pulse = Arc::new(VmPulse::new());
        let watch = PipelineWatch::of_compilation(&pulse, self.files, late.clone());
        let watch = watch.map_err(|error| quire(error.to_string()))?;
        let loaded = Loaded::new(self.files, self.cache, &pulse)?;
        drop(watch);
        let vm = loaded.vm(self.memory, Arc::new(NoJobs { print: self.print })).map_err(quire)?;
        let (pulse, of) = (vm.pulse(), self.files.clone());
        let seen = Arc::clone(&pulse);
        let watch = PipelineWatch::start(&pulse, EVALUATION_LIMIT, move || {
            late(took_too_long("reading", EVALUATION_LIMIT, seen.last_place(), &of));
        });
        let _watch = watch.map_err(|error| quire(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| quire(error.to_string()))?;
        runtime.block_on(loaded.evaluate(&vm))
    }
}

/// The world of a pipeline none of whose jobs run.
struct NoJobs {
    print: fn(&[u8]),
}

fn no_job<T: Send + 'static>() -> HostFuture<T> {
    Box::pin(async { Err(HostError::Broken("no job runs".to_owned())) })
}

impl JobHost for NoJobs {
    fn sh(&self, _: &str, _: ShCall) -> HostFuture<StepResult> {
        no_job()
    }

    fn container(&self, _: &str, _: ContainerCall) -> HostFuture<StepResult> {
        no_job()
    }

    fn secret(&self, _: &str, _: &str) -> Result<Vec<u8>, HostError> {
        Err(HostError::Broken("no job runs".to_owned()))
    }

    fn log(&self, _: Option<&str>, line: &[u8]) {
        (self.print)(line);
    }

    fn read_file(&self, _: &str, _: &str) -> HostFuture<Vec<u8>> {
        no_job()
    }

    fn write_file(&self, _: &str, _: &str, _: Vec<u8>) -> HostFuture<()> {
        no_job()
    }

    fn artifact(&self, _: &str, _: ArtifactCall) -> HostFuture<Vec<SavedArtifact>> {
        no_job()
    }
}
