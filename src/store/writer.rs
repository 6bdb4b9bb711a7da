//! The single writer: a thread that owns the connection and runs closures on it, one after the other.

use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::wal::WalKeeper;

/// The most closures that may wait for the writer before callers have to wait to submit theirs.
const MAX_WAITING: usize = 1024;

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// The writer has ended, because the program is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database is closed")]
pub struct WriterGone;

/// A handle to the writer. Clones share it; it ends when the last one is gone.
#[derive(Debug, Clone)]
pub struct Store {
    work: mpsc::Sender<Work>,
}

impl Store {
    /// Starts the writer over an open connection.
    pub fn start(mut connection: Connection) -> (Self, JoinHandle<()>) {
        let (sender, mut receiver) = mpsc::channel::<Work>(MAX_WAITING);
        let thread = thread::spawn(move || {
            let mut log = WalKeeper::of(&connection);
            while let Some(work) = receiver.blocking_recv() {
                work(&mut connection);
                log.look(&connection);
            }
        });
        (Self { work: sender }, thread)
    }

    /// Waits until the writer has ended.
    pub async fn closed(&self) {
        self.work.closed().await;
    }

    /// Runs `work` on the writer's thread and waits for its result. When the caller stops waiting, the work
    /// is done nevertheless.
    ///
    /// # Errors
    /// The writer has ended.
    pub async fn call<T: Send + 'static>(
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
