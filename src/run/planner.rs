//! The process that evaluates a commit's pipeline for the server and runs nothing of it: `quire planner`, hidden. The server
//! evaluates no code of a repository itself; a script that loops or eats memory ends this process.

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::objects::{GitFolder, Objects as _};
use super::only_evaluate::OnlyEvaluated;
use super::pipeline_watch::end_process;
use crate::event::{EventRecord, Source, Start};
use crate::journal::DiagnosticFact;
use crate::model::{Diagnostic, chain};
use crate::pipeline::argument::ArgSpec;
use crate::pipeline::{Decision, Job, JobGraph, When};
use crate::sys::process::Exit;
use crate::sys::program::{Keep, Program, ProgramEnd, ProgramLimits};

/// The word by which the binary is asked to plan.
pub const PLANNER: &str = "planner";

/// How long a planner may take. Its own limits are shorter.
const PLAN_LIMIT: Duration = Duration::from_secs(30);

/// The largest answer of a planner, in bytes.
const MAX_ANSWER: usize = 32 << 20;

/// The most of a planner's standard error that is read, in bytes.
const MAX_COMPLAINT: usize = 4096;

/// What is to be planned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanOrder {
    /// The event; it is about a commit.
    pub(crate) event: EventRecord,
    /// The repository's folder.
    pub(crate) git_dir: PathBuf,
    /// The folder of compiled pipelines.
    pub(crate) cache_dir: PathBuf,
    /// The memory of the VM, in bytes.
    pub(crate) vm_memory: usize,
}

/// What a pipeline turned out to be.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanAnswer {
    /// Its jobs, in the order of the file.
    pub(crate) jobs: Vec<PlannedJob>,
    /// What was found in its files.
    pub(crate) diagnostics: Vec<DiagnosticFact<String>>,
    /// Whether it cannot be used.
    pub(crate) is_broken: bool,
}

/// A job before anything runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedJob {
    /// Its id.
    pub(crate) id: String,
    /// What it needs: ids of jobs and names of event sources.
    pub(crate) needs: Vec<String>,
    /// Whether it is a part of the run.
    pub(crate) decision: PlannedDecision,
    /// Why, for people.
    pub(crate) reason: String,
    /// When it runs, once what it needs has ended: `passed`, `failed` or `always`.
    pub(crate) when: String,
    /// Whether the run can pass when it fails.
    pub(crate) allow_failure: bool,
    /// The longest it may take, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_s: Option<f64>,
    /// The image that its steps run in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<String>,
    /// The secrets that its options name.
    pub(crate) secrets: Vec<String>,
    /// The arguments that it declares; absent when `:quire/manual` gives it any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<BTreeMap<String, Value>>>)]
    pub(crate) arguments: Option<Vec<ArgSpec>>,
    /// What a plan was given for them, with defaults and without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    pub(crate) args: Option<Map<String, Value>>,
}

/// What is known of a job before anything runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlannedDecision {
    /// It begins, whatever becomes of other jobs.
    Run,
    /// It is not a part of the run.
    Skip,
    /// What becomes of the jobs that it needs decides.
    Depends,
}

impl PlannedJob {
    /// Whether somebody can start it.
    pub(crate) fn has_manual_source(&self) -> bool {
        self.needs.iter().any(|need| need == Source::MANUAL)
    }

    /// Whether it is started because somebody asked, and gets the arguments.
    pub(crate) fn is_started_by_hand(&self) -> bool {
        self.decision != PlannedDecision::Skip && self.has_manual_source()
    }
}

