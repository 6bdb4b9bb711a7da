//! `quire service install|status|uninstall`: quire as a service of systemd. docs/service.md says why the unit is as it is.

mod account;
mod place;
mod systemd;
mod unit;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::exit::{Code, Ended, Failure, print, print_error, print_json};
use super::place::{data_dir, make_data_dir, variable};
use crate::config::DataDir;
use place::{There, Written};
use systemd::Systemd;
pub(crate) use unit::Program;
use unit::{Scope, Unit};

/// The data folder of a service of the machine, when nothing else is said.
const SYSTEM_DATA: &str = "/var/quire";

/// The name of the unit.
const QUIRE: &str = "quire.service";

#[derive(Debug, Subcommand)]
pub(super) enum ServiceCommand {
    /// Write the unit quire.service, and have it started with the machine
    Install(Install),
    /// Say what systemd knows of it; exits 0 when it runs, 1 when not
    Status {
        /// The service of your own account
        #[arg(long)]
        user: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop it and remove the unit; the data folder and the account stay
    Uninstall {
        /// The service of your own account
        #[arg(long)]
        user: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Install {
    /// For your own account instead of the machine
    #[arg(long, conflicts_with = "run_as")]
    user: bool,
    /// Start it now, too
    #[arg(long, conflicts_with = "print")]
    now: bool,
    /// The account that it runs as; `quire` is made when it is missing
    #[arg(long, value_name = "ACCOUNT", default_value = "quire")]
    run_as: String,
    /// Let steps gain rights, as sudo and rootless containers need it
    #[arg(long)]
    may_gain_rights: bool,
    /// Only print the unit
    #[arg(long)]
    print: bool,
}

/// `quire service`.
pub(super) fn perform(data: Option<PathBuf>, command: ServiceCommand) -> Ended {
    match command {
        ServiceCommand::Install(install) => self::install(&describe(data, &install)?, &install),
        ServiceCommand::Status { user, json } => status(user, json),
        ServiceCommand::Uninstall { user } => uninstall(user),
    }
}

/// Installs another program of this binary as a service of the caller's account, or prints its unit. With an account it is a
/// service of the machine that runs as that one.
pub(crate) fn install_program(
    program: Program,
    data: &DataDir,
    run_as: Option<String>,
    print: bool,
) -> Ended {
    let scope = run_as.clone().map_or(Scope::User, |user| Scope::System { user });
    let (user, run_as) = (run_as.is_none(), run_as.unwrap_or_default());
    let install = Install { user, now: false, run_as, may_gain_rights: true, print };
    let unit = Unit { scope, program, data: data.path().to_owned(), may_gain_rights: true };
    self::install(&unit, &install)
}

/// An installed service that runs, which [`InstalledService::stop`] stops and [`InstalledService::start`] starts.
pub(crate) struct InstalledService(Systemd);

impl InstalledService {
    /// The one of this name that runs: the caller's own, or else the machine's.
    ///
    /// # Errors
    /// systemd does not answer.
    pub(crate) fn find_running(unit: &'static str) -> Result<Option<Self>, Failure> {
        for user in [true, false] {
            // Without a manager of services there is none; an account without a session has no manager of its own.
            let Ok(systemd) = running(unit, user) else { return Ok(None) };
            let path = unit_path(unit, user)?;
            if place::look(&path).map_err(|error| at(&path, &error))? != There::Ours {
                continue;
            }
            if systemd.show()?.active == "active" {
                may_change(user)?;
                return Ok(Some(Self(systemd)));
            }
        }
        Ok(None)
    }

    /// Stops it; runs continue.
    ///
    /// # Errors
    /// systemd does not.
    pub(crate) fn stop(&self) -> Result<(), Failure> {
        self.0.call(&["stop", self.0.unit]).map(drop)
    }

    /// Starts it again.
    ///
    /// # Errors
    /// systemd does not.
    pub(crate) fn start(&self) -> Result<(), Failure> {
        self.0.call(&["start", self.0.unit]).map(drop)
    }
}

fn install(unit: &Unit, install: &Install) -> Ended {
    let text = unit.text().map_err(|problem| Failure::new(Code::Usage, problem))?;
    if install.print {
        print(&text);
        return Ok(Code::Done);
    }
    let systemd = present(install.user, unit)?;
    let name = unit.program.unit;
    let path = unit_path(name, install.user)?;
    if place::look(&path).map_err(|error| at(&path, &error))? == There::Foreign {
        return Err(foreign(&path));
    }
    if let Scope::System { user } = &unit.scope {
        account::prepare(user, unit)?;
    } else {
        make_data_dir(DataDir::new(&unit.data), "name another with --data, QUIRE_DATA or XDG_DATA_HOME")?;
    }
    let written = place::write(&path, &text).map_err(|error| at(&path, &error))?;
    match written {
        Written::Refused => return Err(foreign(&path)),
        Written::Same => print(&format!("{} is as it was\n", path.display())),
        Written::New => print(&format!("wrote {}\n", path.display())),
    }
    systemd.call(&["daemon-reload"])?;
    systemd.call(&["enable", name])?;
    if install.now {
        systemd.call(&[if written == Written::New { "restart" } else { "start" }, name])?;
        print("running, and starts at boot\n");
    } else {
        print(&format!("starts at boot; to start it now: {} start {name}\n", systemd.shown()));
    }
    if install.user {
        print_error(
            "hint: a service of an account ends with its last session, unless: loginctl enable-linger\n",
        );
    }
    Ok(Code::Done)
}

/// What the unit is made of.
fn describe(data: Option<PathBuf>, install: &Install) -> Result<Unit, Failure> {
    let named = data.is_some() || variable("QUIRE_DATA").is_some();
    let data = if install.user || named { data_dir(data)? } else { DataDir::new(SYSTEM_DATA) };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if install.run_as.is_empty() || !install.run_as.chars().all(is_name) || install.run_as.starts_with('-') {
        return Err(Failure::new(Code::Usage, format!("`{}` is not a valid account name", install.run_as))
            .hint("use letters, digits, `_`, `-` and `.`"));
    }
    let scope = if install.user { Scope::User } else { Scope::System { user: install.run_as.clone() } };
    let binary = std::env::current_exe().map_err(|error| Failure::broken(&error))?;
    let program = Program::quire(binary);
    Ok(Unit { scope, program, data: data.path().to_owned(), may_gain_rights: install.may_gain_rights })
}

fn status(user: bool, as_json: bool) -> Ended {
    let systemd = running(QUIRE, user)?;
    let path = unit_path(QUIRE, user)?;
    let there = place::look(&path).map_err(|error| at(&path, &error))?;
    let shown = systemd.show()?;
    if as_json {
        print_json(&json!({
            "unit": path,
            "written_by_quire": there == There::Ours,
            "load": shown.load,
            "active": shown.active,
            "sub": shown.sub,
            "enabled": shown.enabled,
            "pid": shown.pid,
            "says": shown.says,
        }));
    } else {
        let whose = match there {
            There::Nothing => "not there",
            There::Ours => "written by quire",
            There::Foreign => "not written by quire",
        };
        print(&format!("unit     {} ({whose})\n", path.display()));
        print(&format!("state    {} ({}), {}\n", shown.active, shown.sub, shown.enabled));
        if let Some(pid) = shown.pid {
            print(&format!("process  {pid}\n"));
        }
        if !shown.says.is_empty() {
            print(&format!("says     {}\n", shown.says));
        }
    }
    Ok(if shown.active == "active" { Code::Done } else { Code::Failed })
}

fn uninstall(user: bool) -> Ended {
    let systemd = running(QUIRE, user)?;
    let path = unit_path(QUIRE, user)?;
    match place::look(&path).map_err(|error| at(&path, &error))? {
        There::Foreign => return Err(foreign(&path)),
        There::Nothing => {
            return Err(Failure::not_found(format!("{} does not exist", path.display())).hint(if user {
                "the machine's: quire service uninstall"
            } else {
                "your own account's: quire service uninstall --user"
            }));
        }
        There::Ours => {}
    }
    may_change(user)?;
    systemd.call(&["disable", "--now", QUIRE])?;
    std::fs::remove_file(&path).map_err(|error| at(&path, &error))?;
    systemd.call(&["daemon-reload"])?;
    print(&format!("removed {}; active runs continue to their end\n", path.display()));
    Ok(Code::Done)
}

/// systemd, with the right to change what is asked for; otherwise what to do instead.
fn present(user: bool, unit: &Unit) -> Result<Systemd, Failure> {
    let program = &unit.program;
    let systemd = running(program.unit, user).map_err(|failure| {
        let binary = program.binary.display();
        let (edit, account) = match &unit.scope {
            Scope::User => ("crontab -e".to_owned(), String::new()),
            // Root's own crontab would run the code of every push as root.
            Scope::System { user } => (format!("crontab -u {user} -e"), format!(", command_user={user}")),
        };
        if !program.serves {
            return failure.hint(format!("with cron (crontab -e): @reboot {binary}"));
        }
        let data = unit.data.display();
        failure
            .hint("quire service install --print shows the unit that would be written")
            .hint(format!("with cron ({edit}): @reboot {binary} serve --data '{data}'"))
            .hint(format!("with OpenRC: supervisor=supervise-daemon, command={binary}{account}, command_args=\"serve --data '{data}'\""))
    })?;
    may_change(user)?;
    Ok(systemd)
}

fn running(unit: &'static str, user: bool) -> Result<Systemd, Failure> {
    if Path::new("/run/systemd/system").is_dir() {
        return Ok(Systemd { user, unit });
    }
    Err(Failure::new(Code::Broken, "this machine does not run systemd: /run/systemd/system does not exist"))
}

fn may_change(user: bool) -> Result<(), Failure> {
    if user || rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::new(Code::Broken, "only root changes services of the machine")
        .hint("as root, or with --user for your own account"))
}

fn unit_path(name: &str, user: bool) -> Result<PathBuf, Failure> {
    if !user {
        return Ok(place::system_unit(name));
    }
    let (config, home) = (variable("XDG_CONFIG_HOME"), variable("HOME"));
    place::user_unit(name, config.as_deref(), home.as_deref())
        .ok_or_else(|| Failure::new(Code::Usage, "$HOME is not set, so the unit cannot be written"))
}

fn foreign(path: &Path) -> Failure {
    Failure::new(Code::Broken, format!("{} was not written by quire", path.display()))
        .hint("nothing was changed; move it away, or keep it")
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::Broken, format!("{}: {error}", path.display()))
}
