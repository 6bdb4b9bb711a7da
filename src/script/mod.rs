//! Code of a repository: compiled in one VM, run in another.
//!
//! [`compile`] turns a pipeline into a [`Bundle`] of Lua text and runs nothing of it but macros; [`BundleCache`] keeps
//! bundles; [`data`] reads a Fennel file that is only data.

mod bundle;
mod cache;
mod call_spans;
mod compile;
mod compile_error;
mod compile_vm;
pub mod data;
mod fennel;
mod node;
mod source_text;
mod sources;
mod unclosed;

pub use bundle::{BUNDLE_FORMAT, Bundle, Module};
pub use cache::{BundleCache, CacheError, CacheKey};
pub use call_spans::{ArgSpan, CallSpans};
pub use compile::{CompileFailure, CompileOptions, compile};
pub use compile_error::MAX_DIAGNOSTICS;
pub use compile_vm::{CompileLimits, CompileVmError};
pub use fennel::{FENNEL, FENNEL_SHA256, FENNEL_VERSION};
pub use node::{Node, Value};
pub use source_text::{MAX_SOURCE, source_text};
pub use sources::{BuiltinModule, SourceFile, Sources};

#[cfg(test)]
mod compile_limit_tests;
#[cfg(test)]
mod compile_line_tests;
#[cfg(test)]
mod compile_tests;
