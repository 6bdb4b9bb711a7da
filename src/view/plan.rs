//! A plan as JSON and as text.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::diagnostic_shape::DiagnosticShape;
use super::sanitize::one_line;
use crate::journal::DiagnosticFact;
use crate::run::{PlanAnswer, PlannedJob};

/// Which jobs of a pipeline an event starts, which not, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Plan)]
pub(crate) struct PlanShape {
    /// The jobs, in the order of the pipeline; none when it cannot be used.
    pub(crate) jobs: Vec<PlannedJob>,
    /// What was found in the files of the pipeline.
    pub(crate) diagnostics: Vec<DiagnosticShape>,
}

impl PlanShape {
    /// The shape of a plan.
    pub(crate) fn of(plan: PlanAnswer) -> Self {
        let diagnostics = plan.diagnostics.iter().map(DiagnosticFact::to_diagnostic);
        Self { jobs: plan.jobs, diagnostics: diagnostics.map(DiagnosticShape::of_diagnostic).collect() }
    }
}

/// A line about each job of a plan.
pub(crate) fn plan_lines(jobs: &[PlannedJob]) -> String {
    let width = jobs.iter().map(|job| job.id.len()).max().unwrap_or_default();
    let line = |job: &PlannedJob| {
        format!("{:<7}  {:<width$}  {}\n", job.decision.as_str(), job.id, one_line(&job.reason))
    };
    jobs.iter().map(line).collect()
}
