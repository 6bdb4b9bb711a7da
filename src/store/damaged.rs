//! A row that this version cannot read: an error with a name, never a default.

use rusqlite::types::Type;

use crate::model::Quoted;

/// A column with an invalid value.
#[derive(Debug, thiserror::Error)]
#[error("the database has an unknown {what}: {found}; a newer quire wrote it, or the row is damaged")]
struct Damaged {
    what: &'static str,
    found: Quoted,
}

/// The error for a column whose text is not a `what`.
pub(super) fn damaged(column: usize, what: &'static str, found: &str) -> rusqlite::Error {
    let error = Damaged { what, found: Quoted::new(found) };
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}
