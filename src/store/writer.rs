//! The single writer: a thread that owns the connection and runs closures on it, one after the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::{Notify, mpsc, oneshot};

use super::wal::WalKeeper;
use crate::metrics::ShortTimes;

/// The most closures that may wait for the writer before callers have to wait to submit theirs.
const MAX_WAITING: usize = 1024;

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// The writer has ended, because the program is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database is closed")]
pub(crate) struct WriterGone;

/// A handle to the writer. Clones share it; it ends when the last one is gone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    work: mpsc::Sender<Work>,
    audited: Arc<Notify>,
    commits: ShortTimes,
}

impl Store {
    /// Starts the writer over an open connection.
    pub(crate) fn start(mut connection: Connection) -> (Self, JoinHandle<()>) {
        let (sender, mut receiver) = mpsc::channel::<Work>(MAX_WAITING);
        let audited = Arc::new(Notify::new());
        let commits = ShortTimes::default();
        let (bell, timed) = (Arc::clone(&audited), commits.clone());
        let thread = thread::spawn(move || {
            let mut log = WalKeeper::of(&connection);
            let has_audited = note_audit(&mut connection);
            let committed = note_commits(&mut connection);
            while let Some(work) = receiver.blocking_recv() {
                work(&mut connection);
                if let Some(begun) = take(&committed) {
                    timed.observe(begun.elapsed());
                }
                if has_audited.swap(false, Ordering::Relaxed) {
                    bell.notify_one();
                }
                log.look(&connection);
            }
        });
        (Self { work: sender, audited, commits }, thread)
    }

    /// The times of commits.
    pub(crate) fn commits(&self) -> &ShortTimes {
        &self.commits
    }

    /// Waits until the audit has got entries.
    pub(crate) async fn audited(&self) {
        self.audited.notified().await;
    }

    /// Waits until the writer has ended.
    pub(crate) async fn closed(&self) {
        self.work.closed().await;
    }

    /// Runs `work` on the writer's thread and waits for its result. When the caller stops waiting, the work
    /// is done nevertheless.
    ///
    /// # Errors
    /// The writer has ended.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, WriterGone> {
        let (answer, answered) = oneshot::channel();
        let boxed: Work = Box::new(move |connection| {
            // The caller is gone: the work is done, only its result is not needed.
            let _unwanted = answer.send(work(connection)).is_err();
        });
        self.work.send(boxed).await.map_err(|_| WriterGone)?;
        answered.await.map_err(|_| WriterGone)
    }
}

/// Is set when the audit gets an entry.
fn note_audit(connection: &mut Connection) -> Arc<AtomicBool> {
    let has_audited = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&has_audited);
    let hook = move |_: rusqlite::hooks::Action, _: &str, table: &str, _: i64| {
        if table == "audit" {
            noted.store(true, Ordering::Relaxed);
        }
    };
    if let Err(error) = connection.update_hook(Some(hook)) {
        tracing::error!(%error, "the file of the audit is written late");
    }
    has_audited
}

/// When the last commit began; nothing when none did.
type Begun = Arc<Mutex<Option<Instant>>>;

fn take(begun: &Begun) -> Option<Instant> {
    begun.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Has the begin of each commit noted. It is the last that a piece of work does.
fn note_commits(connection: &mut Connection) -> Begun {
    let begun = Begun::default();
    let noted = Arc::clone(&begun);
    let hook = move || {
        *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        false
    };
    if let Err(error) = connection.commit_hook(Some(hook)) {
        tracing::error!(%error, "commits of the database are not timed");
    }
    begun
}
