//! Opens the database and brings it to the version of this binary.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::wal::MAX_WAL;

/// The migrations, oldest first: the n-th brings a database from version n to n + 1.
#[rustfmt::skip] // one a line
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("watches.sql"),
    include_str!("outbox.sql"),
    include_str!("rewritten.sql"),
    include_str!("events.sql"),
    include_str!("reasons.sql"),
    include_str!("watch_options.sql"),
    include_str!("jobs.sql"),
    include_str!("watch_runs.sql"),
    include_str!("api.sql"),
    include_str!("sources.sql"),
    include_str!("job_runs.sql"),
    include_str!("accounts.sql"),
    include_str!("artifacts.sql"),
];

/// How long a statement waits for another process, such as a reader that checkpoints.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be opened.
    #[error("could not open the database {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file could not be made.
    #[error("could not make the database {path}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It was written by a newer quire.
    #[error("the database {path} has version {found}, this quire knows up to {known}; use the newer quire")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The newest version that this binary knows.
        known: usize,
    },
    /// It was written by an older quire, and is only read.
    #[error(
        "the database {path} has version {found}, this quire reads version {known}; start `quire serve` once to bring it there"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The version that this binary reads.
        known: usize,
    },
    /// A migration failed; the database is as it was.
    #[error("could not bring the database {path} to version {to}")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The version that was not reached.
        to: u32,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A statement failed.
    #[error("the database refused a statement")]
    Statement(#[from] rusqlite::Error),
}

/// Opens the database for writing, makes it when it is not there, and migrates it.
///
/// # Errors
/// When the file cannot be opened, is newer than this binary, or a migration fails.
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    let wrong = |source| StoreError::Open { path: path.to_owned(), source };
    make_private(path).map_err(|source| StoreError::Create { path: path.to_owned(), source })?;
    let mut connection = Connection::open(path).map_err(wrong)?;
    configure(&connection).map_err(wrong)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(wrong)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(wrong)?;
    connection.pragma_update(None, "journal_size_limit", MAX_WAL.cast_signed()).map_err(wrong)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(wrong)?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// What holds for every connection.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Otherwise SQLite compiles a statement again for each of its values that might decide about a partial index.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Makes the file for this account alone, before there is anything in it; SQLite gives its other files the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

