//! The tables of users and their keys.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::damaged::damaged;
use super::run_event::{from_json, json};
use crate::model::{KeyLimit, May, Timestamp, UserName};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserRow {
    pub(crate) name: UserName,
    pub(crate) created_by: String,
    pub(crate) created_at: Timestamp,
}

/// A public key of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRow {
    /// Its number; 0 for one that is not kept yet.
    pub(crate) id: i64,
    pub(crate) user: UserName,
    pub(crate) fingerprint: String,
    /// Its kind and its base64.
    pub(crate) line: String,
    pub(crate) comment: String,
    /// What it is limited to, if it is.
    pub(crate) limit: Option<KeyLimit>,
    pub(crate) created_by: String,
    pub(crate) created_at: Timestamp,
}

/// Adds a user; false when one of this name exists.
pub(crate) fn insert_user(connection: &Connection, user: &UserRow) -> Result<bool> {
    let sql = "INSERT INTO users (name, created_by, created_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let row = params![user.name.as_str(), user.created_by, user.created_at.as_millis()];
    Ok(connection.prepare_cached(sql)?.execute(row)? > 0)
}

/// Removes a user with all keys; false when there is none.
pub(crate) fn delete_user(connection: &Connection, name: &UserName) -> Result<bool> {
    Ok(connection.prepare_cached("DELETE FROM users WHERE name = ?1")?.execute([name.as_str()])? > 0)
}

/// All users, by name.
pub(crate) fn all_users(connection: &Connection) -> Result<Vec<UserRow>> {
    let mut statement =
        connection.prepare_cached("SELECT name, created_by, created_at FROM users ORDER BY name")?;
    let rows = statement.query_map([], |row| {
        Ok(UserRow {
            name: read_user(row, 0)?,
            created_by: row.get(1)?,
            created_at: Timestamp::from_millis(row.get(2)?),
        })
    })?;
    rows.collect()
}

/// Whether there is a user of this name.
pub(crate) fn has_user(connection: &Connection, name: &UserName) -> Result<bool> {
    connection.prepare_cached("SELECT 1 FROM users WHERE name = ?1")?.exists([name.as_str()])
}

/// Adds a key; its number, or nothing when the key is there already.
pub(crate) fn insert_key(connection: &Connection, key: &KeyRow) -> Result<Option<i64>> {
    let repos = key.limit.as_ref().and_then(|limit| limit.repos.as_ref()).map(json).transpose()?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO keys (user, fingerprint, line, comment, repos, may, created_by, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            key.user.as_str(),
            key.fingerprint,
            key.line,
            key.comment,
            repos,
            key.limit.as_ref().map(|limit| limit.may.as_str()),
            key.created_by,
            key.created_at.as_millis()
        ])?;
    Ok((inserted > 0).then(|| connection.last_insert_rowid()))
}

/// The key of this number.
pub(crate) fn find_key(connection: &Connection, id: i64) -> Result<Option<KeyRow>> {
    connection
        .prepare_cached(
            "SELECT id, user, fingerprint, line, comment, repos, may, created_by, created_at FROM keys WHERE id = ?1",
        )?
        .query_row([id], read_key)
        .optional()
}

/// The key of this fingerprint.
pub(crate) fn find_key_by_fingerprint(connection: &Connection, fingerprint: &str) -> Result<Option<KeyRow>> {
    connection
        .prepare_cached(
            "SELECT id, user, fingerprint, line, comment, repos, may, created_by, created_at FROM keys WHERE fingerprint = ?1",
        )?
        .query_row([fingerprint], read_key)
        .optional()
}

/// Removes a key; false when there is none.
pub(crate) fn delete_key(connection: &Connection, id: i64) -> Result<bool> {
    Ok(connection.prepare_cached("DELETE FROM keys WHERE id = ?1")?.execute([id])? > 0)
}

/// All keys, oldest first.
pub(crate) fn all_keys(connection: &Connection) -> Result<Vec<KeyRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, user, fingerprint, line, comment, repos, may, created_by, created_at FROM keys ORDER BY id",
    )?;
    statement.query_map([], read_key)?.collect()
}

/// Whether anybody has a key.
pub(crate) fn has_keys(connection: &Connection) -> Result<bool> {
    connection.prepare_cached("SELECT 1 FROM keys LIMIT 1")?.exists([])
}

fn read_user(row: &Row<'_>, column: usize) -> Result<UserName> {
    let name: String = row.get(column)?;
    UserName::parse(&name).map_err(|_| damaged(column, "name of a user", &name))
}

fn read_key(row: &Row<'_>) -> Result<KeyRow> {
    let repos: Option<String> = row.get(5)?;
    let word: Option<String> = row.get(6)?;
    let may = |word: &String| May::parse(word).ok_or_else(|| damaged(6, "right of a key", word));
    let limit = match word.as_ref().map(may).transpose()? {
        Some(may) => Some(KeyLimit { repos: repos.map(|text| from_json(5, &text)).transpose()?, may }),
        None => None,
    };
    Ok(KeyRow {
        id: row.get(0)?,
        user: read_user(row, 1)?,
        fingerprint: row.get(2)?,
        line: row.get(3)?,
        comment: row.get(4)?,
        limit,
        created_by: row.get(7)?,
        created_at: Timestamp::from_millis(row.get(8)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_with_their_user_and_their_numbers_are_never_used_again() {
        let db = crate::store::open_empty().unwrap();
        db.pragma_update(None, "foreign_keys", true).unwrap();
        let at = Timestamp::from_millis(5);
        let name = |name: &str| UserName::parse(name).unwrap();
        let user = |text: &str| UserRow { name: name(text), created_by: "uid:0".to_owned(), created_at: at };
        let key = |fingerprint: &str, limit| KeyRow {
            id: 0,
            user: name("kim"),
            fingerprint: fingerprint.to_owned(),
            line: "ssh-ed25519 AAAA".to_owned(),
            comment: String::new(),
            limit,
            created_by: "uid:0".to_owned(),
            created_at: at,
        };
        assert!(insert_key(&db, &key("a", None)).is_err(), "there is no such user");
        assert!(insert_user(&db, &user("kim")).unwrap() && !insert_user(&db, &user("kim")).unwrap());
        let limit = KeyLimit { repos: Some(vec!["r\"1".to_owned()]), may: May::Read };
        let first = insert_key(&db, &key("a", Some(limit.clone()))).unwrap().unwrap();
        assert_eq!(insert_key(&db, &key("a", None)).unwrap(), None);
        assert_eq!(find_key(&db, first).unwrap().unwrap().limit, Some(limit));
        let second = insert_key(&db, &key("b", None)).unwrap().unwrap();
        assert_eq!(find_key_by_fingerprint(&db, "b").unwrap().unwrap().id, second);
        assert!(delete_key(&db, second).unwrap() && !delete_key(&db, second).unwrap());
        assert!(delete_user(&db, &name("kim")).unwrap() && !delete_user(&db, &name("kim")).unwrap());
        assert!(
            !has_keys(&db).unwrap()
                && all_keys(&db).unwrap().is_empty()
                && all_users(&db).unwrap().is_empty()
        );
        insert_user(&db, &user("kim")).unwrap();
        assert!(insert_key(&db, &key("a", None)).unwrap().unwrap() > second);
        assert!(has_user(&db, &name("kim")).unwrap());
    }
}
