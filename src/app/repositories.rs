//! Repositories: made, adopted, listed, removed, restored.

use crate::config::DataDir;
use crate::forge::RecordedNames;
use crate::store;

/// The names that repositories were recorded under; none without a database.
pub fn recorded_names(data: &DataDir) -> RecordedNames {
    let database = store::open_read_only(&data.database()).ok();
    // A database that cannot be read is a problem of its own; the repositories are listed all the same.
    database.and_then(|database| store::recorded_names(&database).ok()).unwrap_or_default()
}
