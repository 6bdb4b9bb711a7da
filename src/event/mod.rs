//! What starts a run, as one type from intake to the journal: a push, a look at a watched remote, a person, a clock, or a
//! run that is repeated.
//!
//! Below `intake` nothing asks where an event came from: the scheduler takes the [`Source`]s that fired, secrets are
//! granted by [`Trigger`], and screens print its word.

mod kind;
mod only_jobs;
mod push_certificate;
mod record;
mod ref_update;
mod run_vars;
mod source;
mod start;
mod trigger;

pub use kind::{Event, EventKind, Rerun, RerunScope};
pub(crate) use only_jobs::{ONLY_OPTION, OnlyJobs};
pub(crate) use push_certificate::{HOOK_OPTION, PushCertificate};
pub use record::{EventRecord, EventRecordError};
pub use ref_update::{RefUpdate, RefUpdateRecord, RefUpdateRecordError};
pub(crate) use run_vars::RunVars;
pub use source::Source;
pub(crate) use start::Start;
pub(crate) use trigger::Trigger;
