//! Who asks over HTTP, and what they may see and change.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::problem::{Code, Problem};
use super::runs::find_run;
use super::state::AppState;
use crate::config::Settings;
use crate::forge::current_name;
use crate::model::{
    AskedRepo, Decision, May, Person, RepoName, Scope, Visibility, decide, everywhere, for_new,
};
use crate::secret::CredentialHash;
use crate::store::{self, RepoRow, RepoSettings, RunRow};

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    actor: String,
    grants: Grants,
    pass: Option<Pass>,
}

/// What a caller came in with, and that can end before the caller leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pass {
    /// A token, which can be revoked.
    Token(CredentialHash),
    /// A session, which can be signed out.
    Session(CredentialHash),
}

/// What a caller may do beyond what everybody may.
#[derive(Debug, Clone)]
enum Grants {
    /// Everything: the account of the server, and root.
    Everything,
    Nothing,
    /// These scopes, of these repositories by their ids or of all.
    Some {
        scopes: BTreeSet<Scope>,
        repos: Option<BTreeSet<String>>,
    },
    /// What the operator's rules say.
    Person(Person, Arc<Settings>),
}

/// What somebody may do with a repository, so that it has a scope there.
fn right_for(scope: Scope) -> May {
    match scope {
        Scope::ReposRead | Scope::RunsRead | Scope::LogsRead | Scope::SourcesRead => May::Read,
        Scope::RunsWrite => May::Write,
        Scope::ReposWrite | Scope::SecretsRead | Scope::SourcesWrite | Scope::Admin => May::Admin,
    }
}

impl Caller {
    /// Who is at the other end of the Unix socket, by the id of the account.
    pub(crate) fn socket(uid: u32) -> Self {
        Self { actor: format!("uid:{uid}"), grants: Grants::Everything, pass: None }
    }

    /// Somebody who has not said who it is.
    pub(crate) fn nobody() -> Self {
        Self { actor: "nobody".to_owned(), grants: Grants::Nothing, pass: None }
    }

    /// Who has a token or a session, or is named by a proxy: `token:deploy`, `user:ada`. `repos` are ids; all when absent.
    pub(crate) fn with_scopes(
        actor: String,
        scopes: impl IntoIterator<Item = Scope>,
        repos: Option<Vec<String>>,
    ) -> Self {
        let repos = repos.map(|repos| repos.into_iter().collect());
        Self { actor, grants: Grants::Some { scopes: scopes.into_iter().collect(), repos }, pass: None }
    }

    /// Somebody whose rights are what the operator's rules say: who has an ssh key, or is named by a proxy.
    pub(crate) fn person(person: Person, settings: Arc<Settings>) -> Self {
        Self { actor: format!("user:{}", person.name), grants: Grants::Person(person, settings), pass: None }
    }

    /// The same caller, which came in with this.
    #[must_use]
    pub(crate) fn with_pass(self, pass: Pass) -> Self {
        Self { pass: Some(pass), ..self }
    }

    /// What the caller came in with, when that can end.
    pub(crate) fn pass(&self) -> Option<Pass> {
        self.pass
    }

    /// The name of who asks: `uid:0`, `token:deploy`, `user:ada`, `nobody`.
    pub(crate) fn actor(&self) -> &str {
        &self.actor
    }

    /// Whether nobody has said who it is.
    pub(crate) fn is_nobody(&self) -> bool {
        matches!(self.grants, Grants::Nothing)
    }

