//! Why an operation was not done, and the one table of what that means over HTTP and for a shell.

use std::error::Error;
use std::fmt::Display;
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::exit::Exit;
use crate::config::ConfigError;
use crate::model::{Diagnostic, chain, without_codes};
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

/// Declares the codes and their table: variant, word, HTTP status, exit code, meaning.
macro_rules! codes {
    ($($variant:ident $word:literal $status:literal $exit:ident $meaning:literal;)*) => {
        /// A kind of problem. Its word is the same in HTTP answers, in `--json` and in logs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the words of the table say it")]
        pub enum Code { $($variant),* }

        /// All codes.
        pub const CODES: &[Code] = &[$(Code::$variant),*];

        impl Code {
            fn row(self) -> (&'static str, u16, Exit, &'static str) {
                match self { $(Code::$variant => ($word, $status, Exit::$exit, $meaning)),* }
            }
        }
    };
}

codes! {
    AliasInvalid           "alias.invalid"            422 Usage    "the alias of a job leads nowhere, or to several jobs";
    ArgumentsInvalid       "arguments.invalid"        422 Usage    "the job does not take these arguments";
    ArtifactGone           "artifact.gone"            410 NotFound "the artifact has expired, or its file was removed";
    ArtifactNotFound       "artifact.not-found"       404 NotFound "the run has no such artifact";
    BranchNotFound         "branch.not-found"         422 NotFound "the repository has no such branch";
    ConfigInvalid          "config.invalid"           500 Usage    "`config.fnl` has mistakes";
    CredentialsMissing     "credentials.missing"      401 Usage    "this requires a token or a session";
    CursorAhead            "cursor.ahead"             400 Usage    "there is no event with this number yet";
    CursorExpired          "cursor.expired"           410 NotFound "the records of the run are gone";
    CursorInvalid          "cursor.invalid"           400 Usage    "the cursor is not one of this list";
    DataFull               "data.full"                507 Broken   "the disk of the data folder is full";
    DataServed             "data.served"              409 Failed   "a server has the data folder already";
    DataUnreadable         "data.unreadable"          500 Broken   "the data folder cannot be read";
    EngineUnavailable      "engine.unavailable"       422 Failed   "there is no container engine on this machine";
    HostForeign            "host.foreign"             421 Usage    "the server does not answer to this host";
    IdempotencyConflict    "idempotency.conflict"     409 Failed   "another request had this Idempotency-Key";
    IdempotencyInProgress  "idempotency.in-progress"  409 Failed   "the first request with this Idempotency-Key is under way";
    IdempotencyInvalid     "idempotency.invalid"      400 Usage    "an Idempotency-Key is 1 to 128 visible characters";
    JobNotFound            "job.not-found"            404 NotFound "there is no such job";
    JobUnusable            "job.unusable"             422 Usage    "the folder of the job has mistakes";
    KeyAmbiguous           "key.ambiguous"            400 Usage    "several keys begin so";
    KeyExists              "key.exists"               409 Failed   "somebody has this key already";
    KeyInvalid             "key.invalid"              422 Usage    "this is not a public key";
    KeyNotFound            "key.not-found"            404 NotFound "there is no such key";
    LoginOver              "login.over"               403 Failed   "the link was used before, or has expired";
    MethodNotAllowed       "method.not-allowed"       405 Usage    "the path has no such method";
    NotificationAmbiguous  "notification.ambiguous"   400 Usage    "several notifications have ids that begin so";
    NotificationNotFound   "notification.not-found"   404 NotFound "there is no such notification";
    OriginForeign          "origin.foreign"           403 Failed   "a browser has sent a change from a page of another site";
    PeerRefused            "peer.refused"             403 Failed   "the Unix socket is for the account of the server and root";
    PipelineBroken         "pipeline.broken"          422 Usage    "the pipeline of the commit has mistakes";
    PolicyDenied           "policy.denied"            422 Failed   "policy does not allow it";
    PushInvalid            "push.invalid"             400 Usage    "a hook has sent what is no push";
    PushRefused            "push.refused"             409 Failed   "a push was refused";
    PushUnrecorded         "push.unrecorded"          503 Broken   "a push could not be recorded";
    RangeUnsatisfiable     "range.unsatisfiable"      416 Usage    "the answer has no such bytes";
    RepoExists             "repo.exists"              409 Failed   "a repository of this name exists";
    RepoNotAdopted         "repo.not-adopted"         409 Failed   "the folder is no repository of quire yet";
    RepoNotFound           "repo.not-found"           404 NotFound "there is no such repository, or the caller may not see it";
    RepoRefused            "repo.refused"             409 Failed   "quire cannot do this with the repository";
    RepoUnusable           "repo.unusable"            500 Broken   "the repository is damaged, or cannot be read or written";
    RequestHeadTooLarge    "request.head-too-large"   431 Usage    "the head of the request is larger than its limit";
    RequestInvalid         "request.invalid"          400 Usage    "a field, a parameter or a name is unknown or has the wrong shape";
    RequestRefused         "request.refused"          422 Usage    "a value is well-formed and refused";
    RequestTooLarge        "request.too-large"        413 Usage    "the body is larger than its limit";
    RequestType            "request.type"             415 Usage    "the body is not JSON";
    RevisionNotFound       "revision.not-found"       404 NotFound "the repository has no such branch, tag, commit, file or folder";
    RouteNotFound          "route.not-found"          404 NotFound "there is nothing at this path";
    RunEnding              "run.ending"               409 Failed   "the run is ending";
    RunFinished            "run.finished"             409 Failed   "the run has ended already";
    RunNotFound            "run.not-found"            404 NotFound "there is no such run, or the caller may not see it";
    RunNothingFailed       "run.nothing-failed"       409 Failed   "no job of the run has failed";
    RunNothingToStart      "run.nothing-to-start"     422 Failed   "no job of the pipeline is started by this";
    RunSilent              "run.silent"               503 Broken   "the runner of the run does not answer";
    RunUnfinished          "run.unfinished"           409 Failed   "the run has not ended";
    RunUnreadable          "run.unreadable"           500 Broken   "the journal of the run cannot be read";
    ScopeMissing           "scope.missing"            403 Failed   "the token or session has not the scope that this requires";
    ServerBusy             "server.busy"              503 Broken   "the server is at a limit; try again";
    ServerDegraded         "server.degraded"          503 Broken   "the server cannot do all of its work now";
    ServerFailed           "server.failed"            500 Broken   "the server could not do its work";
    ServerSilent           "server.silent"            503 Broken   "a server has the data folder and does not answer";
    ServerStopping         "server.stopping"          503 Broken   "the server is stopping";
    SourceImage            "source.image"             400 Failed   "the container engine cannot do it with the image of the source";
    SourceInvalid          "source.invalid"           400 Usage    "the source cannot be understood, or cannot be had";
    SourceManifest         "source.manifest"          400 Failed   "the manifest of the add-on is missing or invalid";
    SourceNotAllowed       "source.not-allowed"       403 Failed   "the folder, repository or machine is not on the lists of the operator";
    SourceNotFound         "source.not-found"         404 NotFound "there is no such source of jobs";
    SourceRefused          "source.refused"           422 Failed   "policy, or the lack of a container engine, refuses the source";
    SourceUntrusted        "source.untrusted"         400 Usage    "an image needs `trusted: true`";
    SpoolUnread            "spool.unread"             503 Broken   "pushes that were made while no server ran were not read yet";
    StepNotFound           "step.not-found"           404 NotFound "the job has no such step or attempt";
    TargetNotFound         "target.not-found"         404 NotFound "there is no such target of notifications";
    TargetUnreached        "target.unreached"         502 Failed   "the target of notifications could not be reached";
    TokenAttempts          "token.attempts"           429 Failed   "the peer has sent too many wrong tokens in a minute";
    TokenExists            "token.exists"             409 Failed   "a token of this name exists";
    TokenExpired           "token.expired"            401 Failed   "the token has expired";
    TokenInQuery           "token.in-query"           400 Usage    "the address of the request has a token in it";
    TokenNotFound          "token.not-found"          404 NotFound "there is no such token";
    TokenRevoked           "token.revoked"            401 Failed   "the token was revoked";
    TokenUnknown           "token.unknown"            401 Failed   "the token is not one of this server";
    UserExists             "user.exists"              409 Failed   "a user of this name exists";
    UserNotFound           "user.not-found"           404 NotFound "there is no such user";
    WatchExists            "watch.exists"             409 Failed   "a watch of this name exists";
    WatchInConfig          "watch.in-config"          409 Failed   "the watch is declared in `config.fnl`, and is changed there";
    WatchNotFound          "watch.not-found"          404 NotFound "there is no such watch";
    WatchRefused           "watch.refused"            409 Failed   "the watch cannot be added or removed";
    WatchSecret            "watch.secret"             400 Usage    "the watch names a secret that does not exist";
}

