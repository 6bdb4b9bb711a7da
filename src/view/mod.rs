//! Runs for people and programs: text and JSON, made from rows and journals. Decides nothing.

mod audit;
mod end;
mod events;
mod follow;
mod log_end;
mod log_format;
mod log_names;
mod log_sizes;
mod plan;
mod push;
mod run;
mod run_lines;
mod sanitize;
mod screen;
mod shape;
mod text;
mod nothing_to_run;
mod output_order;
mod words;

pub use audit::{AuditShape, audit_file_line, audit_line};
pub use end::deciding_lock;
pub use events::{EventBatch, EventsError, RunEvent, RunEvents};
pub use follow::{LogFollower, LogLine};
pub use log_end::{EndLimit, LogEnd, read_log_end};
pub use log_format::{LogFormat, LogFormatter};
pub use log_sizes::LogSizes;
pub use nothing_to_run::nothing_to_run;
pub use output_order::{OutputItem, OutputOrder};
pub use plan::{PlanShape, plan_lines};
pub use push::{PushedRun, broken, job_line, push_default_branch, push_header, push_stopped, push_verdict};
pub use run::{RunView, run_url};
pub use run_lines::{run_beginning, run_ending};
pub use sanitize::{Colours, SafeText, one_line, output_line, plain, reason_line};
pub use screen::Screen;
pub use shape::{
    DecisionShape, DiagnosticShape, ImageShape, JobShape, ReasonShape, RunShape, StepShape, jobs_of,
};
pub use text::{between, run_list, run_page};
pub use words::{EventWord, FormatWord, OutcomeWord, StateWord};
