//! Whether the server can do its work: write into its data folder, and use its database.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::config::DataDir;
use crate::store::Store;
use crate::sys::folder::Folder;

/// How long a disk or a database may take that works.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long an answer counts: each one costs a write to the disk.
const FRESH: Duration = Duration::from_secs(1);

/// The file that is written.
const FILE: &str = "health.probe";

/// When something was found, and what.
type Found = (Instant, Result<(), String>);

/// What was found the last time. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    last: Arc<Mutex<Option<Found>>>,
    /// Whether a write has begun and not ended: on a frozen disk it may never.
    is_writing: Arc<AtomicBool>,
}

impl Probe {
    /// Says what is wrong, within about [`PATIENCE`].
    pub(crate) async fn look(&self, data: &DataDir, store: &Store) -> Result<(), String> {
        let mut last = self.last.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < FRESH
        {
            return found.clone();
        }
        let database = timeout(PATIENCE, store.call(|connection| connection.execute_batch("SELECT 1")));
        let (written, read) = tokio::join!(timeout(PATIENCE, self.write(data.path())), database);
        let written = written.unwrap_or_else(|_| Err("the disk does not answer".to_owned()));
        let read = match read {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(format!("the database cannot be used: {error}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the database does not answer".to_owned()),
        };
        let found = written.and(read);
        *last = Some((Instant::now(), found.clone()));
        found
    }

    /// Writes into the data folder where it may block, unless an earlier write still does.
    async fn write(&self, data: &Path) -> Result<(), String> {
        if self.is_writing.swap(true, Ordering::SeqCst) {
            return Err("the disk does not answer".to_owned());
        }
        let (data, is_writing) = (data.to_owned(), Arc::clone(&self.is_writing));
        let written = tokio::task::spawn_blocking(move || {
            let written = probe(&data);
            is_writing.store(false, Ordering::SeqCst);
            written
        });
        let written = written.await.map_err(|error| error.to_string())?;
        written.map_err(|error| format!("the data folder cannot be written: {error}"))
    }
}

/// Writes a file and waits until it is on disk.
fn probe(data: &Path) -> io::Result<()> {
    let folder = Folder::open(data)?;
    folder.remove_tree(FILE).map_err(io::Error::other)?;
    let mut file = folder.create_new(FILE, 0o600)?;
    file.write_all(b"x")?;
    file.sync_data()?;
    folder.remove_file(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_that_does_not_answer_is_not_asked_twice() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path());
        let (store, writer) = Store::start(crate::store::open(&data.database()).unwrap());
        let health = Probe::default();
        assert_eq!(health.look(&data, &store).await, Ok(()));
        assert!(!folder.path().join(FILE).exists());
        let frozen = Probe::default();
        frozen.is_writing.store(true, Ordering::SeqCst);
        assert_eq!(frozen.look(&data, &store).await, Err("the disk does not answer".to_owned()));
        let gone = DataDir::new(folder.path().join("gone"));
        assert!(Probe::default().look(&gone, &store).await.is_err());
        drop(store);
        writer.join().unwrap();
    }
}
