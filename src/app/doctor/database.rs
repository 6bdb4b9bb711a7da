//! The database: its version, and whether SQLite finds it whole.

use super::check::Check;
use crate::config::DataDir;
use crate::model::chain;
use crate::store::{self, StoreError};

/// The most of what SQLite finds that is shown.
const MAX_FOUND: usize = 5;

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    if !data.database().exists() {
        return vec![Check::ok("no database yet")];
    }
    let opened = store::open_read_only(&data.database());
    judge(opened.and_then(|connection| {
        let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))?;
        let mut statement = connection.prepare(&format!("PRAGMA quick_check({MAX_FOUND})"))?;
        let found = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok((version, found))
    }))
}

fn judge(looked: Result<(u32, Vec<String>), StoreError>) -> Vec<Check> {
    let hint = "stop the server; keep a copy of quire.db; sqlite3 quire.db .recover saves what is readable";
    match looked {
        Ok((version, found)) if found == ["ok"] => {
            vec![Check::ok(format!("version {version}, quick_check finds nothing"))]
        }
        Ok((_, found)) => vec![Check::problem("the database is damaged", found.join("\n"), hint)],
        Err(error @ StoreError::Newer { .. }) => {
            vec![Check::problem(chain(&error), "this binary cannot serve it", "use the newer quire")]
        }
        Err(error) => vec![Check::problem(chain(&error), "no push can be recorded", hint)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::check::{Level, levels};

    #[test]
    fn a_whole_a_damaged_and_a_newer_database() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path());
        assert_eq!(levels(&check(&data)), [Level::Ok]);
        let connection = store::open(&data.database()).unwrap();
        assert_eq!(levels(&check(&data)), [Level::Ok]);
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        assert_eq!(levels(&check(&data)), [Level::Problem]);
        std::fs::write(data.database(), "this is no database, it is a text of some length".repeat(50))
            .unwrap();
        assert_eq!(levels(&check(&data)), [Level::Problem]);
    }
}
