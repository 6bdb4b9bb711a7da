//! What is asked of systemctl(1), and what it says.

use std::time::Duration;

use crate::cli::exit::{Code, Failure};
use crate::sys::program::{Program, Reply};

/// How long systemctl may take; stopping the server has 20 seconds of it.
const PATIENCE: Duration = Duration::from_secs(90);

/// The properties that are looked at.
const PROPERTIES: &str = "--property=LoadState,ActiveState,SubState,UnitFileState,MainPID,StatusText";

/// The manager of services: the machine's or the caller's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Systemd {
    pub(super) user: bool,
    /// The unit that it is asked about.
    pub(super) unit: &'static str,
}

/// What systemd says of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) load: String,
    pub(super) active: String,
    pub(super) sub: String,
    pub(super) enabled: String,
    pub(super) pid: Option<u32>,
    pub(super) says: String,
}

impl Systemd {
    /// How a person calls it.
    pub(super) fn shown(self) -> &'static str {
        if self.user { "systemctl --user" } else { "systemctl" }
    }

    /// Calls systemctl, which must succeed.
    pub(super) fn call(self, args: &[&str]) -> Result<Reply, Failure> {
        let prefix: &[&str] = if self.user { &["--user"] } else { &[] };
        let all: Vec<&str> = prefix.iter().chain(args).copied().collect();
        let shown = format!("systemctl {}", all.join(" "));
        let said = Program::new("systemctl")
            .args(&all)
            .ask(PATIENCE)
            .map_err(|error| Failure::new(Code::Broken, format!("{shown}: {error}")))?;
        if said.is_ok {
            return Ok(said);
        }
        Err(Failure::new(Code::Broken, format!("{shown} failed: {}", said.stderr.replace('\n', "; ")))
            .hint(format!("journalctl{} -u {}", if self.user { " --user" } else { "" }, self.unit)))
    }

    /// What systemd knows of the unit.
    pub(super) fn show(self) -> Result<Shown, Failure> {
        Ok(parse(&self.call(&["show", self.unit, PROPERTIES])?.stdout))
    }
}

/// Reads the `NAME=VALUE` lines of `systemctl show`.
fn parse(output: &str) -> Shown {
    let mut shown = Shown::default();
    for (name, value) in output.lines().filter_map(|line| line.split_once('=')) {
        let value = value.to_owned();
        match name {
            "LoadState" => shown.load = value,
            "ActiveState" => shown.active = value,
            "SubState" => shown.sub = value,
            "UnitFileState" => {
                shown.enabled = if value.is_empty() { "not installed".to_owned() } else { value }
            }
            "MainPID" => shown.pid = value.parse().ok().filter(|pid| *pid != 0),
            "StatusText" => shown.says = value,
            _ => {}
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemctl_shows_is_read() {
        let shown = parse(
            "MainPID=612\nStatusText=serving /var/quire at http://127.0.0.1:7878\nLoadState=loaded\n\
             ActiveState=active\nSubState=running\nUnitFileState=enabled\nOther=x=y\n",
        );
        assert_eq!((shown.pid, shown.active.as_str(), shown.sub.as_str()), (Some(612), "active", "running"));
        assert_eq!(shown.says, "serving /var/quire at http://127.0.0.1:7878");
        let absent =
            parse("MainPID=0\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n");
        assert_eq!((absent.pid, absent.enabled.as_str()), (None, "not installed"));
    }
}
