//! What everything that runs steps promises: on the host, in a sandbox, in a container.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;

use super::step::{Program, StepEnd};
use crate::log::Sink;
use crate::script::HostError;

/// One step, no matter where it runs.
#[derive(Debug, Clone)]
pub struct StepContext {
    /// Its job.
    pub job: String,
    /// Its number in the job, from 1.
    pub number: u32,
    /// What to run. In a container an empty list is what its image says.
    pub program: Program,
    /// Variables over those that the executor gives.
    pub env: Vec<(String, Vec<u8>)>,
    /// The folder to run in, below the workspace; the workspace itself when none is given.
    pub cwd: Option<String>,
    /// What it reads on its standard input.
    pub input: Option<Vec<u8>>,
    /// How long it may take, with everything that it needs first.
    pub timeout: Option<Duration>,
    /// How long it may take to end when it was asked to.
    pub grace: Duration,
    /// How much of each of its two outputs is given back, in bytes.
    pub capture_limit: usize,
}

impl StepContext {
    /// The step's name in its run, as it is in `QUIRE_STEP`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.job, self.number)
    }

    /// The folder to run in, of this workspace.
    pub(super) fn folder(&self, workspace: &Path) -> std::path::PathBuf {
        self.cwd.as_deref().map_or_else(|| workspace.to_owned(), |cwd| workspace.join(cwd))
    }
}

/// Why a step has not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// It asked for what is not there, such as its folder: it ends as failed, which its script may look at.
    #[error("{0}")]
    Step(String),
    /// Its time was over before it could begin: it ends as timed out.
    #[error("{0}")]
    TimedOut(String),
    /// What its script hears of instead of an end.
    #[error(transparent)]
    Job(#[from] HostError),
}

/// A step that was started. It makes progress while its outcome is waited for.
pub struct Running<'a> {
    stop: watch::Sender<bool>,
    end: Pin<Box<Ending<'a>>>,
}

/// What a step comes to.
pub type Ending<'a> = dyn Future<Output = Result<StepEnd, NotRun>> + Send + 'a;

impl<'a> Running<'a> {
    /// A step that is this work, which hears by its argument that it has to end.
    pub(crate) fn new<F>(work: impl FnOnce(watch::Receiver<bool>) -> F) -> Self
    where
        F: Future<Output = Result<StepEnd, NotRun>> + Send + 'a,
    {
        let (stop, asked) = watch::channel(false);
        Running { stop, end: Box::pin(work(asked)) }
    }
}

/// Runs steps.
///
/// # How steps end
/// Every executor promises this, and `tests/it/executor_suite.rs` holds each of them to it:
/// - [`stop`](Executor::stop) asks and returns at once. It may be called at any time and more than once, also while what
///   the step needs (an image, say) is not there yet.
/// - A step that is asked to end, or whose time is over, gets TERM. What is left of it after a grace is killed.
/// - Its outcome is there when nothing of it is left: no process, no container, no file in memory. What a program has left
///   behind ends with it. What cannot be killed is in [`StepEnd::survivors`].
/// - One that was asked to end is `stopped`, one whose time was over is `timed_out`, and one that had ended before has
///   the end that it had. A program that fails or is missing is an end as well, not an error.
/// - The log has every byte that the step wrote until then, in order for each stream.
/// - Dropping a step kills it without grace.
pub trait Executor: Send + Sync {
    /// Starts a step whose output goes to `log`.
    fn start<'a>(&'a self, step: StepContext, log: &'a mut dyn Sink) -> Running<'a>;

    /// Asks a step to end.
    fn stop(&self, step: &Running<'_>) {
        step.stop.send_replace(true);
    }

    /// What a step comes to. This may be given up and asked for again until it is there.
    fn outcome<'s, 'a>(&self, step: &'s mut Running<'a>) -> Pin<&'s mut Ending<'a>> {
        step.end.as_mut()
    }
}
