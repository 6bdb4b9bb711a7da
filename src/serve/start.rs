//! Starting and stopping: the lock, the database, the doors, the tasks.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc};

use super::copied::set_aside;
use super::dispatcher::{DispatchStart, dispatch};
use super::expiry::remove_expired;
use super::local_launch::LocalLaunch;
use super::pushes::{recover_pushes, retry_spool, watch_pushes};
use super::unpassed::log_unpassed;
use super::{audit, run_folder, watcher};
use crate::app::{
    AppState, Isolation, SourcePlace, TaskFailure, Tasks, check_requirements, forget_unanswered,
    index_older_runs, record_audit, take_spool, warn_of_watches,
};
use crate::config::{Additions, Bind, ConfigError, CurrentSettings, DataDir, Instance, InstanceError};
use crate::forge;
use crate::http::{self, Calls, DoorLimits, Listener, MAX_FRAME, PublicRoutes, local_router};
use crate::model::chain;
use crate::notify::{Courier, CourierStart};
use crate::policy::StartProfiles;
use crate::sources::SourceRules;
use crate::store::{self, Store, StoreError};
use crate::sys::lock::{self, LockFile};
use crate::sys::notify::Supervisor;
use crate::sys::remove_tree::remove_tree;
use crate::sys::{descriptors, process, socket, spawn};
use crate::watch::{WatchWake, all_watches, watch_remotes};

/// Messages that may wait for the queue.
const MAX_WAKES: usize = 1024;

/// The threads of the runtime that do not block.
const WORKERS: usize = 2;

/// How long the lock of another server is waited for: it may be ending.
const LOCK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// The pause between two tries to get it.
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// What the server is started with.
#[derive(Debug, Clone)]
pub(crate) struct ServeOptions {
    pub(crate) data: DataDir,
    /// Where to answer over TCP, instead of what `config.fnl` says.
    pub(crate) bind: Option<Bind>,
    /// What counts as if it stood in `config.fnl`.
    pub(crate) additions: Additions,
    /// Whether people are shown what steps say: on standard output, and in messages about runs that passed.
    pub(crate) shows_output: bool,
    /// Whether hooks and commands find a Unix socket; without one, hooks use the spool.
    pub(crate) has_socket: bool,
    /// The supervisor that is notified when the server is ready and when it stops.
    pub(crate) supervisor: Option<Supervisor>,
    /// The quire binary, for hooks and runners.
    pub(crate) binary: PathBuf,
    /// The server's environment.
    pub(crate) environment: Vec<(String, String)>,
    /// The profiles of containers that were chosen where it was started.
    pub(crate) profiles: StartProfiles,
    /// What is answered over TCP.
    pub(crate) routes: PublicRoutes,
    /// Where sources of jobs may come from.
    pub(crate) sources: SourceRules,
}

/// Why the server has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// By TERM or INT.
    BySignal,
    /// To start again with empty caches.
    ToStartAgain,
}

