//! Code of a repository: compiled in one VM, run in another.
//!
//! [`compile`] turns a pipeline into a [`Bundle`] of Lua text and runs nothing of it but macros; [`BundleCache`] keeps
//! bundles; [`data`] reads a Fennel file that is only data. [`Vm`] runs a bundle: the sandbox, the API in scope of a
//! pipeline, jobs as coroutines. It has no compiler, and never touches a process, a file or the network; that is what
//! its [`JobHost`] does.

mod api;
mod artifact_call;
mod bundle;
mod cache;
mod call_spans;
mod compile;
mod compile_error;
mod compile_vm;
mod compiler_words;
mod container_options;
pub(crate) mod data;
mod fennel;
mod foreign_text;
mod form_place;
mod host;
mod job_call;
mod lua_node;
mod plain_data;
mod plain_message;
mod pulse;
mod registration;
mod sandbox;
mod script_error;
pub(crate) mod source_text;
mod sources;
mod unclosed;
mod unknown_input;
mod vm;
mod walk;

pub use artifact_call::ArtifactCall;
pub use bundle::{BUNDLE_FORMAT, Bundle, Module};
pub use cache::hex_sha256;
pub use cache::{BundleCache, CacheError, CacheKey};
pub use call_spans::CallSpans;
pub use compile::{CompileFailure, CompileOptions, compile};
pub use compile_error::MAX_DIAGNOSTICS;
pub use compile_vm::{CompileLimits, CompileVmError};
pub use container_options::{ContainerOptions, Pull, Service};
pub use fennel::{FENNEL, FENNEL_SHA256, FENNEL_VERSION};
pub(crate) use form_place::place_on_line;
pub use host::{Command, ContainerCall, HostError, HostFuture, JobHost, SavedArtifact, ShCall, StepResult};
pub use job_call::{JobArguments, JobEnd, JobFailure, JobInput, JobInputs, StepFailure, StepFault};
pub use pulse::{Beat, VmPulse};
pub use registration::{InputRef, MAX_INPUTS, MAX_JOBS, Problem, Registration};
pub(crate) use sandbox::compile_prelude;
pub use sandbox::{Chunk, Modules, VmError, VmLimits, globals};
pub use script_error::{Place, ScriptError};
pub(crate) use source_text::source_text;
pub(crate) use sources::{BuiltinModule, SourceFile, Sources};
pub use vm::{EvaluationError, Vm};

#[cfg(test)]
mod compile_limit_tests;
#[cfg(test)]
mod compile_line_tests;
#[cfg(test)]
mod compile_tests;
#[cfg(test)]
mod word_tests;
