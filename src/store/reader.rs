//! Reading beside the writer: a thread with a connection of its own, which waits for no commit.

use std::path::Path;
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::open::{StoreError, open_read_only};

/// The most closures that may wait for the reader before callers have to wait to submit theirs.
const MAX_WAITING: usize = 256;

pub(super) type Reading = Box<dyn FnOnce(&Connection) + Send>;

/// The thread. It has ended when this is dropped: the writer is the last to close the database.
#[derive(Debug)]
pub(super) struct Reader {
    work: Option<mpsc::Sender<Reading>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Starts the thread over the database at `path`, which has been migrated.
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let connection = open_read_only(path)?;
        let (work, mut waiting) = mpsc::channel::<Reading>(MAX_WAITING);
        let thread = thread::spawn(move || {
            while let Some(read) = waiting.blocking_recv() {
                // All statements of one piece of work read the same state, and lock the database once.
                match connection.unchecked_transaction() {
                    Ok(transaction) => read(&transaction),
                    // What it reads says what is wrong.
                    Err(_) => read(&connection),
                }
            }
        });
        Ok(Self { work: Some(work), thread: Some(thread) })
    }

    /// The way to the thread.
    pub(super) fn work(&self) -> Option<&mpsc::Sender<Reading>> {
        self.work.as_ref()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.work.take());
        let _has_failed = self.thread.take().is_some_and(|thread| thread.join().is_err());
    }
}
