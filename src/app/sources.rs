//! Sources of jobs: added, listed, removed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use super::operation::Operation;
use super::problem::{Code, Problem};
use super::state::AppState;
use crate::model::{AuditAction, Quoted, suggest};
use crate::policy::policy_of_run;
use crate::sources::{
    SourceContext, SourceError, SourceRecord, SourceRequest, SourceRules, SourceTimes, add, remove_unused,
};
use crate::store;
use crate::sys::cancel_signal::{CancelHandle, CancelSignal, cancel_pair};

/// How many sources are added at the same time.
const MAX_ADDED: usize = 16;

/// How long a command waits until a source was added: its repository or image is fetched.
const PATIENCE: Duration = Duration::from_secs(1500);

/// Where sources may come from, and whose turn it is to be added.
#[derive(Debug)]
pub(crate) struct SourcePlace {
    /// The operator's lists, without those of the bundle.
    pub(crate) rules: SourceRules,
    /// How long things may take.
    pub(crate) times: SourceTimes,
    turns: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
    places: Semaphore,
}

/// A source is added, or fetched again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddSource {
    /// What is asked for.
    pub(crate) source: SourceRequest,
}

/// A source that was added.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AddedSource {
    pub(crate) record: SourceRecord,
    /// Whether there was none of this name.
    pub(crate) is_new: bool,
}

/// A source is removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveSource {
    pub(crate) name: String,
}

/// The source that was removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RemovedSource {
    pub(crate) name: String,
}

impl Default for SourcePlace {
    fn default() -> Self {
        Self::new(SourceRules::default())
    }
}

impl SourcePlace {
    /// Where nothing is being added.
    pub(crate) fn new(rules: SourceRules) -> Self {
        let (turns, places) = (Mutex::default(), Semaphore::new(MAX_ADDED));
        Self { rules, times: SourceTimes::default(), turns, places }
    }

    /// The turn of a name: whoever holds it is alone with what is kept of the source.
    fn turn(&self, name: &str) -> Arc<AsyncMutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(name.to_owned()).or_default())
    }
}

/// Ends blocking work when it is dropped.
struct Needed {
    _cancels: CancelHandle,
    is_wanted: Arc<AtomicBool>,
}

impl Needed {
    fn new() -> std::io::Result<(Self, CancelSignal, Arc<AtomicBool>)> {
        let (handle, signal) = cancel_pair()?;
        let is_wanted = Arc::new(AtomicBool::new(true));
        Ok((Self { _cancels: handle, is_wanted: Arc::clone(&is_wanted) }, signal, is_wanted))
    }
}

impl Drop for Needed {
    fn drop(&mut self) {
        self.is_wanted.store(false, Ordering::Relaxed);
    }
}

impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Self {
        let code = match (error.status, error.code) {
            (500.., _) => Code::ServerFailed,
            (404, _) => Code::SourceNotFound,
            (422, _) => Code::SourceRefused,
            (_, Some("source.not.allowed")) => Code::SourceNotAllowed,
            (_, Some("source.trust.required")) => Code::SourceUntrusted,
            (_, Some("E_ADDON_MANIFEST")) => Code::SourceManifest,
            (_, Some("E_OCI")) => Code::SourceImage,
            (_, _) => Code::SourceInvalid,
        };
        let text = match error.code {
            Some(word) if code == Code::SourceRefused => format!("{word}: {}", error.detail),
            _ => error.to_string(),
        };
        Self::new(code, text).with_hint(error.hint)
    }
}

impl From<Problem> for SourceError {
    fn from(problem: Problem) -> Self {
        let error = Self::new("source could not be stored", problem.text).status(problem.code.status());
        Self { hint: problem.hint, ..error }
    }
}

impl Operation for AddSource {
    type Answer = AddedSource;

    const ROUTE: &'static str = "/sources";
    const PATIENCE: Duration = PATIENCE;

    async fn perform(self, app: &AppState) -> Result<AddedSource, Problem> {
        Ok(add_source(app, self.source).await?)
    }
}

impl Operation for RemoveSource {
    type Answer = RemovedSource;

    const ROUTE: &'static str = "/sources/remove";
    const PATIENCE: Duration = PATIENCE;

    async fn perform(self, app: &AppState) -> Result<RemovedSource, Problem> {
        if remove_source(app, &self.name).await? {
            return Ok(RemovedSource { name: self.name });
        }
        let all = list_sources(app).await?;
        let problem =
            Problem::new(Code::SourceNotFound, format!("there is no source {}", Quoted::new(&self.name)));
        let near = suggest(&self.name, all.iter().map(|record| record.name.as_str()));
        Err(problem.with_hint(near.map(|near| format!("did you mean `{near}`?"))))
    }
}

/// Adds a source, or fetches it again. It is done also when nobody waits for the answer any more.
///
/// # Errors
/// Why it was not added; what there was of this name stays.
pub(crate) async fn add_source(app: &AppState, request: SourceRequest) -> Result<AddedSource, SourceError> {
    let name = request.to_record()?.name;
    // Whoever writes has the data folder for itself.
    app.writer()?;
    let app = app.clone();
    let added = tokio::spawn(async move {
        let turn = app.sources.turn(&name);
        let _turn = turn.lock().await;
        let _place = app.sources.places.acquire().await;
        // A run that is about to begin may have found the files that there are now.
        let before = find_source(&app, &name).await?.map(|record| record.resolved_commit);
        let added = match fetch(&app, request).await {
            Ok(record) => {
                save(&app, &record).await.map(|is_new| AddedSource { record, is_new }).map_err(Into::into)
            }
            Err(error) => Err(error),
        };
        tidy(&app, name, before).await;
        added
    });
    added.await.map_err(|error| SourceError::failed(&error))?
}