impl Code {
    /// The word of the code.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The code of a word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        CODES.iter().copied().find(|code| code.as_str() == word)
    }

    /// The status of an HTTP answer.
    pub fn status(self) -> u16 {
        self.row().1
    }

    /// What it means.
    pub fn meaning(self) -> &'static str {
        self.row().3
    }

    /// The exit code of a command.
    pub fn exit(self) -> Exit {
        self.row().2
    }
}

impl Problem {
    /// A problem without a hint.
    pub(crate) fn new(code: Code, text: impl Display) -> Self {
        Self { code, text: without_codes(text.to_string()), hint: None, mistakes: Vec::new() }
    }

    /// The same problem with a hint.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// The same problem with a hint, if there is one.
    #[must_use]
    pub(crate) fn with_hint(self, hint: Option<String>) -> Self {
        Self { hint: hint.or(self.hint), ..self }
    }

    /// A problem that an error caused; what fails because the disk is full has a code of its own, whatever else was asked.
    pub(crate) fn caused_by(code: Code, error: &(dyn Error + 'static)) -> Self {
        match is_disk_full(error) {
            true => Self::new(Code::DataFull, chain(error)).hint("free some space: df -h, quire doctor"),
            false => Self::new(code, chain(error)),
        }
    }

    /// quire could not do its work.
    pub(crate) fn failed(error: &(dyn Error + 'static)) -> Self {
        Self::caused_by(Code::ServerFailed, error)
    }

    /// Mistakes in a file of the operator.
    pub(crate) fn mistakes(wrong: Vec<Diagnostic>) -> Self {
        let text = wrong.first().map(|first| first.message.clone()).unwrap_or_default();
        Self { mistakes: wrong, ..Self::new(Code::ConfigInvalid, text) }
    }

    /// Mistakes in a pipeline.
    pub(crate) fn broken_pipeline(wrong: Vec<Diagnostic>) -> Self {
        Self { mistakes: wrong, ..Self::new(Code::PipelineBroken, "the pipeline cannot be used") }
    }
}

/// Whether something failed because a disk is full, or a quota used up.
fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    let is_full = if let Some(error) = error.downcast_ref::<std::io::Error>() {
        matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    } else if let Some(error) = error.downcast_ref::<rusqlite::Error>() {
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
    } else {
        false
    };
    is_full || error.source().is_some_and(is_disk_full)
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
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemFrame {
    /// The relative address of a page that explains the code.
    #[serde(rename = "type")]
    kind: String,
    /// The phrase of the status.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What is wrong.
    detail: String,
    /// The stable word.
    code: String,
    /// What helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The mistakes of a file or a request, each at its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<MistakeFrame>,
}

/// One mistake of a file or a request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Mistake)]
struct MistakeFrame {
    /// `file:line:column`, or a field.
    #[serde(rename = "where")]
    place: String,
    /// What is wrong.
    message: String,
}

impl ProblemFrame {
    /// The frame of a problem. `title` is the phrase of its status.
    pub(crate) fn new(problem: &Problem, title: &str) -> Self {
        let mistake = |wrong: &Diagnostic| MistakeFrame {
            place: match wrong.span {
                Some(span) => format!("{}:{}:{}", wrong.file, span.line, span.column),
                None => wrong.file.clone(),
            },
            message: wrong.message.clone(),
        };
        Self {
            kind: format!("/problems/{}", problem.code.as_str()),
            title: title.to_owned(),
            status: problem.code.status(),
            detail: problem.text.clone(),
            code: problem.code.as_str().to_owned(),
            hint: problem.hint.clone(),
            errors: problem.mistakes.iter().map(mistake).collect(),
        }
    }

    /// The problem; one whose code is of another version is a failure of the server.
    pub(crate) fn into_problem(self) -> Problem {
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