impl Stopped {
    /// A message to a supervisor. After `STOPPING=1` it accepts nothing from this process but its exit (sd_notify(3)).
    fn farewell(self) -> &'static str {
        match self {
            Self::BySignal => "STOPPING=1\nSTATUS=stopping; runs continue",
            Self::ToStartAgain => "STATUS=starting again; runs continue",
        }
    }
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// A folder could not be made.
    #[error("could not make the folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another server has the data folder.
    #[error("another quire serves {data}{}", holder.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Running {
        /// The data folder.
        data: PathBuf,
        /// Its process id.
        holder: Option<i32>,
    },
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data folder has no id.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// What the original of a copied data folder had still to do could not be set aside.
    #[error("this data folder is a copy, and what its original has still to do could not be set aside: {0}")]
    Copied(String),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The repositories cannot be served.
    #[error("the repositories cannot be served")]
    Repos(#[source] forge::RepoError),
    /// The hooks could not be installed.
    #[error("could not install the hooks")]
    Hooks(#[source] forge::RepoError),
    /// The Unix socket could not be opened.
    #[error("could not listen on {path}")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The address could not be opened.
    #[error("could not listen on {address}")]
    Bind {
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The runtime could not be started.
    #[error("could not start")]
    Runtime(#[source] io::Error),
    /// One of its tasks is no longer there.
    #[error("the server cannot continue")]
    Task(#[source] TaskFailure),
}

/// Serves until it is stopped: by TERM, by INT, or by a request to start again. Runs continue without it.
///
/// # Errors
/// When it cannot start; nothing is left half-done then. When one of its tasks panics or ends.
pub(crate) fn serve(options: ServeOptions) -> Result<Stopped, ServeError> {
    serve_with(options, Tasks::default())
}

/// The same with the owner of its tasks.
pub(super) fn serve_with(options: ServeOptions, tasks: Tasks) -> Result<Stopped, ServeError> {
    spawn::keep_inherited();
    if let Err(error) = process::hide_memory() {
        tracing::warn!(%error, "other processes of this user can read the server's memory");
    }
    let data = options.data.clone();
    make_folders(&data)?;
    let held = || ServeError::Running {
        data: data.path().to_owned(),
        holder: lock_holder(&data.server_lock()).ok().flatten().map(process::Pid::as_raw_pid),
    };
    let lock = acquire(&data.server_lock());
    let mut lock =
        lock.map_err(|source| ServeError::Folder { path: data.server_lock(), source })?.ok_or_else(held)?;
    lock.write_own_pid().map_err(|source| ServeError::Folder { path: data.server_lock(), source })?;
    let settings = CurrentSettings::load_with(data.config(), options.additions.clone())?;
    let path = options.environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_str());
    check_requirements(&settings.get(), &data, path).map_err(ConfigError::Wrong)?;
    let instance = Instance::establish(data.path())?;
    let database = store::open(&data.database())?;
    let recorded = store::recorded_names(&database).map_err(StoreError::Statement)?;
    forge::undo_unrecorded(data.path(), &recorded).map_err(ServeError::Repos)?;
    let known = store::last_numbers(&database).map_err(StoreError::Statement)?;
    if let Err(error) = run_folder::set_aside_unknown(&data.path().join("runs"), &known) {
        tracing::error!(%error, "folders of runs that the database does not have are still in their places");
    }
    let watches = all_watches(&database, &settings.get()).map_err(StoreError::Statement)?;
    warn_of_watches(&settings.get(), watches.len());
    Isolation::of(&settings.get()).log();
    if options.shows_output {
        log_unpassed(&options.environment, &settings.get());
    }
    // Without its threads the database and tokio would panic, and tokio then wait for ever.
    process::expect_threads(WORKERS + 2).map_err(ServeError::Runtime)?;
    let (store, writer) = Store::start(database);
    let store = store.with_reader(&data.database())?;
    forge::install_hooks(data.path(), &options.binary).map_err(ServeError::Hooks)?;
    repair_settings(&data)?;
    // What a dead runner had started becomes this process's, and is ended.
    process::become_subreaper().map_err(ServeError::Runtime)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    let runtime = runtime.map_err(ServeError::Runtime)?;
    let ended = runtime.block_on(run(options, (instance, tasks), Arc::new(settings), store));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    if writer.join().is_err() {
        tracing::error!("the database's writer has failed");
    }
    // It is that of this server, which has the lock.
    if matches!(ended, Ok(Stopped::BySignal)) {
        let _gone = fs::remove_file(data.socket()).is_err();
    }
    drop(lock);
    ended
}

/// Takes the server's lock. One whose holder is dead is free in a moment: a child that the dead server was about to start
/// has a copy of the descriptor until it becomes its program.
fn acquire(path: &std::path::Path) -> io::Result<Option<LockFile>> {
    let end = std::time::Instant::now() + LOCK_PATIENCE;
    loop {
        let lock = LockFile::try_acquire(path)?;
        if lock.is_some() || std::time::Instant::now() > end {
            return Ok(lock);
        }
        std::thread::sleep(LOCK_PAUSE);
    }
}

/// The live process that a lock file names.
fn lock_holder(path: &std::path::Path) -> io::Result<Option<process::Pid>> {
    Ok(lock::holder_pid(path)?.filter(|pid| process::start_time(*pid).is_some()))
}

/// Brings the git settings of each repository up to date: its hooks are here, also after the data folder was moved or copied.
fn repair_settings(data: &DataDir) -> Result<(), ServeError> {
    for repo in forge::list_repos(data.path(), &forge::RecordedNames::new()).map_err(ServeError::Repos)? {
        let repaired = match forge::are_settings_stale(data.path(), &repo.path) {
            Ok(true) => forge::apply_settings(data.path(), &repo.path),
            // A folder that is not a repository is reported by the listing.
            Ok(false) | Err(_) => continue,
        };
        match repaired {
            Ok(()) => tracing::info!(
                repo = %repo.name,
                "its git settings were those of an older quire or of another data folder, and are repaired"
            ),
            Err(error) => {
                tracing::error!(problem = chain(&error), repo = %repo.name, "its git settings could not be repaired: pushes may reach no hook");
            }
        }
    }
    Ok(())
}

pub(super) fn make_folders(data: &DataDir) -> Result<(), ServeError> {
    use std::os::unix::fs::PermissionsExt;
    let make = |path: PathBuf| {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|source| ServeError::Folder { path, source })
    };
    make(data.path().to_owned())?;
    make(data.repos())?;
    make(data.spool())?;
    // Whatever the mode of the data folder, what runs have written is for this account alone.
    for private in [data.path().join("runs"), data.cache(), data.spool()] {
        make(private.clone())?;
        let narrowed = fs::set_permissions(&private, fs::Permissions::from_mode(0o700));
        narrowed.map_err(|source| ServeError::Folder { path: private, source })?;
    }
    Ok(())
}

/// Writes the address where commands find it.
fn write_url(data: &DataDir, url: Option<&str>) {
    if let Err(error) = fs::write(data.server_url(), url.unwrap_or_default()) {
        tracing::warn!(%error, "commands will not know the server's address");
    }
}

/// Opens the doors and runs the tasks.
async fn run(
    options: ServeOptions,
    (instance, tasks): (Instance, Tasks),
    settings: Arc<CurrentSettings>,
    store: Store,
) -> Result<Stopped, ServeError> {
    // A hang-up that comes while the server starts must not end it.
    let hangups = signal(SignalKind::hangup()).map_err(ServeError::Runtime)?;
    let (data, start, routes) = (options.data.clone(), dispatch_start(&options), options.routes.clone());
    let first = settings.get();
    let bind = options.bind.unwrap_or(first.bind);
    let listener = open_address(bind).await?;
    let bound = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let url = bound.map(|address| first.public_url.clone().unwrap_or_else(|| format!("http://{address}")));
    let local = open_local(&data, options.has_socket);
    let local = local.map_err(|source| ServeError::Socket { path: data.socket(), source })?;
    let (wake, wakes) = mpsc::channel(MAX_WAKES);
    let (pushes, open_pushes) = mpsc::channel(MAX_WAKES);
    let (watches, watch_wakes) = mpsc::channel(MAX_WAKES);
    let app = AppState::new(
        (data.clone(), instance.id),
        store,
        settings,
        (wake, pushes, watches),
        (url.clone(), options.environment),
    );
    let visibility = first.http.visibility(bound);
    let (profiles, sources) = (options.profiles, Arc::new(SourcePlace::new(options.sources)));
    let app = AppState { tasks: tasks.clone(), visibility, profiles, sources, ..app };
    write_url(&data, url.as_deref());
    set_aside(&app, &instance).await.map_err(ServeError::Copied)?;
    let child_ends = signal(SignalKind::child()).map_err(ServeError::Runtime)?;
    tasks.spawn_lasting("the reaper of processes", reap(child_ends));
    tasks.spawn_lasting("the writer of the database", closed(app.store.clone()));
    tasks.spawn_lasting("the watcher of pushes", watch_pushes(app.clone(), open_pushes));
    tasks.spawn_lasting("the queue", dispatch(app.clone(), start, wakes));
    tasks.spawn_lasting("the watcher of remotes", watch_remotes(app.watch_context(), watch_wakes));
    tasks.spawn_lasting("the courier of notifications", Courier::run(courier(&app, options.shows_output)));
    tasks.spawn_lasting("the reload of settings", reload(app.clone(), hangups));
    spawn_keepers(&tasks, &app);
    let again = Arc::clone(&app.start_again);
    let at_the_end = app.clone();
    if let Some(url) = &url {
        tracing::info!("answering at {url}");
    }
    open_doors(app, (listener, first.public_url.as_deref(), routes), local);
    // Before anybody is notified: a supervisor may stop the server as soon as it is ready.
    let ends = ends().map_err(ServeError::Runtime)?;
    tracing::info!("serving {}", data.path().display());
    let place = url.map(|url| format!(" at {url}")).unwrap_or_default();
    notify_supervisor(
        options.supervisor.as_ref(),
        &format!("READY=1\nSTATUS=serving {}{place}", data.path().display()),
    );
    let stopped = until_stopped(ends, &again, &tasks).await.map_err(|failure| {
        notify_supervisor(options.supervisor.as_ref(), &format!("STATUS={failure}"));
        ServeError::Task(failure)
    })?;
    notify_supervisor(options.supervisor.as_ref(), stopped.farewell());
    tracing::info!("stopping; runs continue");
    at_the_end.stopping.announce().await;
    if let Err(problem) = record_audit(&at_the_end).await {
        tracing::error!(%problem, "the audit lacks what was done last");
    }
    Ok(stopped)
}

/// Starts the tasks that need nothing but the state.
fn spawn_keepers(tasks: &Tasks, app: &AppState) {
    tasks.spawn_lasting("the audit", audit::record(app.clone()));
    tasks.spawn_lasting("the file of the audit", audit::export(app.clone()));
    tasks.spawn_lasting("the watcher of folders", watch_folders(app.clone()));
    tasks.spawn_lasting("the removal of expired artifacts", remove_expired(app.clone()));
    tasks.spawn("the keys of unanswered requests", forget_unanswered(app.clone()));
    tasks.spawn("the index of older runs", index_older_runs(app.clone()));
}

/// Waits for a signal, for a request to start again, or for a task that is no longer there.
async fn until_stopped(
    (mut term, mut int): (Signal, Signal),
    again: &Notify,
    tasks: &Tasks,
) -> Result<Stopped, TaskFailure> {
    tokio::select! {
        _ = term.recv() => Ok(Stopped::BySignal),
        _ = int.recv() => Ok(Stopped::BySignal),
        () = again.notified() => Ok(Stopped::ToStartAgain),
        failure = tasks.failure() => Err(failure),
    }
}

/// Reads `config.fnl` again on each SIGHUP. Where the server answers is decided when it starts.
async fn reload(app: AppState, mut hangups: Signal) {
    while hangups.recv().await.is_some() {
        let before = app.settings.get();
        let settings = Arc::clone(&app.settings);
        let reloaded = tokio::task::spawn_blocking(move || settings.reload().map(|()| settings.get())).await;
        match reloaded.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(now) => {
                tracing::info!("reloaded config.fnl (SIGHUP)");
                if (now.bind, &now.public_url, &now.http) != (before.bind, &before.public_url, &before.http) {
                    tracing::warn!("changes of :http take effect at the next start");
                }
                app.send_watcher(WatchWake::Changed).await;
            }
            // What is wrong is in the log already, with its place.
            Err(problem) => tracing::warn!(problem, "config.fnl was not reloaded (SIGHUP)"),
        }
    }
}

/// Serves what connects to the address and to the Unix socket.
fn open_doors(
    app: AppState,
    (address, public_url, routes): (Option<TcpListener>, Option<&str>, PublicRoutes),
    local: Listener,
) {
    let (descriptors, tasks) = (descriptors::raise(), app.tasks.clone());
    app.limit_followers(descriptors);
    // First the door of hooks: pushes wait for it, and the other has more routes.
    let limits = DoorLimits::local(descriptors, MAX_FRAME);
    let router = local_router(app.clone(), limits.for_commands());
    tasks.spawn_lasting("the door for commands", http::serve(local, router, limits));
    if let Some(address) = address
        && let Ok(bound) = address.local_addr()
    {
        let router = routes.router(app, bound, public_url);
        let served = http::serve(Listener::Tcp(address), router, DoorLimits::public(descriptors));
        tasks.spawn_lasting("the listener on the address", served);
    }
}

/// Opens the address, if there is one.
async fn open_address(bind: Bind) -> Result<Option<TcpListener>, ServeError> {
    let Bind::Address(address) = bind else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    listener.map(Some).map_err(|source| ServeError::Bind { address, source })
}

/// Opens the Unix socket. A server without one takes away what an earlier one has left, and connects to those of commands.
fn open_local(data: &DataDir, has_socket: bool) -> io::Result<Listener> {
    if !has_socket {
        match fs::remove_file(data.socket()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let calls = data.calls();
        remove_tree(&calls).map_err(io::Error::from)?;
        fs::DirBuilder::new().mode(0o700).create(&calls)?;
        return Calls::new(&calls).map(Listener::Calls);
    }
    remove_tree(&data.calls()).map_err(io::Error::from)?;
    let socket = socket::listen(&data.socket())?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket).map(Listener::Unix)
}

/// Notifies the supervisor that started the server, if there is one.
fn notify_supervisor(supervisor: Option<&Supervisor>, lines: &str) {
    if let Some(Err(error)) = supervisor.map(|supervisor| supervisor.notify(lines)) {
        tracing::warn!(%error, "$NOTIFY_SOCKET does not take what the server says");
    }
}

/// What the owner of the queue is started with.
fn dispatch_start(options: &ServeOptions) -> DispatchStart {
    let launch = Arc::new(LocalLaunch::new(options.data.clone(), options.binary.clone()));
    DispatchStart { launch, shows_output: options.shows_output }
}

/// What the task for notifications stands on.
fn courier(app: &AppState, shows_output: bool) -> CourierStart {
    CourierStart {
        data: app.data.clone(),
        store: app.store.clone(),
        metrics: Arc::clone(&app.metrics),
        settings: Arc::clone(&app.settings),
        notices: Arc::clone(&app.notices),
        url: app.url.clone(),
        environment: app.environment.to_vec(),
        shows_output,
    }
}

/// The signals that end the server, heard from now on.
fn ends() -> io::Result<(Signal, Signal)> {
    Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
}

/// Waits until nothing can be written into the database any more.
async fn closed(store: Store) {
    store.closed().await;
}

/// Takes up what happened while no server ran, then watches the folders of repositories and the spool.
async fn watch_folders(app: AppState) {
    // The names first, for a repository may have got another one, then the spool: what is settled must know the
    // intents of all pushes.
    watcher::sync_repos(&app).await;
    take_spool(&app).await;
    app.tasks.spawn_lasting("the reader of the spool", retry_spool(app.clone()));
    recover_pushes(&app).await;
    watcher::watch(app).await;
}

/// Takes the exit statuses of adopted processes, so that none stays as a zombie.
async fn reap(mut child_ends: Signal) {
    while child_ends.recv().await.is_some() {
        process::reap_all();
    }
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
