//! Job folders: what a server or a command finds, plans and starts.

mod decisions;
mod error;
mod follow;
mod found;
mod place;
mod plan;
mod plan_shape;
mod profile;
mod record;
mod secrets;
mod start;
mod work;

pub use decisions::Finding;
pub use error::{AliasProblem, JobError};
pub use follow::follow_job;
pub use found::{JobList, ListedJob, job_args, list_jobs, list_jobs_of_sources};
pub use place::JobPlace;
pub use plan::{JobPlan, PlanJob, PlannedStep, plan_job};
pub use plan_shape::{JobPlanShape, PlannedScript};
pub use record::{JobRunRecord, job_run_record, page_of_job_runs};
pub use secrets::JobSecrets;
pub use start::{JobStarted, StartJob, start_job};
