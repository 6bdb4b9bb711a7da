//! The plan of a job folder as it is answered, over HTTP and by commands.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::plan::{JobPlan, PlannedStep};

/// What a run of a job would do.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = JobPlan)]
pub struct JobPlanShape {
    /// The id of the job.
    pub(crate) job: String,
    /// What runs its scripts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) interpreter: Option<String>,
    /// `shell`, `proc` or `container`.
    pub(crate) executor: String,
    /// The arguments that it would get, without secrets.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub(crate) args: Map<String, Value>,
    /// The profile of its containers.
    pub(crate) profile: String,
    /// What would be run, in its order.
    pub(crate) steps: Vec<PlannedScript>,
    /// What is odd about its `config.yaml`.
    pub(crate) warnings: Vec<String>,
}

/// A script that would be run.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PlannedScript {
    /// Its name.
    pub(crate) name: String,
    /// The image of its container; absent on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<String>,
}

impl JobPlanShape {
    /// The shape of a plan.
    pub(crate) fn of(plan: JobPlan) -> Self {
        let script = |step: PlannedStep| PlannedScript {
            name: step.name,
            image: step.container.map(|container| container.image),
        };
        Self {
            job: plan.job,
            interpreter: plan.interpreter,
            executor: plan.executor,
            args: plan.values,
            profile: plan.profile,
            steps: plan.steps.into_iter().map(script).collect(),
            warnings: plan.warnings,
        }
    }
}
