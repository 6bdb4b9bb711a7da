//! What a command ends with: an exit code, and what it has to say about itself.

use std::io::{ErrorKind, IsTerminal};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use super::place::variable;
use crate::app::Problem;
use crate::model::{Diagnostic, chain, render_all, without_codes};
use crate::view::{SafeText, Screen, plain};

pub(crate) use crate::app::{Exit as Code, verdict};

/// Why a command ends otherwise than done.
#[derive(Debug)]
pub struct Failure {
    pub(crate) code: Code,
    pub(crate) text: String,
}

/// What a command ends with.
pub(crate) type Ended = Result<Code, Failure>;

impl Failure {
    /// A failure with a message, and a hint when there is one.
    pub(crate) fn new(code: Code, message: impl std::fmt::Display) -> Self {
        Self { code, text: without_codes(format!("error: {message}\n")) }
    }

    /// The same failure with a hint.
    pub(crate) fn hint(mut self, hint: impl std::fmt::Display) -> Self {
        self.text.push_str(&format!("hint: {hint}\n"));
        self
    }

    /// quire could not do its work.
    pub(crate) fn broken(error: &dyn std::error::Error) -> Self {
        Self::new(Code::Broken, chain(error))
    }

    /// The thing does not exist.
    pub(crate) fn not_found(message: impl std::fmt::Display) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// Mistakes in a file.
    pub(crate) fn mistakes(wrong: &[Diagnostic]) -> Self {
        Self { code: Code::Usage, text: render_all(wrong) }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        if !problem.mistakes.is_empty() {
            return Self { code: problem.code.exit(), text: render_all(&problem.mistakes) };
        }
        let failure = Self::new(problem.code.exit(), problem.text);
        match problem.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Whether something could not be written to standard output because the disk is full.
static IS_OUTPUT_LOST: AtomicBool = AtomicBool::new(false);

/// The exit code of a command that has done its work: not zero when what it printed was lost.
pub(crate) fn with_output(code: Code) -> Code {
    if code == Code::Done && IS_OUTPUT_LOST.load(Ordering::Relaxed) { Code::Broken } else { code }
}

/// Writes to standard output, as all text is written: safe for a terminal. A reader that has gone away, such as `head`, is not a failure; a full disk is one.
pub(crate) fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let text = SafeText::new(text, stdout_screen().colours());
    let written = out.write_all(text.as_str().as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written
        && matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
        && !IS_OUTPUT_LOST.swap(true, Ordering::Relaxed)
    {
        print_error(&format!("error: could not write to standard output: {error}\n"));
    }
}

/// Writes to standard error, safe for a terminal, and on one in colours. A terminal that was closed is not a failure.
pub(crate) fn print_error(text: &str) {
    use std::io::Write;
    let screen = screen(&std::io::stderr());
    let text = SafeText::new(&screen.keywords(text), screen.colours());
    let _gone = std::io::stderr().write_all(text.as_str().as_bytes()).is_err();
}

/// Prints warnings, a line each.
pub(crate) fn print_warnings(warnings: &[String]) {
    warnings.iter().for_each(|warning| print_error(&format!("warning: {}\n", plain(warning))));
}

/// What standard output is.
pub(crate) fn stdout_screen() -> Screen {
    screen(&std::io::stdout())
}

/// Colours are for terminals that have them; `NO_COLOR` (no-color.org), when it is not empty, switches them off.
fn screen(stream: &(impl IsTerminal + AsFd)) -> Screen {
    if !stream.is_terminal() {
        return Screen::FILE;
    }
    let is_dumb = variable("TERM").is_some_and(|term| term == "dumb");
    let size = rustix::termios::tcgetwinsize(stream).ok().map(|size| usize::from(size.ws_col));
    Screen {
        has_colours: !is_dumb && variable("NO_COLOR").is_none(),
        width: size.filter(|columns| *columns > 0),
    }
}

/// Writes a JSON value and a line feed to standard output.
pub(crate) fn print_json(value: &serde_json::Value) {
    print(&format!("{value:#}\n"));
}

/// Prints a value as JSON, or else a text about it.
pub(crate) fn print_either(as_json: bool, value: impl FnOnce() -> serde_json::Value, text: &str) {
    if as_json { print_json(&value()) } else { print(text) }
}
