//! Watched branches of repositories elsewhere: added, imported, listed, removed, looked at.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::caches::clear_caches;
use super::operation::Operation;
use super::problem::{Code, Problem};
use super::requirements::watch_note;
use super::state::AppState;
use crate::config::{
    DEFAULT_EVERY, MAX_WATCHES, Settings, SshKey, WatchDecl, WatchRuns, check_every, is_same,
};
use crate::forge::{self, workflow_path};
use crate::intake::{FIRST_SIGHT, NO_PIPELINE, RUN};
use crate::model::{
    AuditAction, BranchName, CommitId, RefName, RemoteUrl, RepoName, SecretName, UrlScheme, chain, suggest,
};
use crate::store::{self, AuditEntry, WatchStatus, WriterGone};
use crate::sys::clock;
use crate::watch::{WatchError, WatchState, WatchWake, add_watch, all_watches, remove_watch};

/// How long it may take to look at remotes, of which each may take an hour.
const LONG_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Watches are added: all of them, or none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddWatches {
    pub(crate) watches: Vec<WatchFrame>,
}

/// A watch is removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveWatch {
    pub(crate) name: String,
}

/// A watch, or each of them, is looked at now.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookNow {
    pub(crate) name: Option<String>,
}

/// The watches that it was done with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NamedWatches {
    /// Their names.
    pub(crate) names: Vec<String>,
    /// What the operator is warned about.
    pub(crate) warnings: Vec<String>,
}

/// A watch on a wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WatchFrame {
    name: String,
    url: String,
    branch: String,
    every_ms: u64,
    allow_private: bool,
    token: Option<String>,
    ssh_key: Option<String>,
    #[serde(default = "yes")]
    first_run: bool,
    #[serde(default)]
    keep_workspace: bool,
    #[serde(default = "yes")]
    interruptible: bool,
}

fn yes() -> bool {
    true
}

/// A watch with what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct WatchView {
    /// What is watched.
    pub(crate) watch: WatchDecl,
    /// Whether `config.fnl` declares it.
    pub(crate) is_declared: bool,
    /// What was found, once it was looked at.
    pub(crate) status: Option<WatchStatus>,
}

/// What importing a list of watches would do with each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Import {
    /// It is added.
    New,
    /// It is there already.
    There,
    /// It cannot be added.
    Refused(String),
}

impl WatchFrame {
    /// The frame of a watch with the defaults of the rest: the last part of the address as its name, the branch `main`.
    ///
    /// # Errors
    /// When the address is invalid.
    pub(crate) fn plain(
        name: Option<String>,
        url: &str,
        branch: Option<String>,
        every_s: Option<u64>,
    ) -> Result<Self, Problem> {
        let parsed = RemoteUrl::parse(url).map_err(|error| {
            let hint = error.hint;
            Problem::caused_by(Code::RequestInvalid, &error).hint(hint)
        })?;
        Ok(Self {
            name: name.unwrap_or_else(|| parsed.last_part().to_owned()),
            url: url.to_owned(),
            branch: branch.unwrap_or_else(|| "main".to_owned()),
            every_ms: every_s.map_or(DEFAULT_EVERY.as_millis().try_into().unwrap_or(u64::MAX), |every| {
                every.saturating_mul(1000)
            }),
            allow_private: false,
            token: None,
            ssh_key: None,
            first_run: true,
            keep_workspace: false,
            interruptible: true,
        })
    }

    /// Whether the repository is in a folder of this machine.
    pub(crate) fn is_on_this_machine(&self) -> bool {
        RemoteUrl::parse(&self.url).is_ok_and(|url| url.scheme() == UrlScheme::File)
    }

    /// The frame of a watch.
    pub(crate) fn new(watch: &WatchDecl) -> Self {
        Self {
            name: watch.name.to_string(),
            url: watch.url.to_string(),
            branch: watch.branch.to_string(),
            every_ms: u64::try_from(watch.every.as_millis()).unwrap_or(u64::MAX),
            allow_private: watch.allow_private,
            token: watch.token.as_ref().map(ToString::to_string),
            ssh_key: watch.ssh_key.as_ref().map(|key| key.as_str().to_owned()),
            first_run: watch.first_run,
            keep_workspace: watch.runs.keeps_workspace,
            interruptible: watch.runs.interruptible,
        }
    }

