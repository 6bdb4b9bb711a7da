//! A data folder without a server to ask: a command performs the operations itself. It reads at once; before it writes, it
//! takes the server's lock.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::audit::record_audit;
use super::problem::{Code, Problem};
use super::state::AppState;
use crate::config::{CurrentSettings, DataDir};
use crate::store::{self, Store, StoreError};
use crate::sys::http_client::{self, Answer};
use crate::sys::lock::{self, LockFile};
use crate::sys::{random, user};

/// The state of a command.
pub struct Local {
    app: AppState,
    runtime: Runtime,
    reader: JoinHandle<()>,
}

/// The way to write into the database of a data folder that no server has.
#[derive(Default)]
pub(crate) struct LocalWriter(Mutex<Option<Writer>>);

struct Writer {
    store: Store,
    thread: JoinHandle<()>,
    _lock: LockFile,
}

impl Local {
    /// Opens a data folder for reading. `environment` is that of the command.
    ///
    /// # Errors
    /// When the database is there and cannot be read.
    pub(crate) fn open(data: &DataDir, environment: Vec<(String, String)>) -> Result<Self, Problem> {
        let database = match data.database().try_exists() {
            Ok(true) => store::open_read_only(&data.database()),
            Ok(false) => store::open_empty(),
            Err(error) => {
                let text = format!("could not read {}: {error}", data.database().display());
                return Err(Problem::new(Code::DataUnreadable, text));
            }
        };
        Self::over(data, environment, database)
    }

    /// Opens a data folder for what needs no database: one that cannot be read is reported by doctor, not here.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn open_folder(data: &DataDir, environment: Vec<(String, String)>) -> Result<Self, Problem> {
        Self::over(data, environment, store::open_empty())
    }

    fn over(
        data: &DataDir,
        environment: Vec<(String, String)>,
        database: Result<Connection, StoreError>,
    ) -> Result<Self, Problem> {
        let (store, reader) = Store::start(database.map_err(|error| Problem::failed(&error))?);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Problem::failed(&error))?;
        // Nobody hears these: what a server's tasks would do is done by the operations themselves.
        let (wake, _) = mpsc::channel(1);
        let (pushes, _) = mpsc::channel(1);
        let (watches, _) = mpsc::channel(1);
        let url = std::fs::read_to_string(data.server_url()).ok().filter(|url| !url.is_empty());
        let app = AppState::new(
            (data.clone(), random::instance_id()),
            store,
            Arc::new(CurrentSettings::unread(data.config())),
            (wake, pushes, watches),
            (url, environment),
        );
        let actor = Arc::from(format!("uid:{}", user::own_uid()));
        let app = AppState { local: Some(Arc::default()), actor, ..app };
        Ok(Self { app, runtime, reader })
    }

    /// The same for somebody else than the account.
    #[must_use]
    pub(crate) fn acting_as(self, actor: &str) -> Self {
        Self { app: AppState { actor: Arc::from(actor), ..self.app }, ..self }
    }

    /// Performs operations, records them in the audit, and closes the database. `warn` gets what does not undo them.
    ///
    /// # Errors
    /// What `work` says.
    pub(crate) fn perform<T>(
        self,
        work: impl AsyncFnOnce(&AppState) -> Result<T, Problem>,
        warn: impl FnOnce(&str),
    ) -> Result<T, Problem> {
        let Self { app, runtime, reader } = self;
        let done = runtime.block_on(work(&app));
        if let Err(problem) = runtime.block_on(record_audit(&app)) {
            warn(&format!("this is not in the audit: {problem}"));
        }
        // Something that is still being read or resolved must not hold up the end.
        runtime.shutdown_background();
        let writer = app.local.as_ref().and_then(|local| local.take());
        drop(app);
        if let Some(Writer { store, thread, _lock }) = writer {
            drop(store);
            let _has_failed = thread.join().is_err();
        }
        let _has_failed = reader.join().is_err();
        done
    }
}

impl LocalWriter {
    /// The writer, opened by whoever needs it first.
    pub(super) fn open(&self, data: &DataDir) -> Result<Store, Problem> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = &*writer {
            return Ok(writer.store.clone());
        }
        let lock = LockFile::try_acquire(&data.server_lock()).map_err(|error| Problem::failed(&error))?;
        let lock = lock.ok_or_else(unreachable_server)?;
        let connection = store::open(&data.database()).map_err(|error| Problem::failed(&error))?;
        let (store, thread) = Store::start(connection);
        *writer = Some(Writer { store: store.clone(), thread, _lock: lock });
        Ok(store)
    }

    fn take(&self) -> Option<Writer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Whether a server has the data folder that opens no socket.
pub(super) fn serves_without_socket(data: &DataDir) -> bool {
    let has_socket = data.socket().symlink_metadata().is_ok();
    !has_socket && lock::is_held(&data.server_lock()).unwrap_or(false)
}

/// Sends a request to the server of a data folder: over its socket, or, when it has none, by a call.
///
/// # Errors
/// No server answers.
pub(crate) fn request_server(
    data: &DataDir,
    (method, target, body): (&str, &str, &[u8]),
    patience: Duration,
) -> io::Result<Answer> {
    match http_client::request(&data.socket(), method, target, body, patience) {
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && data.calls().is_dir()
                && serves_without_socket(data) =>
        {
            http_client::request_by_call(&data.calls(), method, target, body, patience)
        }
        answer => answer,
    }
}

/// The problem that a server has the data folder and was not asked.
fn unreachable_server() -> Problem {
    Problem::new(Code::ServerSilent, "a server has the data folder, but it does not answer")
        .hint("is it stopped?")
}
