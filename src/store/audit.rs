//! The audit: who did what. Rows are only added, and the oldest removed.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use serde_json::{Map, Value};

use super::run_event::from_json;
use crate::model::{AuditAction, Timestamp};
use crate::sys::clock;

/// The most entries that are kept; older ones are removed.
const MAX_AUDIT: i64 = 100_000;

/// The longest text of an entry, in bytes.
const MAX_TEXT: usize = 1000;

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    actor: String,
    action: AuditAction,
    subject: Option<String>,
    detail: Map<String, Value>,
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Its number.
    pub(crate) id: i64,
    /// When it was recorded.
    pub(crate) at: Timestamp,
    /// Who did it: `user:…`, `token:…`, `uid:…`, or `nobody`.
    pub(crate) actor: String,
    /// What was done, in a word; one of a newer version may be unknown here.
    pub(crate) action: String,
    /// What it was done to.
    pub(crate) subject: Option<String>,
    /// The rest.
    pub(crate) detail: Map<String, Value>,
}

/// Which entries to list.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only those since this time.
    pub(crate) since: Option<Timestamp>,
    /// Only those of this actor.
    pub(crate) actor: Option<String>,
    /// Only those of this action.
    pub(crate) action: Option<AuditAction>,
    /// Only those before this entry.
    pub(crate) before: Option<i64>,
    /// At most this many.
    pub(crate) limit: usize,
}

impl AuditEntry {
    /// An entry without subject and details.
    pub(crate) fn new(actor: impl Into<String>, action: AuditAction) -> Self {
        Self { actor: short(&actor.into()), action, subject: None, detail: Map::new() }
    }

    /// The same for a person, if the name is known.
    pub(crate) fn by_user(name: Option<&str>, action: AuditAction) -> Self {
        // What a caller is called already (`token:ci`) says what it is; no login name has a colon.
        let actor = |name: &str| if name.contains(':') { name.to_owned() } else { format!("user:{name}") };
        Self::new(name.map_or_else(|| "nobody".to_owned(), actor), action)
    }

    /// The same entry with what it was done to.
    #[must_use]
    pub(crate) fn on(mut self, subject: impl ToString) -> Self {
        self.subject = Some(short(&subject.to_string()));
        self
    }

    /// The same entry with a detail. Nothing secret must be in it.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(text) => Value::String(short(&text)),
            value
            @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => value,
        };
        self.detail.insert(name.to_owned(), value);
        self
    }

    /// Records it, in the transaction that does what it says.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) fn insert(&self, connection: &Connection) -> Result<()> {
        let (at, detail) = (clock::now().as_millis(), Value::Object(self.detail.clone()).to_string());
        connection
            .prepare_cached(
                "INSERT INTO audit (at, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![at, self.actor, self.action.as_str(), self.subject, detail])?;
        let oldest = connection.last_insert_rowid().saturating_sub(MAX_AUDIT);
        connection.prepare_cached("DELETE FROM audit WHERE id <= ?1")?.execute([oldest])?;
        Ok(())
    }
}

/// The beginning of a text.
fn short(text: &str) -> String {
    let end = (0..=MAX_TEXT).rev().find(|place| text.is_char_boundary(*place)).unwrap_or_default();
    text.get(..end).unwrap_or(text).to_owned()
}

/// Entries, newest first.
pub fn list_audit(connection: &Connection, filter: &AuditFilter) -> Result<Vec<AuditRow>> {
    let Some(first) = first_since(connection, filter.since)? else { return Ok(Vec::new()) };
    let before = filter.before.unwrap_or(i64::MAX);
    let (actor, action) = (filter.actor.as_deref(), filter.action.map(AuditAction::as_str));
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    match (actor, action) {
        (None, None) => {
            let sql = "SELECT id, at, actor, action, subject, detail FROM audit
                       WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
            query(connection, sql, params![first, before, limit])
        }
        (Some(actor), action) => {
            let sql = "SELECT id, at, actor, action, subject, detail FROM audit INDEXED BY audit_by_actor
                       WHERE actor = ?4 AND (?5 IS NULL OR action = ?5) AND id >= ?1 AND id < ?2
                       ORDER BY id DESC LIMIT ?3";
            query(connection, sql, params![first, before, limit, actor, action])
        }
        (None, Some(action)) => {
            let sql = "SELECT id, at, actor, action, subject, detail FROM audit INDEXED BY audit_by_action
                       WHERE action = ?4 AND id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
            query(connection, sql, params![first, before, limit, action])
        }
    }
}

