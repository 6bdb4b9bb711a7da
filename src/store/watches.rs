//! Watches that were added by command, and the last known state of each watch.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::damaged::damaged;
use super::updates::commit_id;
use crate::config::{SshKey, WatchDecl, WatchRuns};
use crate::model::{BranchName, CommitId, RemoteUrl, RepoName, SecretName, Timestamp};

/// The last known state of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WatchStatus {
    /// The word for the state.
    pub(crate) state: String,
    /// Since when it has this state.
    pub(crate) since: Timestamp,
    pub(crate) error: Option<String>,
    /// The tip of the branch at the last successful look.
    pub(crate) tip: Option<CommitId>,
    /// The branch that the remote's `HEAD` names.
    pub(crate) default_branch: Option<String>,
    /// When it was force-pushed, if no ordinary update has followed.
    pub(crate) rewritten_at: Option<Timestamp>,
}

/// Adds a watch; false when one of this name exists.
pub(crate) fn insert_watch(connection: &Connection, watch: &WatchDecl, at: Timestamp) -> Result<bool> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO watches (name, url, branch, every_ms, allow_private, token, added_at, ssh_key, first_run,
                                  keep_workspace, interruptible)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            watch.name.as_str(),
            watch.url.as_str(),
            watch.branch.as_str(),
            i64::try_from(watch.every.as_millis()).unwrap_or(i64::MAX),
            watch.allow_private,
            watch.token.as_ref().map(SecretName::as_str),
            at.as_millis(),
            watch.ssh_key.as_ref().map(SshKey::as_str),
            watch.first_run,
            watch.runs.keeps_workspace,
            watch.runs.interruptible
        ])?;
    Ok(inserted > 0)
}

/// Removes a watch and its state; false when it does not exist.
pub(crate) fn delete_watch(connection: &Connection, name: &RepoName) -> Result<bool> {
    let deleted = connection.execute("DELETE FROM watches WHERE name = ?1", [name.as_str()])?;
    forget_watch_state(connection, name)?;
    Ok(deleted > 0)
}

/// The watches that were added by command, by name.
pub(crate) fn added_watches(connection: &Connection) -> Result<Vec<WatchDecl>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, url, branch, every_ms, allow_private, token, ssh_key, first_run, keep_workspace, interruptible
         FROM watches ORDER BY name",
    )?;
    let rows = statement.query_map([], read_watch)?;
    rows.collect()
}

/// A watch that was added by command.
pub(crate) fn find_added_watch(connection: &Connection, name: &RepoName) -> Result<Option<WatchDecl>> {
    let found = connection
        .prepare_cached(
            "SELECT name, url, branch, every_ms, allow_private, token, ssh_key, first_run, keep_workspace, interruptible
             FROM watches WHERE name = ?1",
        )?
        .query_row([name.as_str()], read_watch);
    found.optional()
}

fn read_watch(row: &Row<'_>) -> Result<WatchDecl> {
    let text = |column: usize| row.get::<_, String>(column);
    let (name, url, branch) = (text(0)?, text(1)?, text(2)?);
    let (every, token): (i64, Option<String>) = (row.get(3)?, row.get(5)?);
    let every_ms = u64::try_from(every).map_err(|_| damaged(3, "interval of a watch", &every.to_string()))?;
    let token = token.map(|name| SecretName::parse(&name).map_err(|_| damaged(5, "token of a watch", &name)));
    let ssh_key: Option<String> = row.get(6)?;
    let ssh_key =
        ssh_key.map(|path| SshKey::parse(&path).map_err(|_| damaged(6, "ssh key of a watch", &path)));
    Ok(WatchDecl {
        name: RepoName::parse(&name).map_err(|_| damaged(0, "name of a watch", &name))?,
        url: RemoteUrl::parse(&url).map_err(|_| damaged(1, "address of a watch", &url))?,
        branch: BranchName::parse(&branch).map_err(|_| damaged(2, "branch of a watch", &branch))?,
        every: Duration::from_millis(every_ms),
        allow_private: row.get(4)?,
        token: token.transpose()?,
        ssh_key: ssh_key.transpose()?,
        credential_helper: None,
        first_run: row.get(7)?,
        runs: WatchRuns { keeps_workspace: row.get(8)?, interruptible: row.get(9)? },
    })
}

