//! Runs `.quire/ci.fnl` and `.quire/ci.lua`: the sandbox, the API in scope of a pipeline, jobs as coroutines.
//!
//! The run VM has no compiler: it is given Lua text. It never touches a process, a file or the network; that
//! is what its [`JobHost`] does.

mod api;
mod host;
mod job_call;
mod pulse;
mod registration;
mod sandbox;
mod script_error;
mod vm;
mod walk;

pub use host::{Command, HostError, HostFuture, JobHost, ShCall, StepResult};
pub use job_call::{JobEnd, JobFailure, JobInput, JobInputs, StepFailure, StepFault};
pub use pulse::{Beat, VmPulse};
pub use registration::{InputRef, MAX_INPUTS, MAX_JOBS, OptionValue, Problem, Registration};
pub use sandbox::{GLOBALS, Module, Modules, PLANNED, VmError, VmLimits};
pub use script_error::{Place, ScriptError};
pub use vm::{EvaluationError, Vm};
pub use walk::WalkError;
