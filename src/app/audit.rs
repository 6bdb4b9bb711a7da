//! The audit: who did what.
//!
//! What is done in a transaction is recorded there ([`AuditEntry::insert`]). Everything else is handed in by
//! [`AppState::audit`], which waits for nothing: the server records it in a moment, a command without a server before it ends.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Notify;

use super::caller::Caller;
use super::problem::Problem;
use super::state::AppState;
use crate::model::AuditAction;
use crate::store::{self, AuditEntry};

pub use crate::store::{AuditFilter, AuditRow};

/// The most entries that wait until the database can be written.
const MAX_WAITING: usize = 10_000;

/// The entries that are not recorded yet. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct AuditQueue(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    entries: Mutex<Vec<AuditEntry>>,
    added: Notify,
}

impl AppState {
    /// The same state for what this caller does.
    #[must_use]
    pub(crate) fn acting_as(&self, caller: &Caller) -> Self {
        Self { actor: Arc::from(caller.actor()), ..self.clone() }
    }

    /// An entry of the audit about who acts.
    pub(crate) fn entry(&self, action: AuditAction) -> AuditEntry {
        AuditEntry::new(&*self.actor, action)
    }

    /// Records what somebody did, without waiting for it.
    pub(crate) fn audit(&self, entry: AuditEntry) {
        let waiting = &self.audit.0;
        let mut entries = waiting.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() < MAX_WAITING {
            entries.push(entry);
        } else {
            tracing::error!(?entry, "the audit cannot be written, and has no room for this");
        }
        drop(entries);
        waiting.added.notify_one();
    }
}

impl AuditQueue {
    /// Waits until there may be entries to record.
    pub(crate) async fn added(&self) {
        self.0.added.notified().await;
    }

    fn take(&self) -> Vec<AuditEntry> {
        std::mem::take(&mut *self.0.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back what could not be recorded.
    fn put_back(&self, mut older: Vec<AuditEntry>) {
        let mut entries = self.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
        older.append(&mut entries);
        *entries = older;
    }
}

/// Records the entries that wait, all in one transaction.
///
/// # Errors
/// When they cannot be recorded; they wait for the next time.
pub async fn record_audit(app: &AppState) -> Result<(), Problem> {
    let entries = Arc::new(app.audit.take());
    if entries.is_empty() {
        return Ok(());
    }
    let to_insert = Arc::clone(&entries);
    let recorded: Result<(), Problem> = async {
        match app.writer() {
            Ok(writer) => Ok(writer.call(move |connection| insert(connection, &to_insert)).await??),
            // A server has the data folder that cannot be asked.
            Err(_) if app.local.is_some() => {
                let mut connection =
                    store::open_existing(&app.data.database()).map_err(|error| Problem::failed(&error))?;
                Ok(insert(&mut connection, &to_insert)?)
            }
            Err(problem) => Err(problem),
        }
    }
    .await;
    recorded.inspect_err(|_| app.audit.put_back(entries.to_vec()))
}

fn insert(connection: &mut Connection, entries: &[AuditEntry]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for entry in entries {
        entry.insert(&transaction)?;
    }
    transaction.commit()
}

/// Lists entries, newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn list_audit(app: &AppState, filter: AuditFilter) -> Result<Vec<AuditRow>, Problem> {
    Ok(app.store.call(move |connection| store::list_audit(connection, &filter)).await??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Local;
    use crate::config::DataDir;

    fn entry(subject: &str) -> AuditEntry {
        AuditEntry::new("uid:0", AuditAction::RepoCreate).on(subject)
    }

    fn recorded(data: &DataDir) -> Vec<String> {
        let database = store::open_read_only(&data.database()).unwrap();
        let rows = store::audit_after(&database, 0, 10).unwrap();
        rows.into_iter().filter_map(|row| row.subject).collect()
    }

    /// A server without a socket has the lock, and cannot be asked.
    #[test]
    fn a_command_records_what_it_did_also_while_a_server_runs() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path());
        let perform = |subject: &str| {
            let mut warnings = Vec::new();
            let local = Local::open_folder(&data, Vec::new()).unwrap();
            let done = local.perform(
                async |app| {
                    app.audit(entry(subject));
                    Ok(())
                },
                |warning| warnings.push(warning.to_owned()),
            );
            done.unwrap();
            warnings
        };
        assert!(perform("alone").is_empty());
        let lock = crate::sys::lock::LockFile::try_acquire(&data.server_lock()).unwrap().unwrap();
        assert!(perform("beside").is_empty());
        assert_eq!(recorded(&data), ["alone", "beside"]);
        std::fs::remove_file(data.database()).unwrap();
        let warnings = perform("nowhere");
        assert!(warnings.concat().contains("is not in the audit"), "{warnings:?}");
        assert!(!data.database().exists());
        drop(lock);
    }
}
