//! How far each ref has been read.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::updates::ref_name;
use crate::model::RefName;

/// What is recorded of one ref, as the caller's own JSON.
pub type RefRow = String;

/// What was saved for a ref.
pub fn load_ref(connection: &Connection, repo: &str, name: &RefName) -> Result<Option<RefRow>> {
    connection
        .prepare_cached("SELECT seen FROM refs WHERE repo = ?1 AND ref = ?2")?
        .query_row(params![repo, name.as_bytes()], |row| row.get(0))
        .optional()
}

/// Saves what was seen of a ref.
pub fn save_ref(connection: &Connection, repo: &str, name: &RefName, seen: &str) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO refs (repo, ref, seen) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET seen = ?3 WHERE seen <> ?3",
        )?
        .execute(params![repo, name.as_bytes(), seen])?;
    Ok(())
}

/// The names of all refs that something was saved for.
pub fn recorded_refs(connection: &Connection, repo: &str) -> Result<Vec<RefName>> {
    let mut statement = connection.prepare_cached("SELECT ref FROM refs WHERE repo = ?1")?;
    let rows = statement.query_map([repo], |row| ref_name(row, 0))?;
    rows.collect()
}
