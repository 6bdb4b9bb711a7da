//! Other names of this binary: what it does when it is called by one. Nothing else in the program knows them.

mod flwd;
mod phantom_ci;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

/// The program that a file name stands for, if any.
pub fn program(called: Option<&OsStr>) -> Option<fn() -> ExitCode> {
    match Path::new(called?).file_name()?.to_str()? {
        phantom_ci::NAME => Some(phantom_ci::run),
        flwd::NAME => Some(flwd::run),
        _ => None,
    }
}
