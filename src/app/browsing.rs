//! Reading repositories for pages: who may, how many at the same time, and what is kept of it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::caller::Caller;
use super::history_index::GrownHistories;
use super::problem::{Code, Problem};
use super::state::AppState;
use crate::forge::Repo;
use crate::forge::browse::{BrowseError, ChangedEntries, TreePath, changed_entries};
use crate::model::{CommitId, RepoName, Scope, Visibility};
use crate::store::{self, RepoRow, RepoSettings, RunFilter, RunRow};
use crate::sys::cancel_signal::{CancelSignal, cancel_pair};

/// How many cheap reads are made at the same time.
const MAX_READS: usize = 8;

/// How many pages that need git's own search of the history or of files are made at the same time, and how many wait.
const MAX_EXPENSIVE: usize = 2;
const MAX_WAITING: usize = 16;

/// How many histories are walked at the same time for the last changes of a folder.
const MAX_WALKS: usize = 2;

/// How long a page waits for its turn.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the page of a folder waits for the last changes of its entries; what is found later is on the next one.
const CHANGES_PATIENCE: Duration = Duration::from_millis(100);

/// How many folders' last changes are kept.
const MAX_KNOWN: usize = 64;

/// What all pages of repositories share.
#[derive(Debug)]
pub(crate) struct Browsing {
    reads: Arc<Semaphore>,
    /// A place for each expensive page that is made.
    gate: Arc<Semaphore>,
    /// A place for each expensive page that is made or waits.
    queue: Arc<Semaphore>,
    walks: Arc<Semaphore>,
    known: Mutex<VecDeque<(FolderKey, Arc<ChangedEntries>)>>,
    pub(super) histories: GrownHistories,
}

/// A page of a folder: repository, commit, path, and its first entry.
type FolderKey = (String, CommitId, TreePath, Vec<u8>);

/// A repository that somebody may read.
#[derive(Debug, Clone)]
pub(crate) struct BrowsedRepo {
    pub(crate) row: RepoRow,
    pub(crate) settings: RepoSettings,
    /// Its folder.
    pub(crate) git_dir: PathBuf,
    /// Whether everybody may read it and see it in lists.
    pub(crate) is_public: bool,
    /// Whether the caller may see its runs.
    pub(crate) shows_runs: bool,
}

/// Held as long as an expensive page is made.
#[derive(Debug)]
pub(crate) struct ExpensivePass {
    gate: Arc<Semaphore>,
    place: Option<OwnedSemaphorePermit>,
    _queued: OwnedSemaphorePermit,
}

impl ExpensivePass {
    /// Leaves the place to others as long as a client does not take what was made.
    pub(crate) fn pause(&mut self) {
        self.place = None;
    }

    /// Waits for a place again.
    ///
    /// # Errors
    /// The server stops.
    pub(crate) async fn resume(&mut self) -> Result<(), Problem> {
        let place = Arc::clone(&self.gate).acquire_owned().await;
        self.place = Some(place.map_err(|_| busy())?);
        Ok(())
    }
}

impl Default for Browsing {
    fn default() -> Self {
        Self {
            reads: Arc::new(Semaphore::new(MAX_READS)),
            gate: Arc::new(Semaphore::new(MAX_EXPENSIVE)),
            queue: Arc::new(Semaphore::new(MAX_EXPENSIVE + MAX_WAITING)),
            walks: Arc::new(Semaphore::new(MAX_WALKS)),
            known: Mutex::default(),
            histories: GrownHistories::default(),
        }
    }
}

impl Browsing {
    /// Waits for a place for an expensive page.
    ///
    /// # Errors
    /// Too many wait already, or it takes too long.
    pub(crate) async fn enter(&self) -> Result<ExpensivePass, Problem> {
        let queued = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| busy())?;
        let place = timeout(PATIENCE, Arc::clone(&self.gate).acquire_owned()).await;
        let place = place.map_err(|_| busy())?.map_err(|_| busy())?;
        Ok(ExpensivePass { gate: Arc::clone(&self.gate), place: Some(place), _queued: queued })
    }

    fn known(&self, key: &FolderKey) -> Option<Arc<ChangedEntries>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(of, _)| of == key).map(|(_, changes)| Arc::clone(changes))
    }

    fn keep(&self, key: FolderKey, changes: Arc<ChangedEntries>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(of, _)| *of != key);
        known.push_back((key, changes));
        if known.len() > MAX_KNOWN {
            known.pop_front();
        }
    }
}

/// The problem that no page can be made now.
fn busy() -> Problem {
    Problem::new(Code::ServerBusy, "this server is busy").hint("try again in a moment")
}

impl From<BrowseError> for Problem {
    fn from(error: BrowseError) -> Self {
        if error.is_missing() {
            return Self::caused_by(Code::RevisionNotFound, &error);
        }
        let in_clone = "do it in a clone of the repository";
        match &error {
            BrowseError::TooLarge { .. } => Self::caused_by(Code::RequestRefused, &error).hint(in_clone),
            BrowseError::TimedOut { .. } => Self::caused_by(Code::ServerBusy, &error).hint(in_clone),
            BrowseError::Cancelled => Self::caused_by(Code::ServerBusy, &error),
            BrowseError::NoRevision(_)
            | BrowseError::NoPath { .. }
            | BrowseError::OtherKind { .. }
            | BrowseError::Unrelated
            | BrowseError::Git(_)
            | BrowseError::Start(_)
            | BrowseError::Refs(_)
            | BrowseError::Read(_)
            | BrowseError::Object { .. } => Self::caused_by(Code::RepoUnusable, &error),
        }
    }
}