    /// Whether the caller uses the machine that the server is on.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.grants, Grants::Everything)
    }

    /// Checks that somebody has said who it is.
    ///
    /// # Errors
    /// 401 for nobody.
    pub(crate) fn expect_known(&self) -> Result<(), Problem> {
        if self.is_nobody() { Err(no_credentials()) } else { Ok(()) }
    }

    /// Checks that the caller has a scope that is not of one repository.
    ///
    /// # Errors
    /// 401 for who has not said who it is, 403 for who may not.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), Problem> {
        match &self.grants {
            Grants::Everything => Ok(()),
            Grants::Some { scopes, repos: None } if scopes.contains(&scope) => Ok(()),
            Grants::Person(person, settings)
                if everywhere(&settings.access, person) >= Some(right_for(scope)) =>
            {
                Ok(())
            }
            Grants::Some { .. } | Grants::Person(..) | Grants::Nothing => Err(self.refused(scope)),
        }
    }

    /// Checks that the caller may make a repository of this name.
    ///
    /// # Errors
    /// 401 for who has not said who it is, 403 for who may not.
    pub(crate) fn expect_may_create(&self, name: &RepoName) -> Result<(), Problem> {
        match &self.grants {
            Grants::Person(person, settings) => match for_new(&settings.access, person, name) {
                Some(May::Admin) => Ok(()),
                Some(May::Read | May::Write) | None => Err(self.refused(Scope::ReposWrite)),
            },
            Grants::Everything | Grants::Nothing | Grants::Some { .. } => self.require(Scope::ReposWrite),
        }
    }

    /// Checks that the caller has a scope, of whatever repository.
    fn require_somewhere(&self, scope: Scope) -> Result<(), Problem> {
        match &self.grants {
            Grants::Everything => Ok(()),
            Grants::Some { scopes, .. } if scopes.contains(&scope) => Ok(()),
            // What is asked for decides.
            Grants::Person(..) => Ok(()),
            Grants::Some { .. } | Grants::Nothing => Err(self.refused(scope)),
        }
    }

    fn refused(&self, scope: Scope) -> Problem {
        match &self.grants {
            Grants::Nothing => no_credentials(),
            Grants::Person(person, _) => {
                let right = right_for(scope).as_str();
                let text = format!("`{}` has no right to {right} this", person.name);
                let hint = format!("the operator adds a rule to :access of config.fnl, with :may :{right}");
                Problem::new(Code::ScopeMissing, text).hint(hint)
            }
            Grants::Some { .. } | Grants::Everything => {
                let text = format!("{} has no scope {} here", self.actor, scope.as_str());
                Problem::new(Code::ScopeMissing, text)
                    .hint("quire token new NAME --scope SCOPE makes a token with other scopes")
            }
        }
    }

    /// Whether the caller has a scope of a repository.
    fn holds(&self, scope: Scope, repo: AskedRepo<'_>) -> bool {
        match &self.grants {
            Grants::Everything => true,
            Grants::Nothing => false,
            Grants::Some { scopes, repos } => {
                scopes.contains(&scope) && repos.as_ref().is_none_or(|repos| repos.contains(repo.id))
            }
            Grants::Person(person, settings) => {
                let Decision { may, .. } = decide(&settings.access, person, repo, Visibility::Private);
                may >= Some(right_for(scope))
            }
        }
    }

    /// Whether the caller may push to a repository.
    pub(super) fn may_push(&self, repo: AskedRepo<'_>) -> bool {
        match &self.grants {
            Grants::Person(person, settings) => {
                decide(&settings.access, person, repo, Visibility::Private).may >= Some(May::Write)
            }
            Grants::Everything | Grants::Nothing | Grants::Some { .. } => self.holds(Scope::ReposWrite, repo),
        }
    }

    /// What the rules say of the caller and a repository, when it is somebody whom they are about.
    pub(super) fn decision(&self, repo: AskedRepo<'_>, visibility: Visibility) -> Option<Decision> {
        match &self.grants {
            Grants::Person(person, settings) => Some(decide(&settings.access, person, repo, visibility)),
            Grants::Everything | Grants::Nothing | Grants::Some { .. } => None,
        }
    }

    /// Whether the caller may see that a repository is there.
    pub(super) fn sees(&self, app: &AppState, repo: AskedRepo<'_>, settings: &RepoSettings) -> bool {
        settings.visibility.unwrap_or(app.visibility) != Visibility::Private
            || self.holds(Scope::ReposRead, repo)
    }

    /// Checks that the caller may read something of a repository that it sees.
    fn expect_readable(
        &self,
        app: &AppState,
        scope: Scope,
        (repo, settings): (AskedRepo<'_>, &RepoSettings),
    ) -> Result<(), Problem> {
        let visible = settings.visibility.unwrap_or(app.visibility);
        let visibility = match scope {
            Scope::ReposRead | Scope::RunsRead => visible,
            // Logs are not more visible than what they are of.
            Scope::LogsRead if visible == Visibility::Private => visible,
            Scope::LogsRead => settings.log_visibility.unwrap_or(app.visibility),
            Scope::ReposWrite
            | Scope::RunsWrite
            | Scope::SecretsRead
            | Scope::SourcesRead
            | Scope::SourcesWrite
            | Scope::Admin => Visibility::Private,
        };
        match visibility != Visibility::Private || self.holds(scope, repo) {
            true => Ok(()),
            false => Err(self.refused(scope)),
        }
    }

    /// The repository of this name, if the caller may read of it what the scope says. One that it may not see is like one
    /// that does not exist.
    ///
    /// # Errors
    /// When there is none for the caller, or it may not read that.
    pub(crate) async fn repo_to_read(
        &self,
        app: &AppState,
        scope: Scope,
        name: &RepoName,
    ) -> Result<(RepoRow, RepoSettings), Problem> {
        let (row, settings) = self.visible_repo(app, name).await?;
        self.expect_readable(app, scope, (asked(&row), &settings))?;
        Ok((row, settings))
    }

    /// The repository of this name, if the caller may change of it what the scope says.
    ///
    /// # Errors
    /// When the caller may not, or there is none for it.
    pub(crate) async fn repo_to_change(
        &self,
        app: &AppState,
        scope: Scope,
        name: &RepoName,
    ) -> Result<(RepoRow, RepoSettings), Problem> {
        self.require_somewhere(scope)?;
        let (row, settings) = self.visible_repo(app, name).await?;
        match self.holds(scope, asked(&row)) {
            true => Ok((row, settings)),
            false => Err(self.refused(scope)),
        }
    }

    async fn visible_repo(
        &self,
        app: &AppState,
        name: &RepoName,
    ) -> Result<(RepoRow, RepoSettings), Problem> {
        let missing = || no_repo(name);
        let row = match app.repo(name.clone()).await? {
            Some(row) => row,
            None => match find_watched(app, name).await? {
                Some(row) => row,
                None => return Err(self.with_current_name(app, name, missing()).await),
            },
        };
        let settings = settings_of(app, &row.id).await?.unwrap_or_default();
        match self.sees(app, asked(&row), &settings) {
            true => Ok((row, settings)),
            false => Err(missing()),
        }
    }

    /// The problem that a repository does not exist, with its name now when it was renamed and the caller sees it.
    async fn with_current_name(&self, app: &AppState, name: &RepoName, missing: Problem) -> Problem {
        let Some(to) = current_name(app.data.path(), name) else { return missing };
        let Ok(Some(row)) = app.repo(to).await else { return missing };
        match settings_of(app, &row.id).await {
            Ok(Some(settings)) if self.sees(app, asked(&row), &settings) => {
                missing.hint(format!("it was renamed to {}", row.name))
            }
            Ok(_) | Err(_) => missing,
        }
    }

    /// The run of this name or id, if the caller may read of it what the scope says.
    ///
    /// # Errors
    /// When there is none for the caller, or it may not read that.
    pub(crate) async fn run_to_read(
        &self,
        app: &AppState,
        scope: Scope,
        run: &str,
    ) -> Result<RunRow, Problem> {
        let (row, settings) = self.visible_run(app, run).await?;
        self.expect_readable(app, scope, (asked_run(&row), &settings))?;
        Ok(row)
    }

    /// The run of this name or id, if the caller may read what it has kept. For who has no scope, that is no more visible than
    /// what it prints.
    ///
    /// # Errors
    /// When there is none for the caller, or it may not read that.
    pub(crate) async fn run_with_artifacts(&self, app: &AppState, run: &str) -> Result<RunRow, Problem> {
        let (row, settings) = self.visible_run(app, run).await?;
        if !self.holds(Scope::RunsRead, asked_run(&row)) {
            self.expect_readable(app, Scope::LogsRead, (asked_run(&row), &settings))?;
        }
        Ok(row)
    }

    /// The run of this name or id, if the caller may change of it what the scope says.
    ///
    /// # Errors
    /// When the caller may not, or there is none for it.
    pub(crate) async fn run_to_change(
        &self,
        app: &AppState,
        scope: Scope,
        run: &str,
    ) -> Result<RunRow, Problem> {
        self.require_somewhere(scope)?;
        let (row, _) = self.visible_run(app, run).await?;
        match self.holds(scope, asked_run(&row)) {
            true => Ok(row),
            false => Err(self.refused(scope)),
        }
    }

    async fn visible_run(&self, app: &AppState, run: &str) -> Result<(RunRow, RepoSettings), Problem> {
        let row = find_run(app, run).await?;
        match settings_of(app, &row.repo_id).await? {
            Some(settings) if self.sees(app, asked_run(&row), &settings) => Ok((row, settings)),
            // The words for a run that does not exist, also for one of a removed repository.
            Some(_) | None => Err(no_run(run)),
        }
    }

    /// The ids of the repositories that lists show to the caller; all when absent.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn listed_repos(
        &self,
        app: &AppState,
        scope: Scope,
    ) -> Result<Option<Vec<String>>, Problem> {
        if self.is_local() {
            return Ok(None);
        }
        let all = app.store.read(store::all_repo_settings).await??;
        let is_listed = |(row, settings): &(RepoRow, RepoSettings)| {
            let repo = asked(row);
            let is_member = self.holds(Scope::ReposRead, repo);
            let is_public = settings.visibility.unwrap_or(app.visibility) == Visibility::Public;
            (is_member || is_public) && self.expect_readable(app, scope, (repo, settings)).is_ok()
        };
        Ok(Some(all.into_iter().filter(is_listed).map(|(row, _)| row.id).collect()))
    }
}