/// The last known state of a watch, if it has still this address and branch.
pub(crate) fn watch_status(connection: &Connection, watch: &WatchDecl) -> Result<Option<WatchStatus>> {
    connection
        .prepare_cached(
            "SELECT state, since, error, tip, default_branch, rewritten_at FROM watch_states
             WHERE name = ?1 AND url = ?2 AND branch = ?3",
        )?
        .query_row(params![watch.name.as_str(), watch.url.as_str(), watch.branch.as_str()], |row| {
            Ok(WatchStatus {
                state: row.get(0)?,
                since: Timestamp::from_millis(row.get(1)?),
                error: row.get(2)?,
                tip: row.get_ref(3)?.as_str_or_null()?.map(|_| commit_id(row, 3)).transpose()?,
                default_branch: row.get(4)?,
                rewritten_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
            })
        })
        .optional()
}

/// Saves the state of a watch.
pub(crate) fn save_watch_status(
    connection: &Connection,
    watch: &WatchDecl,
    status: &WatchStatus,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO watch_states
               (name, url, branch, state, since, error, tip, default_branch, rewritten_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            watch.name.as_str(),
            watch.url.as_str(),
            watch.branch.as_str(),
            status.state,
            status.since.as_millis(),
            status.error,
            status.tip.map(|tip| tip.to_string()),
            status.default_branch,
            status.rewritten_at.map(Timestamp::as_millis)
        ])?;
    Ok(())
}

/// Removes the state of a watch.
pub(crate) fn forget_watch_state(connection: &Connection, name: &RepoName) -> Result<()> {
    connection.execute("DELETE FROM watch_states WHERE name = ?1", [name.as_str()])?;
    Ok(())
}

/// Removes the states of all watches; returns how many.
pub(crate) fn forget_watch_states(connection: &Connection) -> Result<usize> {
    connection.execute("DELETE FROM watch_states", [])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> WatchDecl {
        WatchDecl {
            name: RepoName::parse("g/n").unwrap(),
            url: RemoteUrl::parse("https://h/x").unwrap(),
            branch: BranchName::parse("main").unwrap(),
            every: Duration::from_secs(60),
            allow_private: true,
            token: Some(SecretName::parse("t").unwrap()),
            ssh_key: Some(SshKey::parse("/k").unwrap()),
            credential_helper: None,
            first_run: false,
            runs: WatchRuns { keeps_workspace: true, interruptible: false },
        }
    }

    #[test]
    fn a_watch_that_cannot_be_read_is_an_error_with_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let db = crate::store::open(&folder.path().join("quire.db")).unwrap();
        for (change, said) in [
            ("name = '../x'", "unknown name of a watch: `../x`"),
            ("url = 'ftp://x'", "unknown address of a watch: `ftp://x`"),
            ("branch = 'a..b'", "unknown branch of a watch: `a..b`"),
            ("every_ms = -1", "unknown interval of a watch: `-1`"),
            ("token = 'x y'", "unknown token of a watch: `x y`"),
        ] {
            db.execute("DELETE FROM watches", []).unwrap();
            insert_watch(&db, &watch(), Timestamp::from_millis(5)).unwrap();
            db.execute(&format!("UPDATE watches SET {change}"), []).unwrap();
            let problem = added_watches(&db).unwrap_err().to_string();
            assert!(problem.contains(said), "{change}: {problem}");
        }
        db.execute(
            "INSERT INTO watch_states VALUES ('g/n', 'https://h/x', 'main', 's', 1, NULL, 'x', NULL, NULL)",
            [],
        )
        .unwrap();
        assert!(watch_status(&db, &watch()).unwrap_err().to_string().contains("`x` is not a commit id"));
    }

    #[test]
    fn a_watch_is_kept_and_its_state_belongs_to_its_address() {
        let folder = tempfile::tempdir().unwrap();
        let db = crate::store::open(&folder.path().join("quire.db")).unwrap();
        let (watch, at) = (watch(), Timestamp::from_millis(5));
        assert!(insert_watch(&db, &watch, at).unwrap());
        assert!(!insert_watch(&db, &watch, at).unwrap());
        assert_eq!(added_watches(&db).unwrap(), std::slice::from_ref(&watch));
        let status = WatchStatus {
            state: "following".to_owned(),
            since: at,
            error: None,
            tip: Some(CommitId::from_bytes([7; 20])),
            default_branch: Some("main".to_owned()),
            rewritten_at: Some(at),
        };
        save_watch_status(&db, &watch, &status).unwrap();
        assert_eq!(watch_status(&db, &watch).unwrap(), Some(status));
        let moved = WatchDecl { url: RemoteUrl::parse("https://h/y").unwrap(), ..watch.clone() };
        assert_eq!(watch_status(&db, &moved).unwrap(), None);
        assert!(delete_watch(&db, &watch.name).unwrap());
        assert!(!delete_watch(&db, &watch.name).unwrap());
        assert_eq!(watch_status(&db, &watch).unwrap(), None);
    }
}
