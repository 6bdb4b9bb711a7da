//! Other names of this binary: what it does when it is called by one. Nothing else in the program knows them.

mod phantom_ci;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

/// The program that a file name stands for, if any.
pub fn program(called: Option<&OsStr>) -> Option<fn() -> ExitCode> {
    (Path::new(called?).file_name()? == phantom_ci::NAME).then_some(phantom_ci::run as fn() -> ExitCode)
}
