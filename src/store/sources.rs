//! Sources of jobs: their records, which are JSON that [`crate::store`] does not read.

use rusqlite::{Connection, OptionalExtension, Result};

/// Saves the record of a source; true when there was none of this name.
pub(crate) fn save_source(connection: &Connection, name: &str, record: &str) -> Result<bool> {
    let is_new = find_source(connection, name)?.is_none();
    connection
        .prepare_cached("INSERT OR REPLACE INTO sources (name, record) VALUES (?1, ?2)")?
        .execute([name, record])?;
    Ok(is_new)
}

/// The record of a source.
pub(crate) fn find_source(connection: &Connection, name: &str) -> Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT record FROM sources WHERE name = ?1")?;
    statement.query_row([name], |row| row.get(0)).optional()
}

/// The records of all sources, by name.
pub(crate) fn all_sources(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT record FROM sources ORDER BY name")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Removes the record of a source; false when there is none.
pub(crate) fn delete_source(connection: &Connection, name: &str) -> Result<bool> {
    Ok(connection.execute("DELETE FROM sources WHERE name = ?1", [name])? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_kept_by_its_name() {
        let db = crate::store::open_empty().unwrap();
        assert!(save_source(&db, "b", "{\"b\":1}").unwrap());
        assert!(save_source(&db, "a", "{}").unwrap());
        assert!(!save_source(&db, "b", "{\"b\":2}").unwrap());
        assert_eq!(find_source(&db, "b").unwrap().as_deref(), Some("{\"b\":2}"));
        assert_eq!(all_sources(&db).unwrap(), ["{}", "{\"b\":2}"]);
        assert!(delete_source(&db, "a").unwrap() && !delete_source(&db, "a").unwrap());
        assert_eq!(find_source(&db, "a").unwrap(), None);
    }
}
