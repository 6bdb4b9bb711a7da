//! Notices what happens in folders: refs that move without a hook, repositories that come and go, files in the spool.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::backoff::Backoff;
use crate::app::{AppState, Touched, Trouble, Unsettled, drain_spool};
use crate::intake::{Listing, sync_repositories};
use crate::model::{RefName, RepoName, chain};
use crate::store::RepoRow;
use crate::sys::inotify::{Change, Entry, Inotify, Watch};

/// What inotify answers when the user has as many watches as the system allows (inotify_add_watch(2)).
const NO_WATCH_LEFT: rustix::io::Errno = rustix::io::Errno::NOSPC;

/// What a watched folder belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Owner {
    /// Where repositories come and go.
    Repos,
    /// A repository, whose folder of this name is watched.
    Repo(RepoName, Vec<u8>),
    Spool,
}

/// The watched folders.
struct Watcher {
    app: AppState,
    inotify: Inotify,
    owners: HashMap<Watch, Owner>,
    repos: HashMap<RepoName, RepoRow>,
    /// Whether the system has refused a watch because there are too many.
    is_full: bool,
    /// Whether the repositories were listed before.
    is_listed: bool,
    /// Folders that are not served, and why.
    apart: BTreeMap<PathBuf, String>,
}

/// Records in the database which repositories are there, under which names.
pub(super) async fn sync_repos(app: &AppState) {
    let _logged = list(app).await.is_some();
}

/// Lists the repositories and records them in the database; nothing when that failed, which is logged.
async fn list(app: &AppState) -> Option<Listing> {
    let data = app.data.clone();
    let listed = app.store.call(move |connection| sync_repositories(connection, &data));
    match listed.await {
        Ok(Ok(listing)) => Some(listing),
        Ok(Err(error)) => {
            tracing::error!(problem = chain(&error), "the repositories could not be listed");
            None
        }
        Err(_) => None,
    }
}

/// Watches the data folder until the program ends. When the system cannot watch folders, it tries again.
pub(super) async fn watch(app: AppState) {
    let (mut wait, mut trouble) = (Backoff::of_runs(), None);
    loop {
        let Err(error) = watch_once(&app, &mut trouble).await;
        app.touched.set_watched(false);
        tracing::error!(%error, "folders cannot be watched: refs moved without a hook are seen later; retrying");
        trouble = Some(app.health.report(format!("folders cannot be watched: {error}")));
        tokio::time::sleep(wait.next()).await;
    }
}

/// Watches the data folder as long as the system can. Looks at everything once when it starts.
async fn watch_once(app: &AppState, trouble: &mut Option<Trouble>) -> io::Result<Infallible> {
    let inotify = Inotify::new()?;
    *trouble = None;
    let app = app.clone();
    let mut watcher = Watcher {
        app,
        inotify,
        owners: HashMap::new(),
        repos: HashMap::new(),
        is_full: false,
        is_listed: false,
        apart: BTreeMap::new(),
    };
    watcher.watch_spool();
    drain_spool(&watcher.app).await;
    watcher.list_repos().await;
    watcher.app.touched.set_watched(!watcher.is_full);
    loop {
        let changes = watcher.inotify.changes().await?;
        watcher.look_at(&changes).await;
    }
}

impl Watcher {
    /// Watches the spool. One that was moved away is made again: without a socket it is the way of all pushes.
    fn watch_spool(&mut self) {
        let spool = self.app.data.spool();
        if !spool.is_dir() {
            tracing::warn!(folder = %spool.display(), "the spool was gone and is made again");
        }
        if let Err(error) = fs::DirBuilder::new().recursive(true).mode(0o700).create(&spool) {
            tracing::warn!(%error, folder = %spool.display(), "the spool cannot be made");
        }
        self.add(&spool, Owner::Spool);
    }

