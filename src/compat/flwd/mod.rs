//! `flwd`: that program's command line and HTTP interface, translated into quire's operations. docs/flwd.md says what is the
//! same and what is not.

mod events;
mod facts;
mod place;
mod serve;

use std::process::ExitCode;

use crate::cli::exit::{Code, Ended, Failure};
use crate::cli::leave;
use crate::executor;
use crate::view::one_line;

/// The file name by which this program is known.
pub(super) const NAME: &str = "flwd";

/// Runs a command.
pub(super) fn run() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    // A copy of the binary under this name also starts its runners.
    if words.first().is_some_and(|word| word == "runner" || word == executor::WORD) {
        return crate::cli::run();
    }
    leave(perform(&words.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn perform(words: &[&str]) -> Ended {
    match words {
        [":serve", options @ ..] => serve::run(options),
        [other, ..] => Err(Failure::new(Code::Failed, format!("unknown command `{}`", one_line(other)))),
        [] => Err(Failure::new(Code::Failed, "a command is missing")),
    }
}