    fn parse(&self) -> Result<WatchDecl, Problem> {
        let wrong =
            |error: &(dyn std::error::Error + 'static)| Problem::caused_by(Code::RequestInvalid, error);
        let watch = WatchDecl {
            name: RepoName::parse(&self.name).map_err(|error| wrong(&error))?,
            url: RemoteUrl::parse(&self.url).map_err(|error| wrong(&error))?,
            branch: BranchName::parse(&self.branch).map_err(|error| wrong(&error))?,
            every: check_every(Duration::from_millis(self.every_ms))
                .map_err(|problem| Problem::new(Code::RequestRefused, problem))?,
            allow_private: self.allow_private,
            token: self.token.as_deref().map(SecretName::parse).transpose().map_err(|error| wrong(&error))?,
            ssh_key: self.ssh_key.as_deref().map(SshKey::parse).transpose().map_err(|error| wrong(&error))?,
            credential_helper: None,
            first_run: self.first_run,
            runs: WatchRuns { keeps_workspace: self.keep_workspace, interruptible: self.interruptible },
        };
        match watch.mistake() {
            Some((problem, hint)) => Err(Problem::new(Code::RequestInvalid, problem).hint(hint)),
            None => Ok(watch),
        }
    }
}

impl WatchView {
    /// The word for its state.
    pub(crate) fn state(&self) -> &str {
        self.status.as_ref().map_or(WatchState::New.as_str(), |status| &status.state)
    }

    /// Whether the branch is followed without trouble.
    pub(crate) fn is_following(&self) -> bool {
        self.state() == WatchState::Following.as_str()
    }
}

impl From<WatchError> for Problem {
    fn from(error: WatchError) -> Self {
        let code = match &error {
            WatchError::Exists(_) => Code::WatchExists,
            WatchError::InConfig(_) => Code::WatchInConfig,
            WatchError::TooMany | WatchError::Copy(_) => Code::WatchRefused,
            WatchError::NotFound { .. } => Code::WatchNotFound,
            WatchError::NoSecret(_) => Code::WatchSecret,
            WatchError::Store(_) => Code::ServerFailed,
        };
        Self::caused_by(code, &error).with_hint(error.hint())
    }
}

impl Operation for AddWatches {
    type Answer = NamedWatches;

    const ROUTE: &'static str = "/watches";
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn perform(self, app: &AppState) -> Result<NamedWatches, Problem> {
        let watches = self.watches.iter().map(WatchFrame::parse).collect::<Result<Vec<_>, Problem>>()?;
        let (data, current) = (app.data.clone(), Arc::clone(&app.settings));
        let actor = Arc::clone(&app.actor);
        let add = move |connection: &mut Connection| -> Result<NamedWatches, Problem> {
            let settings = current.read()?;
            let transaction = connection.transaction()?;
            for watch in &watches {
                add_watch(&transaction, &data, &settings, (watch, clock::now()))?;
                AuditEntry::new(&*actor, AuditAction::WatchCreate)
                    .on(&watch.name)
                    .with("url", watch.url.to_string())
                    .with("branch", watch.branch.to_string())
                    .insert(&transaction)?;
            }
            transaction.commit()?;
            let warnings = watches.iter().filter_map(WatchDecl::warning);
            Ok(NamedWatches {
                names: watches.iter().map(|watch| watch.name.to_string()).collect(),
                warnings: warnings.chain([watch_note(&settings)]).collect(),
            })
        };
        let added: NamedWatches = app.writer()?.call(add).await??;
        tracing::info!("watches added: {}", added.names.join(", "));
        app.send_watcher(WatchWake::Changed).await;
        Ok(added)
    }
}

impl Operation for RemoveWatch {
    type Answer = NamedWatches;