/// The repository of this name, if the caller may read it. One that it may not see is like one that does not exist.
///
/// # Errors
/// When there is none for the caller.
pub(crate) async fn browse(app: &AppState, caller: &Caller, name: &RepoName) -> Result<BrowsedRepo, Problem> {
    let (row, settings) = caller.repo_to_read(app, Scope::ReposRead, name).await?;
    let shows_runs = caller.repo_to_read(app, Scope::RunsRead, name).await.is_ok();
    let git_dir = app.data.git_dir(&row.name, row.is_watched());
    let is_public = settings.visibility.unwrap_or(app.visibility) == Visibility::Public;
    Ok(BrowsedRepo { row, settings, git_dir, is_public, shows_runs })
}

impl BrowsedRepo {
    /// Reads something that is cheap.
    ///
    /// # Errors
    /// What the work says, or too many read already.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        app: &AppState,
        work: impl FnOnce(&Repo, &Path) -> Result<T, BrowseError> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = timeout(PATIENCE, Arc::clone(&app.browsing.reads).acquire_owned()).await;
        let (place, git_dir) = (place.map_err(|_| busy())?, self.git_dir.clone());
        app.block(move || {
            let _place = place;
            let repo = Repo::open(&git_dir).map_err(BrowseError::from)?;
            Ok(work(&repo, &git_dir)?)
        })
        .await
    }

    /// Reads something that may take git seconds. The work is cancelled when nobody waits for it any more.
    ///
    /// # Errors
    /// What the work says, or too many wait already.
    pub(crate) async fn read_expensive<T: Send + 'static>(
        &self,
        app: &AppState,
        work: impl FnOnce(&Repo, &Path, &CancelSignal) -> Result<T, BrowseError> + Send + 'static,
    ) -> Result<T, Problem> {
        let (pass, git_dir) = (app.browsing.enter().await?, self.git_dir.clone());
        let (_cancel, signal) = cancel_pair().map_err(|error| Problem::failed(&error))?;
        app.block(move || {
            let _pass = pass;
            let repo = Repo::open(&git_dir).map_err(BrowseError::from)?;
            Ok(work(&repo, &git_dir, &signal)?)
        })
        .await
    }

    /// The commits that changed these entries of a folder last; nothing when that takes too long now.
    pub(crate) async fn changed_entries(
        &self,
        app: &AppState,
        (commit, path): (CommitId, TreePath),
        names: Vec<Vec<u8>>,
    ) -> Option<Arc<ChangedEntries>> {
        let key = (self.row.id.clone(), commit, path, names.first().cloned().unwrap_or_default());
        if let Some(known) = app.browsing.known(&key) {
            return Some(known);
        }
        let place = Arc::clone(&app.browsing.walks).try_acquire_owned().ok()?;
        let (browsing, git_dir) = (Arc::clone(&app.browsing), self.git_dir.clone());
        // It continues when the page does not wait for it any more, up to a time of its own.
        let walk = tokio::task::spawn_blocking(move || {
            let _place = place;
            let repo = Repo::open(&git_dir).map_err(BrowseError::from)?;
            let changes = Arc::new(changed_entries(&repo, commit, &key.2, &names)?);
            browsing.keep(key, Arc::clone(&changes));
            Ok::<_, BrowseError>(changes)
        });
        let changes = timeout(CHANGES_PATIENCE, walk).await.ok()?.ok()?;
        changes.inspect_err(|error| tracing::debug!(%error, "the changes of a folder were not found")).ok()
    }

    /// The newest run of each of these commits, for a caller that may see runs.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn runs_of_commits(
        &self,
        app: &AppState,
        commits: Vec<CommitId>,
    ) -> Result<Vec<Option<RunRow>>, Problem> {
        if !self.shows_runs {
            return Ok(vec![None; commits.len()]);
        }
        let filter = self.run_filter(1);
        let read = app.store.read(move |connection| {
            let newest = |sha| {
                let filter = RunFilter { sha: Some(sha), ..filter.clone() };
                store::list_runs(connection, &filter).map(|mut runs| runs.pop())
            };
            commits.into_iter().map(newest).collect::<Result<Vec<_>, rusqlite::Error>>()
        });
        Ok(read.await??)
    }

    /// Runs of the repository, for a caller that may see them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn runs(&self, app: &AppState, filter: RunFilter) -> Result<Vec<RunRow>, Problem> {
        if !self.shows_runs {
            return Ok(Vec::new());
        }
        Ok(app.store.read(move |connection| store::list_runs(connection, &filter)).await??)
    }

    /// The newest runs of the repository.
    pub(crate) fn run_filter(&self, limit: usize) -> RunFilter {
        RunFilter { visible: Some(vec![self.row.id.clone()]), ..RunFilter::newest(None, limit) }
    }
}

/// The newest runs of the repositories that lists show to a caller, also of those that only some have.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn listed_runs(
    app: &AppState,
    caller: &Caller,
    filter: RunFilter,
) -> Result<Vec<RunRow>, Problem> {
    let visible = caller.listed_repos(app, Scope::RunsRead).await?;
    let filter = RunFilter { visible, ..filter };
    Ok(app.store.read(move |connection| store::list_runs(connection, &filter)).await??)
}