/// The oldest entries after one, at most `limit`.
pub fn audit_after(connection: &Connection, after: i64, limit: u32) -> Result<Vec<AuditRow>> {
    let sql = "SELECT id, at, actor, action, subject, detail FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2";
    query(connection, sql, params![after, limit])
}

/// The first entry since a time; nothing when there is none.
fn first_since(connection: &Connection, since: Option<Timestamp>) -> Result<Option<i64>> {
    let Some(since) = since else { return Ok(Some(0)) };
    connection
        .prepare_cached("SELECT id FROM audit WHERE at >= ?1 ORDER BY at, id LIMIT 1")?
        .query_row([since.as_millis()], |row| row.get(0))
        .optional()
}

fn query(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Vec<AuditRow>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(values, read_row)?;
    rows.collect()
}

fn read_row(row: &Row<'_>) -> Result<AuditRow> {
    Ok(AuditRow {
        id: row.get(0)?,
        at: Timestamp::from_millis(row.get(1)?),
        actor: row.get(2)?,
        action: row.get(3)?,
        subject: row.get(4)?,
        detail: from_json(5, &row.get::<_, String>(5)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open_empty;

    fn listed(db: &Connection, filter: &AuditFilter) -> Vec<String> {
        let rows = list_audit(db, &AuditFilter { limit: 10, ..filter.clone() }).unwrap();
        rows.into_iter().map(|row| format!("{} {}", row.actor, row.action)).collect()
    }

    #[test]
    fn entries_are_listed_newest_first_by_actor_action_and_time() {
        let db = open_empty().unwrap();
        for (actor, action) in [("uid:0", AuditAction::RepoCreate), ("user:ada", AuditAction::RunCancel)] {
            let entry = AuditEntry::new(actor, action).on("foo").with("number", 3);
            entry.insert(&db).unwrap();
        }
        AuditEntry::new("uid:0", AuditAction::RunCancel).insert(&db).unwrap();
        let all = AuditFilter::default();
        assert_eq!(listed(&db, &all), ["uid:0 run.cancel", "user:ada run.cancel", "uid:0 repo.create"]);
        let action = Some(AuditAction::RunCancel);
        assert_eq!(
            listed(&db, &AuditFilter { action, ..all.clone() }),
            ["uid:0 run.cancel", "user:ada run.cancel"]
        );
        let actor = Some("uid:0".to_owned());
        assert_eq!(
            listed(&db, &AuditFilter { actor: actor.clone(), ..all.clone() }),
            ["uid:0 run.cancel", "uid:0 repo.create"]
        );
        assert_eq!(listed(&db, &AuditFilter { actor, action, ..all.clone() }), ["uid:0 run.cancel"]);
        assert_eq!(listed(&db, &AuditFilter { before: Some(2), ..all.clone() }), ["uid:0 repo.create"]);
        let future = Timestamp::parse("2199-01-01T00:00:00Z");
        assert!(listed(&db, &AuditFilter { since: future, ..all.clone() }).is_empty());
        let past = Some(Timestamp::from_millis(0));
        assert_eq!(listed(&db, &AuditFilter { since: past, ..all }).len(), 3);
        let after = audit_after(&db, 2, 10).unwrap();
        assert_eq!(after.iter().map(|row| row.id).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn the_oldest_entries_go_and_texts_are_bounded() {
        let db = open_empty().unwrap();
        let entry = AuditEntry::new("é".repeat(MAX_TEXT), AuditAction::SignIn).on("x".repeat(5000));
        entry.insert(&db).unwrap();
        let row = audit_after(&db, 0, 1).unwrap().remove(0);
        assert_eq!((row.actor.len(), row.subject.unwrap().len()), (MAX_TEXT, MAX_TEXT));
        entry.insert(&db).unwrap();
        db.execute("UPDATE audit SET id = ?1 WHERE id = 2", [MAX_AUDIT]).unwrap();
        entry.insert(&db).unwrap();
        let ids: Vec<i64> = audit_after(&db, 0, 10).unwrap().iter().map(|row| row.id).collect();
        assert_eq!(ids, [MAX_AUDIT, MAX_AUDIT + 1]);
    }
}
