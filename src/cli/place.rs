//! Where the data folder is, and what the environment says.

use std::path::{Path, PathBuf};

use super::access::{self, Access};
use super::exit::{Code, Failure, print_error};
use crate::app::{AppState, Problem, RunRow};
use crate::config::{DataDir, DataDirHints};
use crate::journal::JOURNAL;
use crate::model::{Profile, ProfileError};
use crate::policy::StartProfiles;

/// The data folder that is meant.
#[expect(clippy::disallowed_methods, reason = "cli/ reads the environment")]
pub(super) fn data_dir(flag: Option<PathBuf>) -> Result<DataDir, Failure> {
    if flag.as_ref().is_some_and(|flag| flag.as_os_str().is_empty()) {
        return Err(Failure::new(Code::Usage, "--data is empty").hint("name a folder: --data DIR"));
    }
    let hints = DataDirHints {
        flag,
        variable: std::env::var_os("QUIRE_DATA"),
        system_exists: Path::new("/var/quire").is_dir(),
        xdg_data_home: std::env::var_os("XDG_DATA_HOME"),
        home: std::env::var_os("HOME"),
    };
    // Only a relative path needs the current folder, and is not found when that was removed.
    let current = std::env::current_dir().unwrap_or_default();
    let unknown =
        || Failure::new(Code::Usage, "no data folder is set").hint("name one with --data or QUIRE_DATA");
    let chosen = DataDir::choose(&hints, &current).ok_or_else(unknown)?;
    resolved(chosen)
}

/// The same folder with all links resolved, as far as it is there: hooks compare paths.
fn resolved(data: DataDir) -> Result<DataDir, Failure> {
    if data.path().to_str().is_none() {
        let message = format!("the path of the data folder is not UTF-8: {}", data.path().display());
        return Err(Failure::new(Code::Usage, message).hint("choose another folder"));
    }
    Ok(data.path().canonicalize().map(DataDir::new).unwrap_or(data))
}

/// The data folder, made when it is not there.
pub(crate) fn make_data_dir(data: DataDir, hint: &str) -> Result<DataDir, Failure> {
    use std::os::unix::fs::DirBuilderExt;
    access::check_place(data.path())?;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data.path());
    made.map_err(|error| {
        Failure::new(Code::Broken, format!("could not make {}: {error}", data.path().display())).hint(hint)
    })?;
    resolved(data)
}

/// The data folder, which has to be there, for what a command does to it.
pub(super) fn existing(data: DataDir, access: Access) -> Result<DataDir, Failure> {
    match std::fs::metadata(data.path()) {
        Ok(there) if there.is_dir() => {
            access::check(&data, access)?;
            return Ok(data);
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(access::unreadable(data.path(), &error).into());
        }
        Ok(_) => {
            let message = format!("the data folder {} is not a folder", data.path().display());
            return Err(Failure::new(Code::Usage, message).hint("name another with --data or QUIRE_DATA"));
        }
        Err(_) => {}
    }
    Err(Failure::not_found(format!("the data folder {} does not exist", data.path().display()))
        .hint("name another with --data or QUIRE_DATA; quire serve and quire repo new make one"))
}

/// The data folder, all of which can be read if it is there.
pub(super) fn readable_or_absent(data: DataDir) -> Result<DataDir, Failure> {
    access::readable(data.path())?;
    access::check(&data, Access::ReadRepositories)?;
    access::check(&data, Access::ReadRuns)?;
    Ok(data)
}

/// The environment as pairs; what is not UTF-8 is left out.
#[expect(clippy::disallowed_methods, reason = "cli/ reads the environment")]
pub(crate) fn environment() -> Vec<(String, String)> {
    let pairs = std::env::vars_os();
    pairs.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// One variable of the environment.
#[expect(clippy::disallowed_methods, reason = "cli/ reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Checks that this account may read what a run has written: what it may not would be shown as if it were empty.
pub(super) fn expect_access(app: &AppState, row: &RunRow) -> Result<(), Problem> {
    let run_dir = app.data.run(&row.repo, row.number);
    [run_dir.clone(), run_dir.join(JOURNAL), run_dir.join("log")]
        .iter()
        .try_for_each(|path| access::readable(path))
}

/// The profiles of containers that were chosen here: by the flag, and by `QUIRE_PROFILE`.
pub(super) fn profiles(flag: Option<&str>) -> Result<StartProfiles, Failure> {
    let parse = |text: &str, from: &str| {
        let wrong = |error: ProfileError| Failure::new(Code::Usage, format!("{from}: {error}"));
        Profile::parse(text).map_err(wrong)
    };
    let environment = variable("QUIRE_PROFILE").filter(|text| !text.is_empty());
    Ok(StartProfiles {
        environment: environment.map(|text| parse(&text, "QUIRE_PROFILE")).transpose()?,
        flag: flag.map(|text| parse(text, "--profile")).transpose()?,
    })
}

/// Says on standard error why a list has nothing in it.
pub(super) fn note_if_empty(is_empty: bool, note: impl std::fmt::Display) {
    if is_empty {
        print_error(&format!("{note}\n"));
    }
}
