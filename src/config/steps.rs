//! `:steps`: how the steps of pipelines are isolated from this machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::model::Diagnostic;
use crate::schema::{Fields, Node};
use crate::sys::transition::missing_capabilities;
use crate::sys::user::{self, Account};

/// How steps are isolated from this machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepSettings {
    /// Whose processes they are; the server's own user when nothing is said.
    pub(crate) user: Option<StepUser>,
    /// Whether a step of another user may gain rights by a setuid program; `None` is no.
    pub(crate) no_new_privs: Option<bool>,
    /// Whether a sandbox is required, with its place.
    pub(crate) sandbox: Option<Node>,
    /// Whether a job may have the network in its sandbox.
    pub(crate) network: Option<bool>,
    /// What sandboxes show in addition to the folders of the system, with its places.
    pub(crate) read: Vec<ShownPath>,
}

/// The user of steps, as `config.fnl` names it.
#[derive(Debug, Clone)]
pub(crate) struct StepUser {
    /// The login name.
    pub(crate) name: String,
    node: Node,
}

/// A path that sandboxes show, as `config.fnl` names it.
#[derive(Debug, Clone)]
pub(crate) struct ShownPath {
    pub(crate) path: PathBuf,
    node: Node,
}

/// Reads `:steps`.
pub(super) fn read(fields: &Fields<'_>) -> StepSettings {
    let user =
        fields.read("user", |node| Ok(StepUser { name: node.as_str()?.to_owned(), node: node.clone() }));
    let steps = StepSettings {
        user,
        no_new_privs: fields.flag("no-new-privs"),
        sandbox: fields.word("sandbox").and_then(|_| fields.get("sandbox").cloned()),
        network: fields.flag("network"),
        read: fields.list("read", shown_path),
    };
    if steps.no_new_privs.is_some() && fields.get("user").is_none() {
        let help = "set `:user`, or remove this setting; a sandbox never gives new rights";
        fields.refuse_option("no-new-privs", "`:no-new-privs` applies only to steps of another user", help);
    }
    steps
}

fn shown_path(node: &Node) -> Result<ShownPath, Diagnostic> {
    let path = PathBuf::from(node.as_str()?);
    if path.is_absolute() && path.parent().is_some() {
        return Ok(ShownPath { path, node: node.clone() });
    }
    Err(node.error(format!("`{}` is not an absolute path below `/`", path.display())))
}

impl StepUser {
    /// The account of the user, when steps can have it on this machine and by this process.
    ///
    /// # Errors
    /// Says why not, with the place in `config.fnl`.
    pub(crate) fn account(&self, data: &Path) -> Result<Account, Diagnostic> {
        let account = find(&self.name).map_err(|(problem, help)| self.node.error(problem).help(help))?;
        let closed = data.ancestors().skip(1).find(|folder| !can_pass(folder, &account));
        match closed {
            None => Ok(account),
            Some(folder) => {
                let problem = format!(
                    "`{}` cannot reach the workspaces: {} is closed to it",
                    self.name,
                    folder.display()
                );
                let help = format!("chmod o+x {}, or keep the data folder elsewhere", folder.display());
                Err(self.node.error(problem).help(help))
            }
        }
    }
}

impl ShownPath {
    /// The mistake that nothing is there.
    fn missing(&self) -> Option<Diagnostic> {
        let error = std::fs::metadata(&self.path).err()?;
        let problem = format!("sandboxes cannot show `{}`: {error}", self.path.display());
        Some(
            self.node
                .error(problem)
                .help("remove the path, or create the folder; until then no sandboxed step can start"),
        )
    }
}

impl StepSettings {
    /// The mistakes of paths that are shown in sandboxes and not there.
    pub(crate) fn missing_paths(&self) -> Vec<Diagnostic> {
        self.read.iter().filter_map(ShownPath::missing).collect()
    }

    /// The mistake that a sandbox is demanded and cannot be made here.
    pub(crate) fn missing_sandbox(&self, is_there: impl FnOnce() -> bool) -> Option<Diagnostic> {
        let node = self.sandbox.as_ref().filter(|_| !is_there())?;
        Some(node.error("`bwrap` is not in the PATH of this server").help(INSTALL_BWRAP))
    }
}

/// How the sandbox comes to a machine.
pub(crate) const INSTALL_BWRAP: &str =
    "install bubblewrap (Debian: apt-get install bubblewrap); until then no run can continue";

