//! One look at a watched branch: queries its tip, fetches when it has moved, and settles the copy.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::context::WatchContext;
use super::remote::{Listing, Remote, RemoteSigns};
use super::state::{Finding, WatchState};
use super::trouble::{Trouble, TroubleKind};
use crate::config::WatchDecl;
use crate::forge::{self, RefValue, Refs, Repo};
use crate::model::{CommitId, chain};
use crate::secret::SecretGrant;
use crate::store::{self, RepoRow};
use crate::sys::cancel_signal::CancelSignal;

/// The most remotes that are queried at the same time, not counting slow ones.
const MAX_LISTINGS: usize = 8;

/// The most slow remotes that are queried at the same time.
const MAX_SLOW_LISTINGS: usize = 64;

/// How long a query may take until its remote counts as slow.
const LISTING_PATIENCE: Duration = Duration::from_secs(1);

/// The most fetches at the same time, not counting slow ones.
const MAX_FETCHES: usize = 4;

/// The most slow fetches at the same time.
const MAX_SLOW_FETCHES: usize = 8;

/// How long a fetch may take until it counts as slow.
const FETCH_PATIENCE: Duration = Duration::from_secs(5);

/// How many remotes are connected to at the same time.
pub(super) struct Turns {
    listings: Lanes,
    fetches: Lanes,
}

/// Two lanes for one kind of work: what takes long, or failed the last time, does not hold up the rest.
struct Lanes {
    usual: Semaphore,
    slow: Semaphore,
    patience: Duration,
}

/// A look to be performed.
#[derive(Clone)]
pub(super) struct Task {
    pub(super) context: WatchContext,
    pub(super) watch: WatchDecl,
    /// The row of the copy, once it was found.
    pub(super) row: Option<RepoRow>,
    /// Whether everything that was fetched is known to be recorded.
    pub(super) is_settled: bool,
    /// The tip that was recorded last.
    pub(super) known_tip: Option<CommitId>,
    /// Whether the last look failed.
    pub(super) is_failing: bool,
    pub(super) turns: Arc<Turns>,
    pub(super) cancel: Arc<CancelSignal>,
}

/// The result of a look.
pub(super) struct Looked {
    pub(super) watch: WatchDecl,
    pub(super) finding: Finding,
    pub(super) row: Option<RepoRow>,
    pub(super) is_settled: bool,
}

impl Turns {
    pub(super) fn new() -> Self {
        let lanes = |usual, slow, patience| Lanes {
            usual: Semaphore::new(usual),
            slow: Semaphore::new(slow),
            patience,
        };
        Self {
            listings: lanes(MAX_LISTINGS, MAX_SLOW_LISTINGS, LISTING_PATIENCE),
            fetches: lanes(MAX_FETCHES, MAX_SLOW_FETCHES, FETCH_PATIENCE),
        }
    }
}

impl Lanes {
    /// Performs work when it is its turn. Work that takes longer than the patience changes lanes as soon as there is room.
    async fn run<T>(
        &self,
        is_slow: bool,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        if is_slow {
            let _turn = self.slow.acquire().await.map_err(lost)?;
            return work.await;
        }
        let turn = self.usual.acquire().await.map_err(lost)?;
        let mut work = std::pin::pin!(work);
        let change_lanes = async {
            tokio::time::sleep(self.patience).await;
            self.slow.acquire().await
        };
        let _turn = tokio::select! {
            biased;
            done = &mut work => return done,
            slow = change_lanes => slow.map_err(lost)?,
        };
        drop(turn);
        work.await
    }
}

impl Task {
    /// Performs the look. When it is dropped, the connection lasts until its cancel handle is dropped as well.
    pub(super) async fn look(mut self) -> Looked {
        let finding = match self.find().await {
            Ok(finding) => finding,
            Err(trouble) => Finding {
                state: WatchState::Trouble(trouble.kind),
                error: Some(trouble.text),
                tip: None,
                default_branch: None,
                is_rewritten: false,
            },
        };
        Looked { watch: self.watch, finding, row: self.row, is_settled: self.is_settled }
    }

    async fn find(&mut self) -> Result<Finding, Trouble> {
        let (turns, is_failing) = (Arc::clone(&self.turns), self.is_failing);
        let (row, listing, has_moved) = turns.listings.run(is_failing, self.list()).await?;
        let mut tip = listing.tip;
        if has_moved {
            // It may have moved since the query.
            tip = turns.fetches.run(is_failing, self.fetch(row)).await?;
        }
        let is_rewritten = self.is_rewritten(tip).await?;
        let is_there = listing.tip.is_some();
        let missing = || {
            let default = listing.default_branch.as_ref();
            let default = default.map(|branch| format!("; its default branch is `{branch}`"));
            format!("the remote has no branch `{}`{}", self.watch.branch, default.unwrap_or_default())
        };
        Ok(Finding {
            state: if is_there { WatchState::Following } else { WatchState::NoBranch },
            error: (!is_there).then(missing),
            tip,
            default_branch: listing.default_branch,
            is_rewritten,
        })
    }

