//! `quire ci plan`: which jobs of a working copy's pipeline an event would start, which not, and why.

use std::path::Path;

use clap::ValueEnum;

use super::ci::{evaluate, find_root, read_files};
use super::exit::{Code, Ended, Failure, print, print_error, print_json};
use crate::event::{Source, Start};
use crate::journal::DiagnosticFact;
use crate::model::{Diagnostic, JobId, render_all};
use crate::run::{PlanAnswer, PlannedDecision, planned_jobs};
use crate::view::{PlanShape, plan_lines};

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PlannedEvent {
    /// The branch is pushed
    Push,
    /// Somebody starts the jobs that need :quire/manual
    Manual,
}

/// `quire ci plan`.
pub(super) fn plan(path: &Path, event: PlannedEvent, job: Option<&str>, as_json: bool) -> Ended {
    let start = start(event, job)?;
    let files = read_files(&find_root(path)?)?;
    let (planned, wrong) = match evaluate(&files, as_json) {
        Ok((graph, warnings)) => (planned_jobs(&graph, &start), warnings),
        Err(mistakes) if as_json => {
            print_plan(PlanAnswer { is_broken: true, ..answer(Vec::new(), &mistakes) });
            return Ok(Code::Usage);
        }
        Err(mistakes) => return Err(Failure::mistakes(&mistakes)),
    };
    if as_json {
        print_plan(answer(planned, &wrong));
        return Ok(Code::Done);
    }
    print_error(&render_all(&wrong));
    print(&plan_lines(&planned));
    if planned.iter().all(|job| job.decision == PlannedDecision::Skip) {
        print_error("nothing would run\n");
    }
    Ok(Code::Done)
}

fn start(event: PlannedEvent, job: Option<&str>) -> Result<Start, Failure> {
    let root = job.map(JobId::parse).transpose().map_err(|error| Failure::new(Code::Usage, error))?;
    match (event, &root) {
        (PlannedEvent::Push, Some(_)) => Err(Failure::new(Code::Usage, "--job goes with --event manual")
            .hint("a push starts all jobs that need :quire/push")),
        (PlannedEvent::Push, None) => Ok(Source::Push.into()),
        (PlannedEvent::Manual, _) => Ok(Start { root, ..Source::Manual.into() }),
    }
}

fn answer(jobs: Vec<crate::run::PlannedJob>, diagnostics: &[Diagnostic]) -> PlanAnswer {
    let diagnostics = diagnostics.iter().map(DiagnosticFact::from).collect();
    PlanAnswer { jobs, diagnostics, is_broken: false }
}

fn print_plan(plan: PlanAnswer) {
    print_json(&serde_json::to_value(PlanShape::of(plan)).unwrap_or_default());
}
