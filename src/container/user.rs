//! Who the program of a container is, and who that is on the host.
//!
//! With an engine of the system, ids are the same on both sides: the workspace is given to whom the container names. A
//! rootless engine has ids of its own: its root is the account that quire runs as, which owns the workspace, and other
//! numbers are exchanged with it (podman-run(1), `--uidmap`).

use std::fs::symlink_metadata;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::{getegid, geteuid};

use super::engine::{Engine, EngineKind};
use crate::executor::Workspace;
use crate::script::HostError;

/// How many ids a rootless account has in addition to its own, as distributions give them (subuid(5)).
const SUBORDINATE: u32 = 65_536;

/// The user in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContainerUser {
    /// The option for the engine; the image's user without one.
    pub(super) name: Option<String>,
    /// Further options for the engine.
    pub(super) maps: Vec<String>,
    /// The user and group on the host, as far as it is known.
    pub(super) on_host: Option<(u32, u32)>,
}

impl ContainerUser {
    /// The user that works on a workspace, which is its own afterwards. Blocking.
    ///
    /// # Errors
    /// The workspace cannot be given to it.
    pub(super) fn of_workspace(
        asked: Option<&str>,
        workspace: &Workspace,
        engine: &Engine,
    ) -> Result<Self, HostError> {
        if engine.is_rootless {
            let user = Self::rootless(asked);
            if engine.kind == EngineKind::Docker && !user.maps.is_empty() {
                let user = asked.unwrap_or_default();
                let problem = format!("rootless docker cannot give the workspace to the user {user}");
                return Err(HostError::Refused(problem));
            }
            return Ok(user);
        }
        let failed = |error: std::io::Error| HostError::Refused(format!("the workspace: {error}"));
        let found = symlink_metadata(workspace.path()).map_err(failed)?;
        let owner = (found.uid(), found.gid());
        let requested = asked.and_then(numbers).unwrap_or(owner);
        if requested != owner {
            if !geteuid().is_root() {
                return Err(HostError::Refused(format!(
                    "quire does not run as root, and cannot give the workspace to the user {}",
                    requested.0
                )));
            }
            workspace.give_to(requested).map_err(failed)?;
        }
        let name = asked.map_or_else(|| format!("{}:{}", owner.0, owner.1), str::to_owned);
        let on_host = numbers(&name);
        Ok(Self { name: Some(name), maps: Vec::new(), on_host })
    }

    /// The user of a service, which has no workspace: that of its image when none is asked for.
    pub(super) fn of_service(asked: Option<&str>, image: &str, is_rootless: bool) -> Self {
        let on_host = match numbers(asked.unwrap_or(image)) {
            Some((0, _)) if is_rootless => Some(account()),
            Some(_) if is_rootless => None,
            found => found,
        };
        Self { name: asked.map(str::to_owned), maps: Vec::new(), on_host }
    }

    fn rootless(asked: Option<&str>) -> Self {
        let asked = asked.unwrap_or("0:0");
        let (maps, on_host) = match numbers(asked) {
            Some((user, group)) if user != 0 || group != 0 => {
                let of =
                    |option: &str, id: u32| exchanged(id).map(|map| format!("--{option}={map}")).collect();
                let (users, groups): (Vec<String>, Vec<String>) = (of("uidmap", user), of("gidmap", group));
                ([users, groups].concat(), Some(account()))
            }
            Some(_) => (Vec::new(), Some(account())),
            None => (Vec::new(), None),
        };
        Self { name: Some(asked.to_owned()), maps, on_host }
    }
}

/// The account that quire runs as.
fn account() -> (u32, u32) {
    (geteuid().as_raw(), getegid().as_raw())
}

/// Maps by which an id in the container is the account's, and the others are subordinate ones: `inside:outside:count`,
/// where the account is 0 outside.
fn exchanged(id: u32) -> impl Iterator<Item = String> {
    let maps = if id < SUBORDINATE {
        [(id, 0, 1), (0, 1, id), (id + 1, id + 1, SUBORDINATE - 1 - id)]
    } else {
        [(0, 1, SUBORDINATE - 1), (id, 0, 1), (0, 0, 0)]
    };
    maps.into_iter()
        .filter(|(_, _, count)| *count > 0)
        .map(|(inside, outside, count)| format!("{inside}:{outside}:{count}"))
}

/// User and group as numbers: `1000`, `1000:100`; nothing for names.
fn numbers(user: &str) -> Option<(u32, u32)> {
    if user.is_empty() || user == "root" {
        return Some((0, 0));
    }
    let (user, group) = user.split_once(':').unwrap_or((user, "0"));
    Some((user.parse().ok()?, group.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_numbers_or_not_known() {
        assert_eq!(numbers("1000"), Some((1000, 0)));
        assert_eq!(numbers("1000:100"), Some((1000, 100)));
        assert_eq!(numbers("root"), Some((0, 0)));
        assert_eq!(numbers(""), Some((0, 0)), "an image that says nothing runs as root");
        assert_eq!(numbers("postgres"), None);
        assert_eq!(numbers("1000:staff"), None);
    }

    #[test]
    fn a_rootless_container_belongs_to_the_account() {
        let own = Some(account());
        let plain = ContainerUser::rootless(None);
        assert_eq!((plain.name.as_deref(), plain.maps.len(), plain.on_host), (Some("0:0"), 0, own));
        let numbered = ContainerUser::rootless(Some("1234"));
        let maps = ["--uidmap=1234:0:1", "--uidmap=0:1:1234", "--uidmap=1235:1235:64301"];
        assert_eq!(numbered.maps, [&maps[..], &["--gidmap=0:0:1", "--gidmap=1:1:65535"]].concat());
        assert_eq!(numbered.on_host, own);
        assert_eq!(ContainerUser::rootless(Some("postgres")).on_host, None);
        let large: Vec<String> = exchanged(70_000).collect();
        assert_eq!(large, ["0:1:65535", "70000:0:1"]);
        assert_eq!(exchanged(65_535).collect::<Vec<_>>(), ["65535:0:1", "0:1:65535"]);
    }

    #[test]
    fn a_service_has_the_user_of_its_image() {
        let user = |image: &str, is_rootless| ContainerUser::of_service(None, image, is_rootless).on_host;
        assert_eq!(user("999", false), Some((999, 0)));
        assert_eq!(user("999", true), None, "a subordinate id");
        assert_eq!(user("", true), Some(account()));
        assert_eq!(ContainerUser::of_service(None, "999", false).name, None);
        assert_eq!(ContainerUser::of_service(Some("7"), "999", false).name.as_deref(), Some("7"));
    }
}