    /// Watches a folder. One that has gone in the meantime is not a loss.
    fn add(&mut self, folder: &Path, owner: Owner) {
        let watched = match owner {
            Owner::Spool => self.inotify.watch_place(folder),
            Owner::Repos | Owner::Repo(..) => self.inotify.watch(folder),
        };
        match watched {
            Ok(watch) => {
                self.owners.insert(watch, owner);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.raw_os_error() == Some(NO_WATCH_LEFT.raw_os_error()) => {
                self.app.touched.set_watched(false);
                if !std::mem::replace(&mut self.is_full, true) {
                    tracing::warn!(
                        folder = %folder.display(),
                        "no more folders can be watched: refs moved there without a push are seen later; raise fs.inotify.max_user_watches"
                    );
                }
            }
            Err(error) => {
                self.is_full = true;
                self.app.touched.set_watched(false);
                tracing::warn!(%error, folder = %folder.display(), "a folder cannot be watched");
            }
        }
    }

    /// Looks at whatever the changes touch.
    async fn look_at(&mut self, changes: &[Change]) {
        let (mut is_spool, mut is_list, mut repos) = (false, false, BTreeMap::<RepoName, Touched>::new());
        let mut touch = |owner: &Owner, entry: Option<&Entry>| match owner {
            Owner::Spool => is_spool = true,
            Owner::Repos => is_list = true,
            Owner::Repo(name, below) => {
                let touched = entry.map_or(Touched::All, |entry| touched_by(below, entry));
                repos.entry(name.clone()).or_insert_with(Touched::none).extend(touched);
            }
        };
        for change in changes {
            match change {
                Change::In(watch, entry) => {
                    self.owners.get(watch).into_iter().for_each(|owner| touch(owner, Some(entry)));
                }
                Change::Gone(watch) => {
                    // One that was moved is still watched.
                    self.inotify.forget(*watch);
                    self.owners.remove(watch).iter().for_each(|owner| touch(owner, None));
                }
                Change::Overflow => self.owners.values().for_each(|owner| touch(owner, None)),
            }
        }
        if is_spool {
            if !self.owners.values().any(|owner| *owner == Owner::Spool) {
                self.watch_spool();
            }
            drain_spool(&self.app).await;
        }
        if is_list {
            self.list_repos().await;
        }
        for (name, touched) in repos {
            self.look_at_repo(&name, touched).await;
        }
    }

    /// Lists the repositories, records them in the database, and checks the new ones.
    async fn list_repos(&mut self) {
        let repos = self.app.data.repos();
        // Watched before listed, groups too: what comes up in between is seen by the one or the other.
        self.add(&repos, Owner::Repos);
        for group in folders(&repos) {
            if group.extension().is_none_or(|extension| extension != "git") {
                self.add(&group, Owner::Repos);
            }
        }
        let Some(Listing { rows, apart }) = self.list_watched().await else { return };
        for (folder, problem) in &apart {
            if self.apart.get(folder) != Some(problem) {
                tracing::warn!(problem, folder = %folder.display(), "a folder in repos/ is not served");
            }
        }
        self.apart = apart;
        let known = std::mem::take(&mut self.repos);
        let was_listed = std::mem::replace(&mut self.is_listed, true);
        for gone in known.keys().filter(|name| !rows.iter().any(|row| row.name == **name)) {
            tracing::info!("repository {gone} is gone");
        }
        for row in rows {
            let name = row.name.clone();
            let is_new = known.get(&name) != Some(&row);
            if was_listed && !known.contains_key(&name) {
                tracing::info!("repository {name} is new");
            }
            self.repos.insert(name.clone(), row);
            if is_new {
                self.look_at_repo(&name, Touched::All).await;
            }
        }
    }

    /// Lists the repositories, with a watch on each folder that is not served: it may be adopted there, or be a copy that is
    /// still being made. What happens between the listing and the watch is seen by listing again.
    async fn list_watched(&mut self) -> Option<Listing> {
        let mut watched: HashSet<PathBuf> = self.apart.keys().cloned().collect();
        loop {
            let listing = list(&self.app).await?;
            let new: Vec<_> =
                listing.apart.keys().filter(|folder| !watched.contains(*folder)).cloned().collect();
            // Those that were watched before may have been made anew.
            listing.apart.keys().for_each(|folder| self.add(folder, Owner::Repos));
            if new.is_empty() {
                return Some(listing);
            }
            watched.extend(new);
        }
    }

    /// Watches all folders of a repository in which refs live.
    fn watch_repo(&mut self, name: &RepoName) {
        let git_dir = self.app.data.repo(name);
        // Refs elsewhere start no run, and there may be thousands of folders of them (`refs/pull/N`).
        let tree = ["refs/heads", "refs/tags", "logs/refs/heads", "logs/refs/tags"];
        for folder in ["", "refs", "logs", "logs/refs"] {
            self.add(&git_dir.join(folder), Owner::Repo(name.clone(), folder.into()));
        }
        let mut open: Vec<PathBuf> = tree.map(PathBuf::from).into();
        while let Some(below) = open.pop() {
            let folder = git_dir.join(&below);
            self.add(&folder, Owner::Repo(name.clone(), below.as_os_str().as_bytes().to_vec()));
            open.extend(
                folders(&folder)
                    .into_iter()
                    .filter_map(|path| path.strip_prefix(&git_dir).map(Path::to_owned).ok()),
            );
        }
    }

    /// Looks at refs of a repository that something has touched, unless a push is open.
    async fn look_at_repo(&mut self, name: &RepoName, touched: Touched) {
        let Some(row) = self.repos.get(name).cloned() else { return };
        if touched == Touched::All {
            self.watch_repo(name);
        }
        // Noted before it is asked: a push that ends in between looks at them.
        self.app.touched.add(&row.id, touched);
        // A push that has announced itself reports by its hook, or by the end of its receive-pack.
        if self.app.has_open_push(&row.id) {
            return;
        }
        let touched = self.app.touched.take(&row.id);
        if touched == Touched::none() {
            return;
        }
        let id = row.id.clone();
        let settled = self.app.settle(row, touched.clone().into()).await;
        match settled.inspect_err(|_| self.app.touched.add(&id, touched)) {
            // It is looked at once the spool was read; the log says so already.
            Ok(_) | Err(Unsettled::Spool(_) | Unsettled::Undecided(_)) => {}
            Err(Unsettled::Failed(problem)) => {
                tracing::error!(problem, repo = %name, "a repository could not be looked at");
            }
        }
    }
}

/// The refs that a change of an entry touches, in a folder of a repository: its values and logs have the names of refs.
fn touched_by(folder: &[u8], entry: &Entry) -> Touched {
    let folder = folder.strip_prefix(b"logs/").unwrap_or(folder);
    let is_packed = folder.is_empty() && entry.name == b"packed-refs";
    if is_packed
        || (entry.is_folder && (!folder.is_empty() || entry.name == b"refs" || entry.name == b"logs"))
    {
        return Touched::All;
    }
    let name = RefName::parse(&[folder, b"/", &entry.name].concat()).ok();
    Touched::Refs(name.filter(|_| folder.starts_with(b"refs")).into_iter().collect())
}

/// The folders in a folder.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
