//! Pushes and their intents.

use rusqlite::{Connection, Result, params};

use super::run_event::{from_json, json};
use super::updates::{commit_id, ref_name};
use crate::event::RefUpdate;
use crate::model::{CommitId, RefName, Timestamp};

/// A push that announces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPush {
    /// Its id: one receive-pack process, so the same for both hooks.
    pub(crate) push: String,
    /// The id of the repository.
    pub(crate) repo: String,
    /// The process id of receive-pack.
    pub(crate) pid: u32,
    /// When that process started, in clock ticks since boot.
    pub(crate) started: u64,
    /// The boot that this was in.
    pub(crate) boot: String,
    pub(crate) pusher: Option<String>,
    /// The push options.
    pub(crate) options: Vec<String>,
    /// When pre-receive ran.
    pub(crate) at: Timestamp,
    /// The updates that it is about to make.
    pub(crate) updates: Vec<RefUpdate>,
}

/// An announced update that is not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Its row.
    pub(crate) id: i64,
    pub(crate) push: String,
    /// The old value.
    pub(crate) old: CommitId,
    /// The new value.
    pub(crate) new: CommitId,
    /// When it was announced.
    pub(crate) at: Timestamp,
    pub(crate) pusher: Option<String>,
    /// The push options.
    pub(crate) options: Vec<String>,
}

/// A push with updates that are not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPush {
    /// Its id.
    pub(crate) push: String,
    /// The id of the repository.
    pub(crate) repo: String,
    /// The process id of receive-pack.
    pub(crate) pid: u32,
    /// When that process started.
    pub(crate) started: u64,
    /// The boot that this was in.
    pub(crate) boot: String,
    /// When it was announced.
    pub(crate) at: Timestamp,
}

/// Records a push and its intents. Changes nothing for a known push.
pub fn insert_push(connection: &Connection, push: &NewPush) -> Result<()> {
    let options = json(&push.options)?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO pushes (push, repo, pid, started, boot, pusher, options, at, is_open)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            push.push,
            push.repo,
            push.pid,
            push.started.cast_signed(),
            push.boot,
            push.pusher,
            options,
            push.at.as_millis()
        ])?;
    if inserted == 0 {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO intents (push, repo, ref, old, new, at, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'open')
         ON CONFLICT DO NOTHING",
    )?;
    for update in &push.updates {
        let ref_name = update.ref_name.as_bytes();
        let (old, new) = (update.old.to_string(), update.new.to_string());
        statement.execute(params![push.push, push.repo, ref_name, old, new, push.at.as_millis()])?;
    }
    Ok(())
}

/// The open intents of one ref, in the order in which they were announced. An intent from the spool may have come late.
pub fn open_intents(connection: &Connection, repo: &str, ref_name: &RefName) -> Result<Vec<Intent>> {
    let mut statement = connection.prepare_cached(
        "SELECT i.id, i.push, i.old, i.new, i.at, p.pusher, p.options FROM intents i JOIN pushes p USING (push)
         WHERE i.repo = ?1 AND i.ref = ?2 AND i.state = 'open' ORDER BY i.at, i.id",
    )?;
    let rows = statement.query_map(params![repo, ref_name.as_bytes()], |row| {
        Ok(Intent {
            id: row.get(0)?,
            push: row.get(1)?,
            old: commit_id(row, 2)?,
            new: commit_id(row, 3)?,
            at: Timestamp::from_millis(row.get(4)?),
            pusher: row.get(5)?,
            options: from_json(6, &row.get::<_, String>(6)?)?,
        })
    })?;
    rows.collect()
}

/// The intents of a push that are not settled, with their refs.
pub fn open_intents_of(connection: &Connection, push: &str) -> Result<Vec<(i64, RefName)>> {
    let mut statement =
        connection.prepare_cached("SELECT id, ref FROM intents WHERE push = ?1 AND state = 'open'")?;
    let rows = statement.query_map([push], |row| Ok((row.get(0)?, ref_name(row, 1)?)))?;
    rows.collect()
}

