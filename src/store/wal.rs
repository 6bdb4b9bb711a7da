//! Keeps the write-ahead log of the database small.
//!
//! SQLite moves the log into the database by itself, but not past the state that a reader still sees, and it does not
//! shrink the file. A reader in another process cannot be closed from here: it is logged, and the log is truncated when it has ended.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;

use super::open::BUSY;

/// The largest log that is kept, in bytes.
pub(super) const MAX_WAL: u64 = 16 << 20;

/// Checks the size of the log after each change.
#[derive(Debug)]
pub(super) struct WalKeeper {
    log: Option<PathBuf>,
    /// The log: SQLite keeps the file as long as a connection is open. Nothing when it is not there yet.
    file: Option<File>,
    /// The size above which the log is truncated: more than [`MAX_WAL`] while a reader blocks it.
    limit: u64,
}

impl WalKeeper {
    /// A keeper of the log of this database.
    pub(super) fn of(connection: &Connection) -> Self {
        let log = connection.path().filter(|path| !path.is_empty()).map(|path| format!("{path}-wal").into());
        let file = log.as_ref().and_then(|log| File::open(log).ok());
        Self { log, file, limit: MAX_WAL }
    }

    /// Brings to the disk what was committed.
    ///
    /// # Errors
    /// It may not be on the disk, also when this is tried again (fsync(2)); or the log is not in its place any more, where
    /// whoever opens the database next looks for it.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(log)?,
        };
        file.sync_data()?;
        let (there, here) = (fs::symlink_metadata(log)?, file.metadata()?);
        if (there.dev(), there.ino()) != (here.dev(), here.ino()) {
            return Err(io::Error::other("the write-ahead log was replaced"));
        }
        self.file = Some(file);
        Ok(())
    }

    /// Truncates the log when it has become too large. Does not wait for readers.
    pub(super) fn look(&mut self, connection: &Connection) {
        let Some(log) = &self.log else { return };
        // One that cannot be seen is not there, or SQLite reports it.
        let size = fs::symlink_metadata(log).map_or(0, |log| log.len());
        if size <= self.limit {
            return;
        }
        match cut(connection) {
            Ok(true) => self.limit = MAX_WAL,
            Ok(false) => {
                let mib = size >> 20;
                tracing::warn!(
                    mib,
                    "the write-ahead log of the database grows because a process reads an old state; find the process: fuser {}",
                    log.display()
                );
                self.limit = size.saturating_add(MAX_WAL);
            }
            Err(error) => {
                tracing::warn!(%error, "could not truncate the write-ahead log of the database");
                self.limit = size.saturating_add(MAX_WAL);
            }
        }
    }
}

/// Moves the log into the database and empties it; false when a reader blocks it.
fn cut(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::ZERO)?;
    let is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    connection.busy_timeout(BUSY)?;
    is_busy.map(|is_busy| !is_busy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, open, open_read_only};

    #[tokio::test]
    async fn a_log_that_a_reader_kept_is_cut_when_the_reader_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quire.db");
        let (store, writer) = Store::start(open(&path).unwrap());
        let size = || fs::metadata(folder.path().join("quire.db-wal")).unwrap().len();
        let fill = |connection: &mut Connection| {
            connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS filler (x); INSERT INTO filler VALUES (randomblob(1000000))",
            )
        };
        store.call(fill).await.unwrap().unwrap();
        let reader = open_read_only(&path).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        reader.query_row("SELECT count(*) FROM filler", [], |row| row.get::<_, i64>(0)).unwrap();
        for _ in 0..40 {
            store.call(fill).await.unwrap().unwrap();
        }
        assert!(size() > 2 * MAX_WAL);
        drop(reader);
        for _ in 0..20 {
            store.call(fill).await.unwrap().unwrap();
        }
        assert!(size() <= MAX_WAL, "{}", size());
        drop(store);
        writer.join().unwrap();
    }
}
