//! The quire binary: what it does is in the library; this decides between a hook and the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Hooks live for milliseconds: they are told apart before anything else is set up.
    match quire::cli::hook_name(std::env::args_os().next().as_deref()) {
        Some(hook) => hook(),
        None => quire::cli::run(),
    }
}