/// The refs that a push still has open intents for, and how many updates of branches and tags it has in all.
pub fn open_refs(connection: &Connection, push: &str) -> Result<Vec<RefName>> {
    let mut statement = connection
        .prepare_cached("SELECT ref FROM intents WHERE push = ?1 AND state = 'open' ORDER BY id")?;
    let rows = statement.query_map([push], |row| ref_name(row, 0))?;
    rows.collect()
}

/// The refs of a repository with open intents.
pub fn refs_of_open_intents(connection: &Connection, repo: &str) -> Result<Vec<RefName>> {
    let mut statement =
        connection.prepare_cached("SELECT DISTINCT ref FROM intents WHERE repo = ?1 AND state = 'open'")?;
    let rows = statement.query_map([repo], |row| ref_name(row, 0))?;
    rows.collect()
}

/// Marks an intent as settled: it happened, or it did not.
pub fn settle_intent(connection: &Connection, id: i64, happened: bool) -> Result<()> {
    let state = if happened { "confirmed" } else { "dropped" };
    connection.prepare_cached("UPDATE intents SET state = ?2 WHERE id = ?1")?.execute(params![id, state])?;
    Ok(())
}

/// Drops the open intents of a push whose receive-pack is gone, and closes the push. Returns how many intents
/// were dropped.
pub fn settle_push(connection: &Connection, push: &str) -> Result<usize> {
    let dropped = connection
        .execute("UPDATE intents SET state = 'dropped' WHERE push = ?1 AND state = 'open'", [push])?;
    connection.execute("UPDATE pushes SET is_open = 0 WHERE push = ?1", [push])?;
    Ok(dropped)
}

/// Reopens the dropped intents of a push that reports after all. `None` for a push that was never announced, otherwise how
/// many intents were reopened.
pub fn reopen_push(connection: &Connection, push: &str) -> Result<Option<usize>> {
    if !connection.prepare_cached("SELECT 1 FROM pushes WHERE push = ?1")?.exists([push])? {
        return Ok(None);
    }
    connection
        .prepare_cached("UPDATE intents SET state = 'open' WHERE push = ?1 AND state = 'dropped'")?
        .execute([push])
        .map(Some)
}

/// The name of the repository of a push, and its pusher.
pub fn push_origin(connection: &Connection, push: &str) -> Result<(String, Option<String>)> {
    connection
        .prepare_cached(
            "SELECT r.name, p.pusher FROM pushes p JOIN repos r ON r.id = p.repo WHERE p.push = ?1",
        )?
        .query_row([push], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// All pushes that are not closed.
pub fn open_pushes(connection: &Connection) -> Result<Vec<OpenPush>> {
    let mut statement = connection.prepare_cached(
        "SELECT push, repo, pid, started, boot, at FROM pushes WHERE is_open = 1 ORDER BY at",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(OpenPush {
            push: row.get(0)?,
            repo: row.get(1)?,
            pid: row.get(2)?,
            started: row.get::<_, i64>(3)?.cast_unsigned(),
            boot: row.get(4)?,
            at: Timestamp::from_millis(row.get(5)?),
        })
    })?;
    rows.collect()
}

/// How many updates a push announced whose new value is not "no object" and whose ref is a branch or a tag.
pub fn pushed_refs(connection: &Connection, push: &str) -> Result<usize> {
    let zero = CommitId::ZERO.to_string();
    let mut statement = connection.prepare_cached("SELECT ref FROM intents WHERE push = ?1 AND new <> ?2")?;
    let rows = statement.query_map(params![push, zero], |row| ref_name(row, 0))?;
    let refs: Vec<RefName> = rows.collect::<Result<_>>()?;
    Ok(refs.iter().filter(|name| name.kind() != crate::model::RefKind::Other).count())
}