/// Where a token is from.
const NO_TOKEN: &str = "send `Authorization: Bearer TOKEN`; quire token new NAME --scope SCOPE makes one";

fn no_credentials() -> Problem {
    Problem::new(Code::CredentialsMissing, "this requires a token").hint(NO_TOKEN)
}

/// The problem that a repository does not exist, or may not be seen.
pub(super) fn no_repo(name: &RepoName) -> Problem {
    Problem::new(Code::RepoNotFound, format!("repository `{name}` not found"))
        .hint("quire repo list lists them")
}

/// The problem that a run does not exist, or may not be seen.
pub(super) fn no_run(run: impl std::fmt::Display) -> Problem {
    Problem::new(Code::RunNotFound, format!("run {run} does not exist")).hint("quire runs lists them")
}

fn asked(row: &RepoRow) -> AskedRepo<'_> {
    AskedRepo { id: &row.id, name: &row.name }
}

fn asked_run(row: &RunRow) -> AskedRepo<'_> {
    AskedRepo { id: &row.repo_id, name: &row.repo }
}

async fn settings_of(app: &AppState, repo: &str) -> Result<Option<RepoSettings>, Problem> {
    let repo = repo.to_owned();
    Ok(app.store.read(move |connection| store::repo_settings(connection, &repo)).await??)
}

async fn find_watched(app: &AppState, name: &RepoName) -> Result<Option<RepoRow>, Problem> {
    let name = name.clone();
    let found = app.store.read(move |connection| store::find_repo(connection, &name)).await??;
    Ok(found.filter(RepoRow::is_watched))
}
