//! The quire binary: what it does is in the library; this decides between a hook, another name and the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Hooks live for milliseconds: they are recognised before anything else is set up.
    let called = std::env::args_os().next();
    match quire::cli::hook_name(called.as_deref()).or_else(|| quire::compat::program(called.as_deref())) {
        Some(program) => program(),
        None => quire::cli::run(),
    }
}