    const ROUTE: &'static str = "/watches/remove";
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn perform(self, app: &AppState) -> Result<NamedWatches, Problem> {
        let name = parse_name(&self.name)?;
        if app.local.is_some() {
            let (data, current, removed) = (app.data.clone(), Arc::clone(&app.settings), name.clone());
            let remove = move |connection: &mut Connection| -> Result<(), Problem> {
                Ok(remove_watch(connection, &data, &*current.read()?, &removed)?)
            };
            app.writer()?.call(remove).await??;
        } else {
            // The look that is being taken ends first.
            let (answer, answered) = oneshot::channel();
            app.send_watcher(WatchWake::Remove { name: name.clone(), answer }).await;
            answered.await.map_err(|_| WriterGone)??;
        }
        app.audit(app.entry(AuditAction::WatchDelete).on(&name));
        tracing::info!("watch removed: {name}");
        Ok(NamedWatches { names: vec![name.to_string()], warnings: Vec::new() })
    }
}

impl Operation for LookNow {
    type Answer = NamedWatches;

    const ROUTE: &'static str = "/watches/now";
    const PATIENCE: Duration = LONG_PATIENCE;

    async fn perform(self, app: &AppState) -> Result<NamedWatches, Problem> {
        let name = self.name.as_deref().map(parse_name).transpose()?;
        if app.local.is_some() {
            return Err(Problem::new(Code::ServerSilent, "the server does not answer")
                .hint("`quire serve` looks at every watch when it starts"));
        }
        let (answer, answered) = oneshot::channel();
        app.send_watcher(WatchWake::Now { name, answer }).await;
        let names = answered.await.map_err(|_| WriterGone)??;
        for name in &names {
            app.audit(app.entry(AuditAction::WatchNow).on(name));
        }
        Ok(NamedWatches { names: names.iter().map(ToString::to_string).collect(), warnings: Vec::new() })
    }
}

fn parse_name(text: &str) -> Result<RepoName, Problem> {
    RepoName::parse(text).map_err(|error| {
        Problem::caused_by(Code::RequestInvalid, &error)
            .hint("a watch is called `name` or `group/name`, as a repository is")
    })
}

/// Lists watches, by name.
///
/// # Errors
/// When `config.fnl` or the database cannot be used.
pub(crate) async fn list_watches(app: &AppState) -> Result<Vec<WatchView>, Problem> {
    let current = Arc::clone(&app.settings);
    let list = move |connection: &mut Connection| -> Result<Vec<WatchView>, Problem> {
        let with_status = |(watch, is_declared): (WatchDecl, bool)| {
            let status = store::watch_status(connection, &watch)?;
            Ok(WatchView { watch, is_declared, status })
        };
        known(connection, &*current.read()?)?.into_iter().map(with_status).collect()
    };
    app.store.call(list).await?
}

/// Checks that a watch exists.
///
/// # Errors
/// When it does not, or `config.fnl` or the database cannot be used.
pub(crate) async fn expect_watch(app: &AppState, name: &str) -> Result<(), Problem> {
    let name = parse_name(name)?;
    let views = list_watches(app).await?;
    if views.iter().any(|view| view.watch.name == name) {
        return Ok(());
    }
    let near = suggest(name.as_str(), views.iter().map(|view| view.watch.name.as_str())).map(str::to_owned);
    Err(WatchError::NotFound { name, near }.into())
}

/// What is known of a watch, which may be none of this data folder.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn watch_status(app: &AppState, watch: WatchDecl) -> Result<Option<WatchStatus>, Problem> {
    Ok(app.store.call(move |connection| store::watch_status(connection, &watch)).await??)
}

/// Why the tip of a watch has not run, when it has not: what was decided when it was seen.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn last_decision(app: &AppState, watch: &WatchDecl) -> Result<Option<String>, Problem> {
    let Ok(ref_name) = watch.branch.ref_name() else { return Ok(None) };
    let name = watch.name.clone();
    let found = app.store.call(move |connection| {
        let Some(repo) = store::find_repo(connection, &name)? else { return Ok(None) };
        let decided = store::last_decision(connection, &repo.id, &ref_name)?;
        Ok::<_, rusqlite::Error>(decided.map(|decided| (ref_name, decided)))
    });
    Ok(found.await??.and_then(|(ref_name, (commit, why))| unrun(&ref_name, commit, &why)))
}

