//! Replaces this process by another program, with exactly these variables.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Becomes `program`; returns only the reason why that did not work.
#[expect(clippy::disallowed_methods, reason = "this is the one place that does it")]
pub(crate) fn replace_process(program: &Path, args: &[String], variables: &[(String, String)]) -> io::Error {
    let variables = variables.iter().map(|(name, value)| (name, value));
    Command::new(program).args(args).env_clear().envs(variables).exec()
}
