//! The stored states of refs.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::updates::ref_name;
use crate::model::RefName;

/// The stored state of one ref, as the caller's own JSON.
pub type RefRow = String;

/// The stored state of a ref.
pub fn load_ref(connection: &Connection, repo: &str, name: &RefName) -> Result<Option<RefRow>> {
    connection
        .prepare_cached("SELECT seen FROM refs WHERE repo = ?1 AND ref = ?2")?
        .query_row(params![repo, name.as_bytes()], |row| row.get(0))
        .optional()
}

/// Saves the state of a ref.
pub fn save_ref(connection: &Connection, repo: &str, name: &RefName, seen: &str) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO refs (repo, ref, seen) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET seen = ?3 WHERE seen <> ?3",
        )?
        .execute(params![repo, name.as_bytes(), seen])?;
    Ok(())
}

/// The names of all refs with a stored state.
pub fn recorded_refs(connection: &Connection, repo: &str) -> Result<Vec<RefName>> {
    let mut statement = connection.prepare_cached("SELECT ref FROM refs WHERE repo = ?1")?;
    let rows = statement.query_map([repo], |row| ref_name(row, 0))?;
    rows.collect()
}

/// The keys of the settled lines of a ref's log.
pub fn line_keys(connection: &Connection, repo: &str, name: &RefName) -> Result<Vec<[u8; 16]>> {
    let mut statement = connection.prepare_cached("SELECT key FROM lines WHERE repo = ?1 AND ref = ?2")?;
    let rows = statement.query_map(params![repo, name.as_bytes()], |row| row.get(0))?;
    rows.collect()
}

/// Adds keys of settled lines to a ref.
pub fn add_line_keys(connection: &Connection, repo: &str, name: &RefName, keys: &[[u8; 16]]) -> Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT INTO lines (repo, ref, key) VALUES (?1, ?2, ?3)")?;
    for key in keys {
        statement.execute(params![repo, name.as_bytes(), key])?;
    }
    Ok(())
}

/// Removes all keys of a ref.
pub fn clear_line_keys(connection: &Connection, repo: &str, name: &RefName) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM lines WHERE repo = ?1 AND ref = ?2")?
        .execute(params![repo, name.as_bytes()])?;
    Ok(())
}

/// Removes the state of a ref, without recording a deletion.
pub fn forget_ref(connection: &Connection, repo: &str, name: &RefName) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM refs WHERE repo = ?1 AND ref = ?2")?
        .execute(params![repo, name.as_bytes()])?;
    clear_line_keys(connection, repo, name)
}
