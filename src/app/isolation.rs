//! What each isolation of steps binds and what it does not: the words of the table in docs/threat-model.md, of which the
//! server logs one row when it starts.

use crate::config::Settings;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isolation {
    /// How it is chosen.
    pub setting: &'static str,
    /// What it binds.
    pub binds: &'static str,
    /// What it does not.
    pub leaves_open: &'static str,
}

/// Steps without any.
const NONE: Isolation = Isolation {
    setting: "no isolation",
    binds: "a step ends with its run; `(secret …)` gives only what is granted",
    leaves_open: "a step has the account of the server: it reads and writes the data folder, other runs, journals and logs, reads \
                  `config.fnl` and every secret's file, connects to `server.sock`, and ends or outlives what that account may",
};

/// Steps of another user.
const USER: Isolation = Isolation {
    setting: "`:steps {:user …}`",
    binds: "also: the data folder but for the step's workspace and its repository, the server's files of secrets, its processes",
    leaves_open: "runs share the user: a step reads environment, secrets and workspaces of other runs at work; the machine as \
                  that user sees it; the network",
};

/// Steps in bubblewrap.
const BWRAP: Isolation = Isolation {
    setting: "`:steps {:sandbox :bwrap}`",
    binds: "also: every file but the system's (read-only) and the workspace, processes of others, sysctls and devices, the network \
            unless it is opened",
    leaves_open: "a step has the uid of the server: of a root server, it reads what only root reads in `/etc`; new user namespaces; \
                  the kernel; memory, processor time and disk",
};

/// Both.
const BOTH: Isolation = Isolation {
    setting: "`:steps {:user … :sandbox :bwrap}`",
    binds: "all of the above",
    leaves_open: "new user namespaces; the kernel; memory, processor time and disk",
};

/// Containers.
const CONTAINER: Isolation = Isolation {
    setting: "container steps",
    binds: "every file but the image's and the workspace, processes, devices, capabilities, the network; memory, processors and \
            processes where they are limited",
    leaves_open: "the kernel; the disk through the workspace; what the policy opens; steps on the host, which the policy does not bind",
};

/// The rows of the table, in its order.
pub const ISOLATIONS: [Isolation; 5] = [NONE, USER, BWRAP, BOTH, CONTAINER];

impl Isolation {
    /// What steps on the host have by these settings.
    pub(crate) fn of(settings: &Settings) -> Self {
        match (settings.steps.user.is_some(), settings.steps.sandbox.is_some()) {
            (false, false) => NONE,
            (true, false) => USER,
            (false, true) => BWRAP,
            (true, true) => BOTH,
        }
    }

    /// Says once what is not promised here.
    pub(crate) fn log(&self) {
        let Self { setting, leaves_open, .. } = self;
        tracing::warn!(
            "steps on the host have {setting}; not bound: {leaves_open} (docs/threat-model.md, Isolation)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    #[test]
    fn the_settings_choose_the_row() {
        for (steps, row) in [
            ("", NONE),
            (":user \"nobody\"", USER),
            (":sandbox :bwrap", BWRAP),
            (":user \"nobody\" :sandbox :bwrap", BOTH),
        ] {
            let settings = read(format!("{{:steps {{{steps}}}}}").as_bytes()).unwrap();
            assert_eq!(Isolation::of(&settings), row);
        }
    }
}