impl PlannedDecision {
    /// Its word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Skip => "skip",
            Self::Depends => "depends",
        }
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The process could not be started, or its order not be written.
    #[error("could not start the process that evaluates the pipeline")]
    Start(#[source] io::Error),
    /// It did not come to its end in time.
    #[error("evaluating the pipeline took longer than {} s", PLAN_LIMIT.as_secs())]
    TimedOut,
    /// It ended without an answer.
    #[error("the process that evaluates the pipeline ended with exit status {}", .0.code())]
    Ended(Exit),
    /// Its answer cannot be used.
    #[error("the process that evaluates the pipeline gave no answer that can be used")]
    Answer(#[source] io::Error),
}

/// The jobs of a pipeline as this event finds them.
pub fn planned_jobs(graph: &JobGraph, start: &Start) -> Vec<PlannedJob> {
    let decisions = graph.plan(start);
    graph.jobs().iter().zip(decisions).map(|(job, decided)| planned(graph, job, decided)).collect()
}

fn planned(graph: &JobGraph, job: &Job, (decision, reason): (Decision, String)) -> PlannedJob {
    let options = &job.options;
    PlannedJob {
        id: job.id.to_string(),
        needs: graph.need_names(job),
        decision: match decision {
            Decision::Run => PlannedDecision::Run,
            Decision::Skip => PlannedDecision::Skip,
            Decision::Depends => PlannedDecision::Depends,
        },
        reason,
        when: match options.when {
            When::Passed => "passed",
            When::Failed => "failed",
            When::Always => "always",
        }
        .to_owned(),
        allow_failure: options.allow_failure,
        timeout_s: options.timeout.map(|time| time.as_secs_f64()),
        image: options.image.clone(),
        secrets: options.container.secrets.iter().map(ToString::to_string).collect(),
        arguments: options.arguments.clone(),
        args: None,
    }
}

impl PlanOrder {
    /// Has a process of its own plan it. Blocking.
    ///
    /// # Errors
    /// There is no answer.
    pub(crate) fn plan(&self) -> Result<PlanAnswer, PlanError> {
        let order = serde_json::to_vec(self).map_err(|error| PlanError::Start(error.into()))?;
        let limits = ProgramLimits {
            stdout: Keep::AtMost(MAX_ANSWER),
            kills_leftovers: false,
            ..ProgramLimits::new(PLAN_LIMIT, MAX_COMPLAINT)
        };
        // The binary that runs, also when another one has been put in its place.
        let planner = Program::new("/proc/self/exe").args([PLANNER]).clean().input(&order);
        let finished = planner.run(&limits).map_err(PlanError::Start)?;
        match finished.end {
            ProgramEnd::Exited(Exit::Code(0)) => {
                serde_json::from_slice(&finished.stdout).map_err(|error| PlanError::Answer(error.into()))
            }
            ProgramEnd::Exited(exit) => Err(PlanError::Ended(exit)),
            ProgramEnd::TimedOut => Err(PlanError::TimedOut),
            ProgramEnd::TooMuchOutput | ProgramEnd::Cancelled => {
                Err(PlanError::Answer(io::ErrorKind::InvalidData.into()))
            }
        }
    }

    /// Evaluates the pipeline in this process.
    fn evaluate(&self) -> PlanAnswer {
        let event = match self.event.clone().parse() {
            Ok(event) => event,
            Err(error) => return broken(&[Diagnostic::error("quire", chain(&error))]),
        };
        let Some(update) = &event.subject else {
            return broken(&[Diagnostic::error("quire", "the event is about no commit")]);
        };
        let files = match GitFolder::new(self.git_dir.clone()).pipeline_files(update) {
            Ok(files) => files,
            Err(problem) => return broken(&[Diagnostic::error("quire", problem)]),
        };
        let pipeline = OnlyEvaluated {
            files: &files,
            cache: Some(&self.cache_dir),
            memory: self.vm_memory,
            print: |_| {},
        };
        let late = |mistake: Diagnostic| {
            let written = write(&broken(&[mistake]));
            end_process(i32::from(written.is_err()))
        };
        match pipeline.evaluate(late) {
            Ok((graph, diagnostics)) => {
                PlanAnswer { jobs: planned_jobs(&graph, &event.start()), diagnostics, is_broken: false }
            }
            Err(mistakes) => broken(&mistakes),
        }
    }
}

fn broken(mistakes: &[Diagnostic]) -> PlanAnswer {
    let diagnostics = mistakes.iter().map(DiagnosticFact::from).collect();
    PlanAnswer { jobs: Vec::new(), diagnostics, is_broken: true }
}

fn write(answer: &PlanAnswer) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(&serde_json::to_vec(answer)?)?;
    out.flush()
}

/// Reads an order from standard input and writes the answer to standard output.
///
/// # Errors
/// The order cannot be read, or the answer not be written.
pub fn plan_from_input() -> io::Result<()> {
    let mut order = Vec::new();
    io::stdin().lock().read_to_end(&mut order)?;
    let order: PlanOrder = serde_json::from_slice(&order)?;
    write(&order.evaluate())
}
