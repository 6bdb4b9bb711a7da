//! The single writer: a thread that owns the connection and runs closures on it, one after the other. A server reads what
//! clients ask for beside it.
//!
//! There are two durabilities. What is promised to somebody is on the disk before it is answered: one sync for all that
//! waited meanwhile. What can be found again elsewhere, as the journal of a run, is committed without a sync, and comes to
//! the disk with the next one.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::{Notify, mpsc, oneshot};

use super::open::StoreError;
use super::reader::{Reader, Reading};
use super::wal::WalKeeper;
use crate::metrics::ShortTimes;

/// The most closures that may wait for the writer before callers have to wait to submit theirs.
const MAX_WAITING: usize = 1024;

/// The most closures whose answers wait for one sync.
const MAX_BATCH: usize = 64;

/// Gives its answer to whoever waits.
type Answer = Box<dyn FnOnce() + Send>;

/// What is to be done on the connection.
struct Work {
    perform: Box<dyn FnOnce(&mut Connection) -> Answer + Send>,
    is_synced: bool,
}

/// The writer has ended, because the program is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database is closed")]
pub(crate) struct WriterGone;

/// A handle to the writer. Clones share it; it ends when the last one is gone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    // Before the way to the writer: the fields are dropped in this order.
    reader: Option<Arc<Reader>>,
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
            let has_audited = note_audit(&mut connection);
            let mut writer = Writer::new(connection, timed);
            while let Some(work) = receiver.blocking_recv() {
                if let Err(error) = writer.work_off(work, &mut receiver) {
                    // No work may be answered as kept.
                    return tracing::error!(%error, "the database could not be brought to the disk");
                }
                if has_audited.swap(false, Ordering::Relaxed) {
                    bell.notify_one();
                }
            }
        });
        (Self { reader: None, work: sender, audited, commits }, thread)
    }

    /// The same store with a reader of the database at `path` beside the writer.
    ///
    /// # Errors
    /// When the database cannot be opened once more.
    pub(crate) fn with_reader(self, path: &Path) -> Result<Self, StoreError> {
        Ok(Self { reader: Some(Arc::new(Reader::start(path)?)), ..self })
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

    /// Runs `read`, which sees all that was committed before, and waits for its result. It does not wait for the writer if
    /// there is a reader.
    ///
    /// # Errors
    /// The reader, or the writer in its place, has ended.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<T, WriterGone> {
        let Some(reader) = self.reader.as_ref().and_then(|reader| reader.work()) else {
            return self.call(|connection| read(connection)).await;
        };
        let (answer, answered) = oneshot::channel();
        let boxed: Reading = Box::new(move |connection| {
            let _unwanted = answer.send(read(connection)).is_err();
        });
        reader.send(boxed).await.map_err(|_| WriterGone)?;
        answered.await.map_err(|_| WriterGone)
    }

    /// Runs `work` on the writer's thread and waits for its result, until that is on the disk. When the caller stops waiting,
    /// the work is done nevertheless.
    ///
    /// # Errors
    /// The writer has ended.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, WriterGone> {
        self.submit(work, true).await
    }

    /// The same without waiting for the disk: for what is found again elsewhere when power fails.
    ///
    /// # Errors
    /// The writer has ended.
    pub(crate) async fn call_unsynced<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, WriterGone> {
        self.submit(work, false).await
    }

    async fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> T + Send + 'static,
        is_synced: bool,
    ) -> Result<T, WriterGone> {
        let (answer, answered) = oneshot::channel();
        let perform = move |connection: &mut Connection| -> Answer {
            let result = work(connection);
            // The caller may be gone: the work is done, only its result is not needed.
            Box::new(move || drop(answer.send(result)))
        };
        let work = Work { perform: Box::new(perform), is_synced };
        self.work.send(work).await.map_err(|_| WriterGone)?;
        answered.await.map_err(|_| WriterGone)
    }
}

/// The connection, and what is kept beside it.
struct Writer {
    connection: Connection,
    log: WalKeeper,
    committed: Begun,
    commits: ShortTimes,
}

impl Writer {
    fn new(mut connection: Connection, commits: ShortTimes) -> Self {
        let log = WalKeeper::of(&connection);
        if let Err(error) = connection.pragma_update(None, "synchronous", "NORMAL") {
            tracing::warn!(%error, "each commit of the database is synced");
        }
        let committed = note_commits(&mut connection);
        Self { connection, log, committed, commits }
    }

    /// Does a piece of work, and what came meanwhile, and answers when all of it is on the disk that has to be.
    ///
    /// # Errors
    /// The log cannot be synced. What waits for it is not answered.
    fn work_off(&mut self, first: Work, more: &mut mpsc::Receiver<Work>) -> io::Result<()> {
        let mut batch = vec![first];
        while batch.len() < MAX_BATCH
            && let Ok(work) = more.try_recv()
        {
            batch.push(work);
        }
        let (mut waiting, mut begun) = (Vec::new(), Vec::new());
        for work in batch {
            let answer = (work.perform)(&mut self.connection);
            match (take(&self.committed), work.is_synced) {
                (Some(at), true) => begun.push(at),
                (Some(at), false) => self.commits.observe(at.elapsed()),
                (None, _) => {}
            }
            // Also of what only reads: it may have seen what is not on the disk yet.
            if begun.is_empty() { answer() } else { waiting.push(answer) }
        }
        if !begun.is_empty() {
            self.log.sync()?;
        }
        begun.into_iter().for_each(|at| self.commits.observe(at.elapsed()));
        waiting.into_iter().for_each(|answer| answer());
        self.log.look(&self.connection);
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::store::open;

    #[tokio::test]
    async fn a_reader_sees_all_that_was_committed_and_does_not_wait_for_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quire.db");
        let (store, writer) = Store::start(open(&path).unwrap());
        let store = store.with_reader(&path).unwrap();
        let count = |connection: &Connection| {
            connection.query_row("SELECT count(*) FROM repos", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        let insert = "INSERT INTO repos (id, name, present) VALUES (?1, ?1, 1)";
        store.call(move |connection| connection.execute(insert, ["a"]).unwrap()).await.unwrap();
        assert_eq!(store.read(count).await, Ok(1));
        let (go_on, wait) = mpsc::channel();
        let busy = store.call(move |connection| {
            let transaction = connection.transaction().unwrap();
            transaction.execute(insert, ["b"]).unwrap();
            wait.recv().unwrap();
            transaction.commit().unwrap();
        });
        let ((), ()) = tokio::join!(async { busy.await.unwrap() }, async {
            assert_eq!(store.read(count).await, Ok(1));
            go_on.send(()).unwrap();
        });
        assert_eq!(store.read(count).await, Ok(2));
        drop(store);
        writer.join().unwrap();
        assert!(!folder.path().join("quire.db-wal").exists(), "the writer was not the last to close it");
    }

    #[tokio::test]
    async fn what_cannot_be_brought_to_the_disk_is_not_answered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quire.db");
        let (store, writer) = Store::start(open(&path).unwrap());
        let insert = |id: &'static str| {
            move |connection: &mut Connection| {
                connection.execute("INSERT INTO repos (id, name, present) VALUES (?1, ?1, 1)", [id]).unwrap()
            }
        };
        assert_eq!(store.call(insert("a")).await, Ok(1));
        // What is synced is not where the next server looks.
        std::fs::remove_file(folder.path().join("quire.db-wal")).unwrap();
        assert_eq!(store.call(insert("b")).await, Err(WriterGone));
        assert_eq!(store.call_unsynced(insert("c")).await, Err(WriterGone));
        writer.join().unwrap();
    }
}
