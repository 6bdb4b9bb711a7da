//! `configure service`, `reset` and `notify test`.

use std::path::PathBuf;

use super::NAME;
use super::files::Files;
use crate::app::{TargetTest, forget_remotes, test_target as test};
use crate::cli::access::{self, Access};
use crate::cli::ask::{here, here_with};
use crate::cli::exit::{Code, Ended, Failure, print, print_error};
use crate::cli::place::{environment, variable};
use crate::cli::service::{InstalledService, Program, install_program};
use crate::sys::search_path::find_program;
use crate::sys::user::name_of;

/// The name of the unit.
const UNIT: &str = "phantom_ci.service";

/// Installs the service, or prints its unit: of the account, or of the machine, as the account.
pub(super) fn configure(files: &Files, is_of_machine: bool, print: bool) -> Ended {
    let names = ["XDG_DATA_HOME", "XDG_CONFIG_HOME"];
    let variables = names.into_iter().filter_map(|name| Some((name.to_owned(), variable(name)?))).collect();
    let program = Program {
        unit: UNIT,
        about: "phantom_ci, which watches branches and runs their workflows",
        removal: if is_of_machine {
            "`systemctl disable --now phantom_ci.service` stops it; then this file can be deleted"
        } else {
            "`systemctl --user disable --now phantom_ci.service` stops it; then this file can be deleted"
        },
        binary: called()?,
        serves: false,
        variables,
    };
    let account = is_of_machine.then(|| {
        name_of(rustix::process::geteuid().as_raw())
            .ok_or_else(|| Failure::new(Code::Broken, "the account of this process has no name"))
    });
    install_program(program, &files.data, account.transpose()?, print)
}

/// The path that this program was called by: the name of the link selects the program.
fn called() -> Result<PathBuf, Failure> {
    let first = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let searched = variable("PATH").unwrap_or_default();
    let path =
        if first.components().count() > 1 { Some(first) } else { find_program(first, searched.as_ref()) };
    path.and_then(|path| std::path::absolute(path).ok())
        .ok_or_else(|| Failure::new(Code::Broken, format!("`{NAME}` is not in `$PATH`")))
}

/// Forgets the state of the remotes and empties the caches; runs, their logs and the copies stay. An installed service that
/// runs is stopped for it and started again.
pub(super) fn reset(files: &Files) -> Ended {
    if !files.data.path().is_dir() {
        print("nothing to reset yet\n");
        return Ok(Code::Done);
    }
    let service = InstalledService::find_running(UNIT)?;
    if let Some(service) = &service {
        service.stop()?;
        print(&format!("stopped {UNIT}; runs continue\n"));
    }
    let ended = clear(files);
    if let Some(service) = &service {
        service.start()?;
        print(&format!("started {UNIT}\n"));
    }
    ended
}

/// Does so while no server has the data folder.
fn clear(files: &Files) -> Ended {
    if files.is_running() {
        let hint = "stop it first: it uses the state of the remotes";
        return Err(Failure::new(Code::Failed, format!("`{NAME}` is running")).hint(hint));
    }
    access::check(&files.data, Access::Write)?;
    let (count, files) = here(&files.data, forget_remotes)?;
    print(&format!("reset the state of {count} remotes, removed {files} cached files; runs and logs stay\n"));
    Ok(Code::Done)
}

/// Sends a test to a target, also of `.env`.
pub(super) fn test_target(files: &Files, name: &str) -> Ended {
    let environment = [environment(), files.variables()?].concat();
    let TargetTest { warnings, sent } =
        here_with(&files.data, environment, async |app| test(app, name).await)?;
    print_error(&warnings.concat());
    sent?;
    print(&format!("sent to {name}\n"));
    Ok(Code::Done)
}
