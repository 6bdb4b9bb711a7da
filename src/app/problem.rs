//! Why an operation was not done, and the one table of what that means over HTTP and for a shell.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::exit::Exit;
use crate::config::ConfigError;
use crate::model::{Diagnostic, chain};
use crate::store::WriterGone;

/// Why an operation was not done.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub struct Problem {
    /// What kind of problem it is; stable.
    pub code: Code,
    /// What is wrong.
    pub text: String,
    /// What helps.
    pub hint: Option<String>,
    /// The mistakes of a file, each at its place; they say all that the text says.
    pub mistakes: Vec<Diagnostic>,
}

/// Declares the codes and their table: variant, word, HTTP status, exit code.
macro_rules! codes {
    ($($variant:ident $word:literal $status:literal $exit:ident;)*) => {
        /// A kind of problem. Its word is the same in HTTP answers, in `--json` and in logs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the words of the table say it")]
        pub enum Code { $($variant),* }

        /// All codes.
        pub const CODES: &[Code] = &[$(Code::$variant),*];

        impl Code {
            fn row(self) -> (&'static str, u16, Exit) {
                match self { $(Code::$variant => ($word, $status, Exit::$exit)),* }
            }
        }
    };
}

codes! {
    ConfigInvalid        "config.invalid"         500 Usage;
    DataServed           "data.served"            409 Failed;
    DataUnreadable       "data.unreadable"        500 Broken;
    JobNotFound          "job.not-found"          404 NotFound;
    NotificationAmbiguous "notification.ambiguous" 400 Usage;
    NotificationNotFound "notification.not-found" 404 NotFound;
    PipelineBroken       "pipeline.broken"        422 Usage;
    PushInvalid          "push.invalid"           400 Usage;
    PushRefused          "push.refused"           409 Failed;
    PushUnrecorded       "push.unrecorded"        503 Broken;
    RepoExists           "repo.exists"            409 Failed;
    RepoNotAdopted       "repo.not-adopted"       409 Failed;
    RepoNotFound         "repo.not-found"         404 NotFound;
    RepoRefused          "repo.refused"           409 Failed;
    RepoUnusable         "repo.unusable"          500 Broken;
    RequestInvalid       "request.invalid"        400 Usage;
    RequestRefused       "request.refused"        422 Usage;
    RequestTooLarge      "request.too-large"      413 Usage;
    RequestType          "request.type"           415 Usage;
    RunEnding            "run.ending"             409 Failed;
    RunFinished          "run.finished"           409 Failed;
    RunNotFound          "run.not-found"          404 NotFound;
    RunNothingToStart    "run.nothing-to-start"   422 Failed;
    RunSilent            "run.silent"             503 Broken;
    RunUnreadable        "run.unreadable"         500 Broken;
    ServerBusy           "server.busy"            503 Broken;
    ServerFailed         "server.failed"          500 Broken;
    ServerSilent         "server.silent"          503 Broken;
    ServerStopping       "server.stopping"        503 Broken;
    SpoolUnread          "spool.unread"           503 Broken;
    TargetNotFound       "target.not-found"       404 NotFound;
    TargetUnreached      "target.unreached"       502 Failed;
    TokenExists          "token.exists"           409 Failed;
    TokenNotFound        "token.not-found"        404 NotFound;
    WatchExists          "watch.exists"           409 Failed;
    WatchInConfig        "watch.in-config"        409 Failed;
    WatchNotFound        "watch.not-found"        404 NotFound;
    WatchRefused         "watch.refused"          409 Failed;
    WatchSecret          "watch.secret"           400 Usage;
}

impl Code {
    /// The word of the code.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The code of a word.
    pub fn parse(word: &str) -> Option<Self> {
        CODES.iter().copied().find(|code| code.as_str() == word)
    }

    /// The status of an HTTP answer.
    pub fn status(self) -> u16 {
        self.row().1
    }

    /// The exit code of a command.
    pub fn exit(self) -> Exit {
        self.row().2
    }
}

impl Problem {
    /// A problem without a hint.
    pub fn new(code: Code, text: impl Display) -> Self {
        Self { code, text: text.to_string(), hint: None, mistakes: Vec::new() }
    }

    /// The same problem with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// The same problem with a hint, if there is one.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// A problem that an error caused.
    pub fn caused_by(code: Code, error: &dyn std::error::Error) -> Self {
        Self::new(code, chain(error))
    }

    /// quire could not do its work.
    pub fn failed(error: &dyn std::error::Error) -> Self {
        Self::caused_by(Code::ServerFailed, error)
    }

    /// Mistakes in a file of the operator.
    pub fn mistakes(wrong: Vec<Diagnostic>) -> Self {
        let text = wrong.first().map(|first| first.message.clone()).unwrap_or_default();
        Self { mistakes: wrong, ..Self::new(Code::ConfigInvalid, text) }
    }

    /// Mistakes in a pipeline.
    pub fn broken_pipeline(wrong: Vec<Diagnostic>) -> Self {
        Self { mistakes: wrong, ..Self::new(Code::PipelineBroken, "the pipeline cannot be used") }
    }
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Wrong(wrong) => Self::mistakes(wrong),
            ConfigError::Read { .. } => Self::failed(&error),
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::failed(&error)
    }
}

impl From<WriterGone> for Problem {
    fn from(_: WriterGone) -> Self {
        Self::new(Code::ServerStopping, "the server is stopping").hint("try again when it has started")
    }
}

/// A problem on a wire, as RFC 9457 shapes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProblemFrame {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<MistakeFrame>,
}

/// One mistake of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct MistakeFrame {
    #[serde(rename = "where")]
    place: String,
    message: String,
}

impl ProblemFrame {
    /// The frame of a problem. `title` is the phrase of its status.
    pub fn new(problem: &Problem, title: &str) -> Self {
        let mistake = |wrong: &Diagnostic| MistakeFrame {
            place: match wrong.span {
                Some(span) => format!("{}:{}:{}", wrong.file, span.line, span.column),
                None => wrong.file.clone(),
            },
            message: wrong.message.clone(),
        };
        Self {
            kind: "about:blank".to_owned(),
            title: title.to_owned(),
            status: problem.code.status(),
            detail: problem.text.clone(),
            code: problem.code.as_str().to_owned(),
            hint: problem.hint.clone(),
            errors: problem.mistakes.iter().map(mistake).collect(),
        }
    }

    /// The problem; one whose code is of another version is a failure of the server.
    pub fn into_problem(self) -> Problem {
        let code = Code::parse(&self.code).unwrap_or(Code::ServerFailed);
        // A place is the file of its diagnostic here: only the line of its text is missing.
        let mistake = |wrong: MistakeFrame| Diagnostic::error(wrong.place, wrong.message);
        let mistakes = self.errors.into_iter().map(mistake).collect();
        Problem { mistakes, ..Problem::new(code, self.detail).with_hint(self.hint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_word_of_its_own_and_an_error_status() {
        for (index, code) in CODES.iter().enumerate() {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
            assert!((400..600).contains(&code.status()) && code.exit() != Exit::Done, "{code:?}");
            let is_after = |before: &Code| before.as_str() < code.as_str();
            assert!(index == 0 || CODES[index - 1..index].iter().all(is_after), "{code:?} out of order");
        }
    }
}
