//! The repositories that git serves, over ssh and over HTTP: which one a name means, and whether the caller may have it.

use std::path::PathBuf;

use super::caller::{Caller, no_repo};
use super::problem::{Code, Problem};
use super::state::AppState;
use crate::forge::{self, RepoError};
use crate::model::{AskedRepo, AuditAction, Because, RepoName, Visibility};
use crate::store::{self, AuditEntry};

/// What git does with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GitUse {
    Fetch,
    Push,
}

/// A repository that the caller may use so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServedRepo {
    /// Its name now.
    pub(crate) name: RepoName,
    /// Its folder, reached without a link below `repos/`.
    pub(crate) path: PathBuf,
}

/// Who may do what with a repository, and why, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explained {
    /// The most that is allowed: `read`, `write` or `admin`.
    pub(crate) may: Option<&'static str>,
    /// Why.
    pub(crate) because: String,
}

/// The repository of a name, or of a name that it had before, if the caller may use it so.
///
/// # Errors
/// When it does not exist or the caller may not see it, which are the same, and when the caller may only read it.
pub(crate) async fn served_repo(
    app: &AppState,
    caller: &Caller,
    (name, git_use): (&RepoName, GitUse),
) -> Result<ServedRepo, Problem> {
    let missing = || {
        let problem = no_repo(name);
        match caller.expect_may_create(name) {
            Ok(()) => problem.hint(format!("quire repo new {name} makes it")),
            Err(_) => problem,
        }
    };
    let served = locate(app, name).await?.ok_or_else(missing)?;
    if caller.is_local() {
        return Ok(served);
    }
    let id = identity(app, &served).await?.ok_or_else(missing)?;
    let wanted = id.clone();
    let settings = app.store.read(move |connection| store::repo_settings(connection, &wanted)).await??;
    let settings = settings.unwrap_or_default();
    let asked = AskedRepo { id: &id, name: &served.name };
    if !caller.sees(app, asked, &settings) {
        return Err(missing());
    }
    if git_use == GitUse::Push && !caller.may_push(asked) {
        caller.expect_known()?;
        let entry = AuditEntry::new(caller.actor(), AuditAction::PushRefused).on(&served.name);
        app.audit(entry.with("code", Code::ScopeMissing.as_str()));
        let text = format!("{} may read `{}`, not push to it", shown(caller), served.name);
        let hint = "a token needs the scope repos:write; a user needs a rule of :access with :may :write";
        return Err(Problem::new(Code::ScopeMissing, text).hint(hint));
    }
    Ok(served)
}

/// What the operator's rules say of somebody and a repository. One that does not exist yet is judged by its name.
///
/// # Errors
/// When the repository cannot be read.
pub(crate) async fn explain_access(
    app: &AppState,
    caller: &Caller,
    name: &RepoName,
) -> Result<Explained, Problem> {
    let served = locate(app, name).await?.ok_or_else(|| no_repo(name))?;
    let id = identity(app, &served).await?.ok_or_else(|| no_repo(name))?;
    let wanted = id.clone();
    let settings = app.store.read(move |connection| store::repo_settings(connection, &wanted)).await??;
    let visibility: Visibility = settings.and_then(|settings| settings.visibility).unwrap_or(app.visibility);
    let decision = caller.decision(AskedRepo { id: &id, name: &served.name }, visibility);
    let decision = decision.ok_or_else(|| no_repo(name))?;
    let because = match decision.because {
        Because::Rule(number) => format!("rule {number} of :access in config.fnl"),
        Because::Key => "the deploy key".to_owned(),
        Because::Visibility(word) => format!("the repository is {word}"),
        Because::NoRule => {
            format!("no rule of :access allows it, and the repository is {}", visibility.as_str())
        }
    };
    Ok(Explained { may: decision.may.map(crate::model::May::as_str), because })
}

/// The actor of a caller without what kind it is.
fn shown(caller: &Caller) -> String {
    let actor = caller.actor();
    actor.strip_prefix("user:").map_or_else(|| actor.to_owned(), |name| format!("`{name}`"))
}

/// The folder of a repository by its name, or by one that it had.
async fn locate(app: &AppState, name: &RepoName) -> Result<Option<ServedRepo>, Problem> {
    let (data, name) = (app.data.clone(), name.clone());
    app.block(move || {
        let found = |name: RepoName, path| Ok(Some(ServedRepo { name, path }));
        match forge::find(data.path(), &name) {
            Ok(path) => found(name, path),
            Err(RepoError::Renamed { to, .. }) => match forge::find(data.path(), &to) {
                Ok(path) => found(to, path),
                Err(_) => Ok(None),
            },
            Err(RepoError::NotFound(_) | RepoError::SymbolicLink { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

/// The id of a repository; nothing for one that is not adopted.
async fn identity(app: &AppState, served: &ServedRepo) -> Result<Option<String>, Problem> {
    let path = served.path.clone();
    let read = move || Ok(forge::read_identity(&path)?.map(|identity| identity.id.to_string()));
    app.block(read).await
}
