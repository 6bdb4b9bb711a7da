//! Where the data folder is, and what the environment says.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::exit::{Code, Failure};
use crate::config::{DataDir, DataDirHints};
use crate::model::RunName;
use crate::store::{self, RunRow};

/// The data folder that is meant.
#[expect(clippy::disallowed_methods, reason = "cli/ reads the environment")]
pub(super) fn data_dir(flag: Option<PathBuf>) -> Result<DataDir, Failure> {
    let hints = DataDirHints {
        flag,
        variable: std::env::var_os("QUIRE_DATA"),
        system_exists: Path::new("/var/quire").is_dir(),
        xdg_data_home: std::env::var_os("XDG_DATA_HOME"),
        home: std::env::var_os("HOME"),
    };
    let current = std::env::current_dir().map_err(|error| Failure::broken(&error))?;
    let unknown =
        || Failure::new(Code::Usage, "there is no data folder").hint("name one with --data or QUIRE_DATA");
    let chosen = DataDir::choose(&hints, &current).ok_or_else(unknown)?;
    // Hooks compare paths, so that links are resolved as far as the folder is there.
    Ok(chosen.path().canonicalize().map(DataDir::new).unwrap_or(chosen))
}

/// The environment as pairs; what is not UTF-8 is left out.
#[expect(clippy::disallowed_methods, reason = "cli/ reads the environment")]
pub(super) fn environment() -> Vec<(String, String)> {
    let pairs = std::env::vars_os();
    pairs.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// One variable of the environment.
#[expect(clippy::disallowed_methods, reason = "cli/ reads the environment")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The database, for reading.
pub(super) fn database(data: &DataDir) -> Result<Connection, Failure> {
    if !data.database().exists() {
        return Err(Failure::not_found(format!("there are no runs in {}", data.path().display()))
            .hint("is this the data folder? name another with --data"));
    }
    store::open_read_only(&data.database()).map_err(|error| Failure::broken(&error))
}

/// The run that is named.
pub(super) fn find_run(data: &DataDir, text: &str) -> Result<RunRow, Failure> {
    let name = RunName::parse(text).map_err(|error| {
        Failure::new(Code::Usage, crate::model::chain(&error)).hint("quire runs lists them")
    })?;
    let found = store::find_run(&database(data)?, &name).map_err(|error| Failure::broken(&error))?;
    found.ok_or_else(|| Failure::not_found(format!("there is no run {name}")).hint("quire runs lists them"))
}

/// The address of the server, as it wrote it down when it started.
pub(super) fn server_url(data: &DataDir) -> Option<String> {
    std::fs::read_to_string(data.server_url()).ok().filter(|url| !url.is_empty())
}