/// Checks and fetches it.
async fn fetch(app: &AppState, request: SourceRequest) -> Result<SourceRecord, SourceError> {
    let (_needed, cancel, is_wanted) = Needed::new().map_err(|error| SourceError::failed(&error))?;
    let app = app.clone();
    let fetched = tokio::task::spawn_blocking(move || {
        let settings = app.settings.read().map_err(Problem::from)?;
        let (policy, _) = policy_of_run(&settings.policy, app.data.path(), app.profiles, &[]);
        let rules = app.sources.rules.clone().with(policy.rules());
        let context = SourceContext {
            data: &app.data,
            rules: &rules,
            policy: &policy,
            environment: &app.environment,
            instance: app.instance,
            cancel: &cancel,
            is_wanted: &is_wanted,
            time: app.sources.times,
            containers: &app.metrics.containers,
        };
        add(&context, &request)
    });
    fetched.await.map_err(|error| SourceError::failed(&error))?
}

/// Saves it, with an entry of the audit; whether it is new.
async fn save(app: &AppState, record: &SourceRecord) -> Result<bool, Problem> {
    let json = serde_json::to_string(record).map_err(|error| Problem::failed(&error))?;
    let entry = app
        .entry(AuditAction::SourceAdd)
        .on(&record.name)
        .with("type", record.kind.as_str())
        .with("ref", record.resolved_ref.clone());
    let name = record.name.clone();
    let save = move |connection: &mut Connection| -> rusqlite::Result<bool> {
        let transaction = connection.transaction()?;
        let is_new = store::save_source(&transaction, &name, &json)?;
        entry.insert(&transaction)?;
        transaction.commit()?;
        Ok(is_new)
    };
    let is_new = app.writer()?.call(save).await??;
    tracing::info!("source {}: {}", if is_new { "added" } else { "updated" }, record.name);
    Ok(is_new)
}

/// Removes what is kept of a name and needed by no record and no run. What cannot be removed now is removed the next time.
async fn tidy(app: &AppState, name: String, before: Option<String>) {
    let data = app.data.clone();
    let tidied = match kept_and_used(app, &name).await {
        Ok((record, specs)) => {
            let is_used = move |path: &Path| {
                before.as_ref().is_some_and(|before| path.ends_with(before))
                    || specs.iter().any(|spec| names(spec, path))
            };
            let remove = move || {
                remove_unused(&data, (&name, record.as_ref()), is_used)
                    .map_err(|error| Problem::failed(&error))
            };
            tokio::task::spawn_blocking(remove).await.unwrap_or_else(|error| Err(Problem::failed(&error)))
        }
        Err(problem) => Err(problem),
    };
    if let Err(problem) = tidied {
        tracing::warn!(%problem, "what is left of an older source could not be removed");
    }
}

/// The record of a name, and what runs that have not ended run.
async fn kept_and_used(app: &AppState, name: &str) -> Result<(Option<SourceRecord>, Vec<String>), Problem> {
    let record = find_source(app, name).await?;
    let specs = app.store.call(|connection| store::unfinished_job_runs(connection)).await??;
    Ok((record, specs))
}

/// Whether the JSON of what a run runs has a path in it.
fn names(spec: &str, path: &Path) -> bool {
    let quoted = serde_json::Value::from(path.to_string_lossy()).to_string();
    spec.contains(quoted.trim_matches('"'))
}

/// Removes a source with its checkout and what is kept of its image; false when there is none.
///
/// # Errors
/// When it could not be removed from the database.
pub(crate) async fn remove_source(app: &AppState, name: &str) -> Result<bool, Problem> {
    let writer = app.writer()?;
    let (app, name) = (app.clone(), name.to_owned());
    let removed = tokio::spawn(async move {
        let turn = app.sources.turn(&name);
        let _turn = turn.lock().await;
        let entry = app.entry(AuditAction::SourceRemove).on(&name);
        let gone = name.clone();
        let remove = move |connection: &mut Connection| -> rusqlite::Result<bool> {
            let transaction = connection.transaction()?;
            let is_removed = store::delete_source(&transaction, &gone)?;
            if is_removed {
                entry.insert(&transaction)?;
            }
            transaction.commit()?;
            Ok(is_removed)
        };
        let is_removed = writer.call(remove).await??;
        if is_removed {
            tracing::info!("source removed: {name}");
            tidy(&app, name, None).await;
        }
        Ok(is_removed)
    });
    removed.await.map_err(|error| Problem::failed(&error))?
}

/// All sources, by name.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn list_sources(app: &AppState) -> Result<Vec<SourceRecord>, Problem> {
    let kept = app.store.call(|connection| store::all_sources(connection)).await??;
    load(app, kept).await
}

/// The source of this name.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn find_source(app: &AppState, name: &str) -> Result<Option<SourceRecord>, Problem> {
    let name = name.to_owned();
    let kept = app.store.call(move |connection| store::find_source(connection, &name)).await??;
    Ok(load(app, kept.into_iter().collect()).await?.pop())
}

/// Records with what is on the disk for them.
async fn load(app: &AppState, kept: Vec<String>) -> Result<Vec<SourceRecord>, Problem> {
    let data = app.data.clone();
    let load = move || kept.iter().map(|json| SourceRecord::load(json, &data)).collect::<Result<_, _>>();
    let loaded = tokio::task::spawn_blocking(load).await.map_err(|error| Problem::failed(&error))?;
    loaded.map_err(|error| Problem::failed(&error))
}