/// Finds the account that steps get.
///
/// # Errors
/// Says what is wrong with it, and what to do.
pub(crate) fn find(name: &str) -> Result<Account, (String, String)> {
    let found = user::find(name).map_err(|error| {
        (format!("the users of this machine cannot be read: {error}"), "look at /etc/passwd".to_owned())
    })?;
    let Some(account) = found else {
        let shown = if name.bytes().all(|byte| byte.is_ascii_graphic()) && !name.is_empty() {
            name
        } else {
            "quire-ci"
        };
        let help = format!("useradd --system --create-home {shown}, or name one of /etc/passwd");
        return Err((format!("the user `{name}` does not exist on this machine"), help));
    };
    if account.uid == 0 || account.uid == user::own_uid() {
        let problem = format!(
            "`{name}` is root or the user of the server: its steps could do everything that the server can"
        );
        return Err((problem, "name a user that owns nothing, or leave the key out".to_owned()));
    }
    let missing = missing_capabilities();
    if missing.is_empty() {
        return Ok(account);
    }
    let problem = format!("steps cannot run as `{name}`: the server lacks {}", missing.join(", "));
    Err((problem, "start the server as root, or leave the key out".to_owned()))
}

/// Whether a user can pass through a folder, as far as its mode says.
fn can_pass(folder: &Path, account: &Account) -> bool {
    use std::os::unix::fs::MetadataExt;
    if folder.as_os_str() == OsStr::new("") {
        return true;
    }
    let Ok(data) = std::fs::metadata(folder) else { return true };
    let bit = if data.uid() == account.uid {
        0o100
    } else if account.groups.contains(&data.gid()) {
        0o010
    } else {
        0o001
    };
    data.mode() & bit != 0
}

#[cfg(test)]
mod tests {
    use crate::config::read;

    #[test]
    fn what_steps_may_is_read() {
        let text =
            r#"{:steps {:user "ci" :no-new-privs false :sandbox :bwrap :network true :read ["/srv/x"]}}"#;
        let steps = read(text.as_bytes()).unwrap().steps;
        assert_eq!(steps.user.as_ref().map(|user| user.name.as_str()), Some("ci"));
        assert_eq!((steps.no_new_privs, steps.network), (Some(false), Some(true)));
        assert!(steps.sandbox.is_some() && steps.read[0].path == std::path::Path::new("/srv/x"));
        let missing = steps.missing_paths();
        assert_eq!(missing[0].place(), "config.fnl:1:78");
        assert!(missing[0].message.starts_with("sandboxes cannot show `/srv/x`: "));
        assert!(steps.missing_sandbox(|| true).is_none());
        let missing = steps.missing_sandbox(|| false).unwrap();
        assert_eq!(missing.place(), "config.fnl:1:50");
        assert!(read(b"{:steps {}}").unwrap().steps.missing_sandbox(|| false).is_none());
    }

    #[test]
    fn every_mistake_of_steps_has_its_place() {
        let text =
            "{:steps {:usr \"x\" :sandbox :docker :network 1 :read [\"rel\" \"/\"] :no-new-privs true}}";
        let wrong = read(text.as_bytes()).unwrap_err();
        let shown: Vec<_> =
            wrong.iter().map(|wrong| format!("{}: {}", wrong.place(), wrong.message)).collect();
        assert_eq!(
            shown,
            [
                "config.fnl:1:10: unknown option `:usr` of `:steps`",
                "config.fnl:1:28: expected `:bwrap`, got `docker`",
                "config.fnl:1:45: expected `true` or `false`, got the number 1",
                "config.fnl:1:54: `rel` is not an absolute path below `/`",
                "config.fnl:1:60: `/` is not an absolute path below `/`",
                "config.fnl:1:65: `:no-new-privs` applies only to steps of another user",
            ]
        );
    }

    #[test]
    fn a_user_that_steps_cannot_have_is_refused_with_the_reason() {
        let account = |name: &str| {
            let text = format!("{{:steps {{:user {name:?}}}}}");
            let user = read(text.as_bytes()).unwrap().steps.user.unwrap();
            user.account(std::path::Path::new("/var/quire")).map_err(|wrong| wrong.message)
        };
        assert_eq!(
            account("no-such-user"),
            Err("the user `no-such-user` does not exist on this machine".to_owned())
        );
        assert!(account("root").unwrap_err().contains("everything that the server can"));
        assert!(account("").unwrap_err().starts_with("the user `` does not exist"));
    }
}
