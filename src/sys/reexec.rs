//! Restarts the program in place: same process, same parent, same terminal, same environment.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Replaces this process by a new start of `binary`; returns only the reason why that did not work.
#[expect(clippy::disallowed_methods, reason = "this is the one place that does it")]
pub(crate) fn reexec(binary: &Path, args: &[OsString]) -> io::Error {
    if let Err(error) = super::descriptors::restore() {
        return error;
    }
    Command::new(binary).arg0("quire").args(args).exec()
}
