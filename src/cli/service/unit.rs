//! The text of the systemd unit: a function of what it is for, without I/O.

use std::path::{Path, PathBuf};

/// The first line of every unit that quire writes; what begins otherwise is somebody else's.
pub(super) const MARKER: &str = "# written by `quire service install`";

/// Whose service it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// The machine's, run as this account.
    System {
        /// The account.
        user: String,
    },
    /// The caller's.
    User,
}

/// What the unit starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The name of the unit.
    pub(crate) unit: &'static str,
    /// What it is, in one line.
    pub(crate) about: &'static str,
    /// How the unit is removed.
    pub(crate) removal: &'static str,
    /// What is started.
    pub(crate) binary: PathBuf,
    /// Whether it is started as `serve --data DIR`; otherwise without any word.
    pub(crate) serves: bool,
    /// Variables that it is started with.
    pub(crate) variables: Vec<(String, String)>,
}

impl Program {
    /// quire itself.
    pub(super) fn quire(binary: PathBuf) -> Self {
        Self {
            unit: "quire.service",
            about: "quire, a git forge that runs .quire/ci.fnl on every push",
            removal: "`quire service uninstall` removes it",
            binary,
            serves: true,
            variables: Vec::new(),
        }
    }
}

/// What the unit is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) scope: Scope,
    pub(super) program: Program,
    pub(super) data: PathBuf,
    /// Whether steps may gain rights: rootless containers and sudo need it.
    pub(super) may_gain_rights: bool,
}

impl Unit {
    /// The unit, or why there can be none.
    pub(super) fn text(&self) -> Result<String, String> {
        let program = &self.program;
        let mut command = quoted(&program.binary, "$$")?;
        if program.serves {
            command.push_str(&format!(" serve --data {}", quoted(&self.data, "$$")?));
        }
        let (folder, written) = (unquoted(&self.data)?, quoted(&self.data, "$")?);
        let mut lines = vec![
            MARKER.to_owned(),
            format!("# {}; your own settings belong into `systemctl edit {}`", program.removal, program.unit),
            "[Unit]".to_owned(),
            format!("Description={}", program.about),
        ];
        if matches!(self.scope, Scope::System { .. }) {
            lines.push("After=network-online.target".to_owned());
            lines.push("Wants=network-online.target".to_owned());
        }
        lines.extend([
            String::new(),
            "[Service]".to_owned(),
            "Type=notify".to_owned(),
            format!("ExecStart={command}"),
            "ExecReload=/bin/kill -HUP $MAINPID".to_owned(),
            format!("WorkingDirectory={folder}"),
            "Restart=on-failure".to_owned(),
            "TimeoutStopSec=20".to_owned(),
            "# Only the server is stopped: runs continue, and the next server follows them.".to_owned(),
            "KillMode=process".to_owned(),
            "# Steps get cgroups of their own, so that nothing of them is left behind.".to_owned(),
            "Delegate=yes".to_owned(),
            "UMask=0077".to_owned(),
        ]);
        for (name, value) in &program.variables {
            lines.push(format!("Environment={}", word(&format!("{name}={value}"), "$")?));
        }
        if !self.may_gain_rights {
            lines.push("NoNewPrivileges=yes".to_owned());
        }
        if let Scope::System { user } = &self.scope {
            lines.extend([
                format!("User={user}"),
                "# Without PrivateTmp, whose folder goes with the server while runs still use it.".to_owned(),
                "ProtectSystem=strict".to_owned(),
                format!("ReadWritePaths={written} /tmp /var/tmp"),
            ]);
        }
        let target =
            if self.scope == Scope::User { "WantedBy=default.target" } else { "WantedBy=multi-user.target" };
        lines.extend([String::new(), "[Install]".to_owned(), target.to_owned()]);
        Ok(lines.join("\n") + "\n")
    }
}

/// A path where systemd takes one to the end of the line, without quotes: only `%` means something there.
fn unquoted(path: &Path) -> Result<String, String> {
    Ok(plain(path)?.replace('%', "%%"))
}

/// A path as a quoted word; `dollar` is how a dollar sign is written there.
fn quoted(path: &Path, dollar: &str) -> Result<String, String> {
    word(plain(path)?, dollar)
}

/// A text of one line as a quoted word.
fn word(text: &str, dollar: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err(format!("{text:?} has control characters in it"));
    }
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', dollar);
    let is_simple = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+=".contains(&byte));
    Ok(if is_simple { text } else { format!("\"{text}\"") })
}

/// An absolute path of one line.
fn plain(path: &Path) -> Result<&str, String> {
    let text = path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()))?;
    if !path.is_absolute() {
        return Err(format!("{text} is not an absolute path"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{text:?} has control characters in it"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(scope: Scope, data: &str) -> Unit {
        Unit {
            scope,
            program: Program::quire("/usr/bin/quire".into()),
            data: data.into(),
            may_gain_rights: false,
        }
    }

    #[test]
    fn the_unit_of_the_machine_has_an_account_and_writes_only_where_it_must() {
        let text = unit(Scope::System { user: "quire".to_owned() }, "/var/quire").text().unwrap();
        for line in [
            "Type=notify",
            "ExecStart=/usr/bin/quire serve --data /var/quire",
            "ExecReload=/bin/kill -HUP $MAINPID",
            "User=quire",
            "KillMode=process",
            "Delegate=yes",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "ReadWritePaths=/var/quire /tmp /var/tmp",
            "UMask=0077",
            "WantedBy=multi-user.target",
        ] {
            assert!(text.lines().any(|there| there == line), "{line} is not in\n{text}");
        }
        assert!(text.starts_with(MARKER));
    }

    #[test]
    fn the_unit_of_a_user_names_no_account_and_rights_can_be_left() {
        let text = unit(Scope::User, "/home/ada/quire").text().unwrap();
        for word in ["User=", "ProtectSystem", "ReadWritePaths", "network-online"] {
            assert!(!text.contains(word), "{word}\n{text}");
        }
        assert!(text.contains("WantedBy=default.target"));
        let may = Unit { may_gain_rights: true, ..unit(Scope::User, "/home/ada/quire") };
        assert!(!may.text().unwrap().contains("NoNewPrivileges"));
    }

    #[test]
    fn another_program_is_started_without_words_and_with_its_variables() {
        let program = Program {
            unit: "other.service",
            serves: false,
            variables: vec![("XDG_DATA_HOME".to_owned(), "/a b/50%".to_owned())],
            ..Program::quire("/usr/bin/other".into())
        };
        let text = Unit { program, ..unit(Scope::User, "/home/ada/other") }.text().unwrap();
        for line in ["ExecStart=/usr/bin/other", "Environment=\"XDG_DATA_HOME=/a b/50%%\""] {
            assert!(text.lines().any(|there| there == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn signs_that_mean_something_are_escaped_and_lines_cannot_be_added() {
        let text = unit(Scope::System { user: "q".to_owned() }, "/srv/a b/50%/$HOME \"x\"").text().unwrap();
        assert!(text.contains(r#"--data "/srv/a b/50%%/$$HOME \"x\"""#), "{text}");
        assert!(text.contains("WorkingDirectory=/srv/a b/50%%/$HOME \"x\"\n"), "{text}");
        assert!(text.contains(r#"ReadWritePaths="/srv/a b/50%%/$HOME \"x\"" /tmp"#), "{text}");
        for bad in ["relative", "/a\nUser=root"] {
            assert!(unit(Scope::User, bad).text().is_err(), "{bad}");
        }
    }
}