    /// Queries the remote: what it has, and whether that is not here yet.
    async fn list(&mut self) -> Result<(RepoRow, Listing, bool), Trouble> {
        let row = self.row().await?;
        if !self.is_settled {
            // What a killed server has fetched and not recorded.
            self.settle(row.clone()).await?;
        }
        let (task, copy) = (self.clone(), self.context.data.watched_repo(&self.watch.name));
        let listed = tokio::task::spawn_blocking(move || {
            let listing = task.with_remote(&copy, |remote| remote.list(&task.watch.branch))?;
            let here = task.watch.branch.ref_name().map(|name| Refs::of(&copy).value(&name));
            let here = here.map_err(lost)?.map_err(|error| failed(&chain(&error)))?;
            let has_moved = listing.tip.is_some_and(|tip| here != RefValue::Direct(tip));
            Ok((row, listing, has_moved))
        });
        listed.await.map_err(lost)?
    }

    /// Fetches the branch and settles the copy; the tip that was fetched.
    async fn fetch(&mut self, row: RepoRow) -> Result<Option<CommitId>, Trouble> {
        let (task, copy) = (self.clone(), self.context.data.watched_repo(&self.watch.name));
        // A fetch that is cut off may have moved the ref all the same.
        self.is_settled = false;
        let fetched = tokio::task::spawn_blocking(move || {
            task.with_remote(&copy, |remote| remote.fetch_tip(&task.watch.branch))
        });
        let fetched = fetched.await.map_err(lost)?;
        self.settle(row).await?;
        fetched
    }

    /// Whether the old tip is not an ancestor of the new one. A tip that is missing in the copy does not count.
    async fn is_rewritten(&self, tip: Option<CommitId>) -> Result<bool, Trouble> {
        let (Some(from), Some(to)) = (self.known_tip, tip) else { return Ok(false) };
        if from == to {
            return Ok(false);
        }
        let copy = self.context.data.watched_repo(&self.watch.name);
        let compared = tokio::task::spawn_blocking(move || {
            let is_part = Repo::open(&copy).and_then(|repo| repo.is_ancestor(from, to));
            !is_part.unwrap_or(false)
        });
        compared.await.map_err(lost)
    }

    /// The row of the copy, which is created when missing.
    async fn row(&mut self) -> Result<RepoRow, Trouble> {
        // A copy that was removed is created again; a name that a hosted repository has taken is lost.
        let is_there = self.context.data.watched_repo(&self.watch.name).is_dir();
        if let Some(row) =
            self.row.take().filter(|_| is_there && !self.context.data.repo(&self.watch.name).exists())
        {
            self.row = Some(row.clone());
            return Ok(row);
        }
        self.is_settled = false;
        let (data, name) = (self.context.data.clone(), self.watch.name.clone());
        let made = tokio::task::spawn_blocking(move || forge::watched_copy(data.path(), &name));
        let identity =
            made.await.map_err(lost)?.map_err(|error| Trouble::new(TroubleKind::Refused, chain(&error)))?;
        let row = RepoRow::watched(&identity.id.to_string(), self.watch.name.clone());
        let kept = row.clone();
        let synced = self.context.store.call(move |connection| store::sync_repo(connection, &kept));
        synced.await.map_err(lost)?.map_err(|error| failed(&chain(&error)))?;
        self.row = Some(row.clone());
        Ok(row)
    }

    /// Records what was fetched, and starts what follows from it.
    async fn settle(&mut self, row: RepoRow) -> Result<(), Trouble> {
        let settled = self.context.settle.settle_copy(row).await;
        self.is_settled = settled.map_err(|problem| failed(&problem))?;
        Ok(())
    }

    /// Connects to the remote. Blocks.
    fn with_remote<T>(
        &self,
        copy: &std::path::Path,
        task: impl FnOnce(&Remote<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let settings = self.context.settings.get();
        let named = |secret: &&crate::config::SecretDecl| Some(&secret.name) == self.watch.token.as_ref();
        let token = settings.secrets.iter().find(named).map(SecretGrant::to_operator);
        let ssh_config: Option<PathBuf> = Some(self.context.data.ssh_config()).filter(|path| path.is_file());
        let signs = RemoteSigns {
            ssh_config: ssh_config.as_deref(),
            environment: &self.context.environment,
            instance: self.context.instance,
            cancel: &self.cancel,
        };
        task(&Remote::prepare(&self.watch, token, copy, signs)?)
    }
}

/// An internal error.
fn lost(error: impl std::error::Error) -> Trouble {
    failed(&error.to_string())
}

fn failed(problem: &str) -> Trouble {
    Trouble::new(TroubleKind::Failed, problem)
}