/// Opens the database for reading only.
///
/// # Errors
/// When it is not there, cannot be opened, or is newer than this binary.
pub fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    open_as_it_is(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// Opens the database for a few rows in addition to those of the server that has it.
///
/// # Errors
/// When it is not there, cannot be opened, or has another version than this binary.
pub fn open_existing(path: &Path) -> Result<Connection, StoreError> {
    open_as_it_is(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

fn open_as_it_is(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let wrong = |source| StoreError::Open { path: path.to_owned(), source };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(wrong)?;
    configure(&connection).map_err(wrong)?;
    let found = version(&connection).map_err(wrong)?;
    if found > MIGRATIONS.len() {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() });
    }
    if found < MIGRATIONS.len() {
        return Err(StoreError::Older { path: path.to_owned(), found, known: MIGRATIONS.len() });
    }
    Ok(connection)
}

/// A database with nothing in it, in memory.
///
/// # Errors
/// When SQLite refuses.
pub fn open_empty() -> Result<Connection, StoreError> {
    let mut connection = Connection::open_in_memory()?;
    configure(&connection)?;
    migrate(&mut connection, Path::new(":memory:"))?;
    Ok(connection)
}

/// The version of the tables.
pub fn schema_version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Writes a page of the database as it is.
///
/// # Errors
/// When nothing can be written.
pub fn expect_writable(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", schema_version(connection)?)
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    schema_version(connection).map(|version| version as usize)
}

/// Applies the migrations that are missing, in one transaction: nobody sees a database between two versions.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found = version(connection).map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    if found > MIGRATIONS.len() {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() });
    }
    if found == MIGRATIONS.len() {
        return Ok(());
    }
    let failed = |to, source| StoreError::Migrate { path: path.to_owned(), to, source };
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = begun.map_err(|source| failed(1, source))?;
    // Another process may have done it meanwhile.
    let found = version(&transaction).map_err(|source| failed(1, source))?;
    for (to, sql) in (1_u32..).zip(MIGRATIONS).skip(found) {
        let migrated = transaction.execute_batch(sql);
        let migrated = migrated.and_then(|()| transaction.pragma_update(None, "user_version", to));
        migrated.map_err(|source| failed(to, source))?;
    }
    transaction.commit().map_err(|source| failed(1, source))
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_watch_that_an_older_version_has_seen_was_not_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quire.db");
        let old = Connection::open(&path).unwrap();
        MIGRATIONS.iter().take(3).for_each(|sql| old.execute_batch(sql).unwrap());
        old.pragma_update(None, "user_version", 3).unwrap();
        let row = "INSERT INTO watch_states VALUES ('w', '/x', 'main', 'following', 5, NULL, NULL, 'main')";
        old.execute(row, []).unwrap();
        drop(old);
        let new = open(&path).unwrap();
        let seen: (String, Option<i64>) = new
            .query_row("SELECT state, rewritten_at FROM watch_states", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(seen, ("following".to_owned(), None));
    }

    #[test]
    fn no_statement_is_compiled_again_for_other_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quire.db");
        for connection in [open(&path), open_read_only(&path), open_existing(&path), open_empty()] {
            let connection = connection.unwrap();
            let mut statement = connection.prepare("SELECT seq FROM runs WHERE state = ?1").unwrap();
            for state in ["queued", "running", "finished"] {
                assert!(!statement.exists([state]).unwrap());
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        }
    }

    /// Rows of version 4 are the same runs in version 5: those of watched repositories come from `watch`, reruns repeat all.
    #[test]
    fn the_runs_of_an_older_version_have_typed_events() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quire.db");
        let old = Connection::open(&path).unwrap();
        MIGRATIONS.iter().take(4).for_each(|sql| old.execute_batch(sql).unwrap());
        old.pragma_update(None, "user_version", 4).unwrap();
        old.execute_batch(
            "INSERT INTO repos (id, name, present) VALUES ('r1', 'site', 1), ('watched:r1', 'mirror', 1);
             INSERT INTO runs (seq, id, repo, number, ref, old, sha, event, pusher, options, pushed_at, state, outcome,
                               reason, rerun_of, queued_at, finished_at) VALUES
               (1, 'a', 'r1', 1, x'61', 'o', 's', 'push', 'watch', '[]', 1, 'finished', 'failed', 'why', NULL, 2, 3),
               (5, 'b', 'r1', 2, x'61', 'o', 's', 'push', NULL, '[]', 1, 'queued', NULL, NULL, 1, 2, NULL),
               (7, 'c', 'watched:r1', 1, x'61', 'o', 's', 'push', 'watch', '[]', 1, 'queued', NULL, NULL, NULL, 2, NULL);
             DELETE FROM notices;",
        )
        .unwrap();
        drop(old);
        let new = open(&path).unwrap();
        let rows = |sql: &str| -> Vec<String> {
            let mut statement = new.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        };
        assert_eq!(
            rows(
                "SELECT concat_ws(' ', seq, id, event, ifnull(pusher, '-'), ifnull(rerun_what, '-')) FROM runs"
            ),
            ["1 a push watch -", "5 b push - \"all\"", "7 c watch - -"]
        );
        assert_eq!(rows("SELECT concat_ws(' ', id, origin) FROM repos"), ["r1 hosted", "watched:r1 watched"]);
        // The migration ends no run, and later ends cause notices.
        assert!(rows("SELECT run FROM notices").is_empty());
        new.execute("UPDATE runs SET state = 'finished', finished_at = 9 WHERE id = 'b'", []).unwrap();
        assert_eq!(rows("SELECT run FROM notices"), ["b"]);
    }

    #[test]
    fn a_new_database_is_migrated_once_and_a_newer_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quire.db");
        assert!(matches!(open_read_only(&path), Err(StoreError::Open { .. })));
        drop(open(&path).unwrap());
        let connection = open(&path).unwrap();
        assert_eq!(version(&connection).unwrap(), MIGRATIONS.len());
        connection.pragma_update(None, "user_version", 4).unwrap();
        assert!(matches!(open_read_only(&path), Err(StoreError::Older { found: 4, .. })));
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        assert!(matches!(open(&path), Err(StoreError::Newer { found: 99, .. })));
        assert!(matches!(open_read_only(&path), Err(StoreError::Newer { .. })));
    }
}