/// Says why a commit does not run; nothing for one that does.
pub(super) fn unrun(ref_name: &RefName, commit: CommitId, why: &str) -> Option<String> {
    let (branch, at) = (ref_name.short(), commit.short());
    match why {
        RUN => None,
        NO_PIPELINE => {
            let file = workflow_path(ref_name).map(|path| path.display().to_string()).unwrap_or_default();
            Some(format!("no {file} and no .quire/ci.fnl at {at}: nothing runs"))
        }
        FIRST_SIGHT => Some(format!("{branch} is at {at}; its next commit runs")),
        other => Some(format!("nothing runs for {branch} at {at}: {other}")),
    }
}

/// Forgets what is known of the remotes, and empties the caches: how many remotes, and how many files. No server may have
/// the data folder.
///
/// # Errors
/// When a server has it, or something cannot be removed.
pub(crate) async fn forget_remotes(app: &AppState) -> Result<(usize, u64), Problem> {
    let forget = |connection: &mut Connection| store::forget_watch_states(connection);
    let remotes = app.writer()?.call(forget).await??;
    let cache = app.data.cache();
    let files = clear_caches(&cache)
        .map_err(|error| Problem::new(Code::ServerFailed, format!("{}: {error}", cache.display())))?;
    Ok((remotes, files))
}

/// All watches. A database that no server of this version has opened has no table of them.
fn known(connection: &Connection, settings: &Settings) -> Result<Vec<(WatchDecl, bool)>, Problem> {
    match all_watches(connection, settings) {
        Err(error) if error.to_string().starts_with("no such table") => {
            Ok(settings.watches.iter().map(|watch| (watch.clone(), true)).collect())
        }
        all => Ok(all?),
    }
}

/// Says what importing these watches would do with each of them, and whether there would be too many.
///
/// # Errors
/// When `config.fnl` or the database cannot be used.
pub(crate) async fn plan_import(
    app: &AppState,
    watches: Vec<WatchDecl>,
) -> Result<(Vec<Import>, Option<String>), Problem> {
    let (data, current) = (app.data.clone(), Arc::clone(&app.settings));
    let plan = move |connection: &mut Connection| -> Result<(Vec<Import>, Option<String>), Problem> {
        let known = known(connection, &*current.read()?)?;
        let plan_one =
            |watch: &WatchDecl| match known.iter().find(|(known, _)| is_same(&known.name, &watch.name)) {
                Some((same, _)) if same.url == watch.url && same.branch == watch.branch => Import::There,
                Some((other, _)) => Import::Refused(format!(
                    "a watch `{}` already exists: {} of {}",
                    other.name, other.branch, other.url
                )),
                None => match forge::check_not_taken(data.path(), &watch.name) {
                    Ok(()) => Import::New,
                    Err(error) => Import::Refused(chain(&error)),
                },
            };
        let plan: Vec<Import> = watches.iter().map(plan_one).collect();
        let new = plan.iter().filter(|import| **import != Import::There).count();
        let is_too_much = known.len() + new > MAX_WATCHES;
        Ok((plan, is_too_much.then(|| WatchError::TooMany.to_string())))
    };
    app.store.call(plan).await?
}

/// A time between looks as it is written: `60s`, `5m`, `2h`.
pub(crate) fn every_text(time: Duration) -> String {
    let secs = time.as_secs();
    match () {
        () if time.subsec_millis() > 0 => format!("{}ms", time.as_millis()),
        () if secs.is_multiple_of(3600) => format!("{}h", secs / 3600),
        () if secs.is_multiple_of(60) && secs > 60 => format!("{}m", secs / 60),
        () => format!("{secs}s"),
    }
}
