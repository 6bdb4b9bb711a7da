//! The audit of a running server: what waits is recorded, and what is recorded goes to the file of `:audit`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::backoff::Backoff;
use crate::app::{AppState, AuditRow, record_audit};
use crate::model::chain;
use crate::store;
use crate::view::audit_file_line;

/// The most entries that are written at a time.
const MAX_BATCH: u32 = 500;

/// How late entries of other processes may be in the file: a command beside a server without a socket.
const OF_OTHERS: Duration = Duration::from_secs(5);

/// The pauses after a failure.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Records what waits, until the server stops.
pub(super) async fn record(app: AppState) {
    loop {
        app.audit.added().await;
        let mut wait = Backoff::new(FIRST_RETRY, LAST_RETRY);
        let mut trouble = None;
        while let Err(problem) = record_audit(&app).await {
            let text = format!("the audit cannot be recorded: {problem}");
            trouble.get_or_insert_with(|| {
                tracing::error!("{text}");
                app.health.report(text)
            });
            tokio::time::sleep(wait.next()).await;
        }
    }
}

/// Writes what is recorded into the file of `:audit`, until the server stops. A failure is a trouble of the server, and
/// everything that could not be written is written later.
pub(super) async fn export(app: AppState) {
    let mut wait = Backoff::new(FIRST_RETRY, LAST_RETRY);
    let mut trouble = None;
    loop {
        match export_all(&app).await {
            Ok(()) => {
                (trouble, wait) = (None, Backoff::new(FIRST_RETRY, LAST_RETRY));
                let _only_late = tokio::time::timeout(OF_OTHERS, app.store.audited()).await.is_err();
            }
            Err(problem) => {
                trouble.get_or_insert_with(|| {
                    tracing::error!("{problem}; retrying");
                    app.health.report(problem)
                });
                tokio::time::sleep(wait.next()).await;
            }
        }
    }
}

async fn export_all(app: &AppState) -> Result<(), String> {
    loop {
        let (settings, cursor) = (Arc::clone(&app.settings), app.data.audit_cursor());
        let place = blocking(move || {
            let file = settings.get().audit_file.clone();
            let after = file.as_ref().map(|_| read_cursor(&cursor)).transpose();
            Ok(file.zip(after.map_err(|error| format!("could not read {}: {error}", cursor.display()))?))
        });
        let Some((file, after)) = place.await? else { return Ok(()) };
        let rows = app.store.call(move |connection| store::audit_after(connection, after, MAX_BATCH)).await;
        let rows = rows.map_err(|error| error.to_string())?;
        let rows = rows.map_err(|error| format!("the audit cannot be read: {}", chain(&error)))?;
        if rows.is_empty() {
            return Ok(());
        }
        let cursor = app.data.audit_cursor();
        blocking(move || write(&file, &cursor, rows)).await?;
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
}

/// The number of the last entry that was written.
fn read_cursor(path: &Path) -> io::Result<i64> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Appends entries to the file, and notes the last one. A server that is killed in between writes them twice.
fn write(path: &Path, cursor: &Path, rows: Vec<AuditRow>) -> Result<(), String> {
    let last = rows.last().map_or(0, |row| row.id);
    let lines = rows.into_iter().map(audit_file_line).collect::<Result<String, _>>();
    let lines = lines.map_err(|error| format!("an entry of the audit cannot be written: {error}"))?;
    append(path, lines.as_bytes())
        .map_err(|error| format!("the file of the audit, {}, cannot be written: {error}", path.display()))?;
    let noted = note(cursor, last);
    noted.map_err(|error| format!("could not write {}: {error}", cursor.display()))
}

/// Appends lines to a file, all of them or none.
fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    // Opened each time: the file may have been rotated.
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    let written =
        end_line(&mut file, length).and_then(|()| file.write_all(lines)).and_then(|()| file.sync_data());
    written.inspect_err(|_| {
        let _stays = file.set_len(length).is_err();
    })
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A pipe without a reader must not hold up the server.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = options.read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

/// Ends a line that somebody has left without its end.
fn end_line(file: &mut File, length: u64) -> io::Result<()> {
    let Some(last) = length.checked_sub(1) else { return Ok(()) };
    let mut byte = [0];
    file.seek(SeekFrom::Start(last))?;
    file.read_exact(&mut byte)?;
    if byte == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

fn note(path: &Path, last: i64) -> io::Result<()> {
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    let mut file = tempfile::Builder::new().prefix(".quire-").tempfile_in(folder)?;
    writeln!(file, "{last}")?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use serde_json::Map;

    use super::*;
    use crate::model::Timestamp;

    fn row(id: i64) -> AuditRow {
        let (actor, action) = ("uid:0".to_owned(), "repo.create".to_owned());
        AuditRow { id, at: Timestamp::from_millis(0), actor, action, subject: None, detail: Map::new() }
    }

    fn ids(path: &Path) -> Vec<i64> {
        let text = std::fs::read_to_string(path).unwrap();
        let id =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_i64().unwrap();
        text.lines().map(id).collect()
    }

    #[test]
    fn lines_are_appended_to_a_private_file_also_after_it_was_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let (path, cursor) = (folder.path().join("audit.jsonl"), folder.path().join("cursor"));
        assert_eq!(read_cursor(&cursor).unwrap(), 0);
        write(&path, &cursor, vec![row(1), row(2)]).unwrap();
        assert_eq!((ids(&path), read_cursor(&cursor).unwrap()), (vec![1, 2], 2));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let rotated = folder.path().join("audit.jsonl.1");
        std::fs::rename(&path, &rotated).unwrap();
        write(&path, &cursor, vec![row(3)]).unwrap();
        assert_eq!((ids(&rotated), ids(&path)), (vec![1, 2], vec![3]));
        // Somebody has given it to a group, and truncated it in the middle of a line.
        std::fs::write(&path, "{}").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        write(&path, &cursor, vec![row(4)]).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("{}\n{\"id\":4,"));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_file_that_cannot_be_written_keeps_the_cursor() {
        let folder = tempfile::tempdir().unwrap();
        let cursor = folder.path().join("cursor");
        for path in [folder.path().join("no/such/folder"), folder.path().to_owned(), "/dev/null".into()] {
            let problem = write(&path, &cursor, vec![row(1)]).unwrap_err();
            assert!(problem.contains("cannot be written"), "{problem}");
        }
        let full = write(Path::new("/dev/full"), &cursor, vec![row(1)]);
        assert!(full.is_err() && read_cursor(&cursor).unwrap() == 0);
    }
}
