//! Runs for people and programs: text and JSON, made from rows and journals. Decides nothing.

mod artifact_shape;
mod audit;
mod decision_shape;
mod diagnostic_shape;
mod end;
mod events;
mod follow;
mod job_end;
mod log_end;
mod log_format;
mod log_names;
mod log_sizes;
mod plan;
mod push;
mod push_job;
mod push_verdict;
mod run;
mod run_lines;
mod sanitize;
mod screen;
mod shape;
mod signature_shape;
mod text;
mod nothing_to_run;
mod output_order;
mod words;

pub(crate) use artifact_shape::{ArtifactShape, TestsShape};
pub(crate) use audit::{AuditShape, audit_file_line, audit_line};
pub(crate) use decision_shape::DecisionShape;
pub(crate) use diagnostic_shape::DiagnosticShape;
pub(crate) use end::deciding_lock;
pub(crate) use events::{EventsError, RunEvent, RunEvents};
pub(crate) use follow::{LogFollower, LogLine};
pub(crate) use job_end::{JobEnd, read_job_end};
pub(crate) use log_end::{EndLimit, read_log_end};
pub(crate) use log_format::{LogFormat, LogFormatter, LogLineShape};
pub(crate) use log_sizes::LogSizes;
pub(crate) use nothing_to_run::nothing_to_run;
pub(crate) use output_order::{OutputItem, OutputOrder};
pub(crate) use plan::{PlanShape, plan_lines};
pub(crate) use push::{
    Comparison, PushedRun, broken, first_line, job_line, push_default_branch, push_header, push_signature,
    push_stopped, run_verdict, unstarted_jobs,
};
pub(crate) use push_job::{failed_step, job_columns, pushed_failure, pushed_job, ticker};
pub(crate) use push_verdict::{push_verdict, pushes_verdict, watched_too_long};
pub(crate) use run::{FollowedRun, RunView, run_subject};
pub(crate) use run_lines::{run_beginning, run_ending};
pub(crate) use sanitize::{
    Colours, SafeText, file_line, one_line, output_line, plain, pushed_output, reason_line,
};
pub(crate) use screen::Screen;
pub(crate) use shape::{JobShape, RunShape, StepShape, jobs_of};
pub(crate) use text::{between, run_list, run_page};
pub(crate) use words::{EventWord, FormatWord, OutcomeWord, StateWord};
