//! Who the program of a container is, and who that is on the host.
//!
//! The workspace stays with its account. With an engine of the system, ids are the same on both sides, and the workspace
//! is shown to the user of the container with that user's id and the account's exchanged. A rootless engine has ids of its
//! own: its root is the account that quire runs as, which owns the workspace, and other numbers are exchanged with it
//! (podman-run(1), `--uidmap`).

use rustix::process::{getegid, geteuid};

use super::engine::{Engine, EngineKind};
use super::image_user::{Ids, numbers};
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
    pub(super) on_host: Option<Ids>,
    /// The user and group that cannot write to the workspace as it is.
    pub(super) stranger: Option<Ids>,
}

impl ContainerUser {
    /// The user that works on the workspace of an account; `ids` are those of the one that is asked for, when they are known.
    ///
    /// # Errors
    /// Nobody here can let it work there.
    pub(super) fn of_workspace(
        (asked, ids): (Option<&str>, Option<Ids>),
        owner: Ids,
        engine: &Engine,
    ) -> Result<Self, HostError> {
        let refused = |user: u32, why: &str| {
            let hint = "leave `:user` out, or run quire as root or with rootless podman";
            let problem =
                format!("the user {user} of the container cannot write to the workspace: {why}; {hint}");
            Err(HostError::Refused(problem))
        };
        if engine.is_rootless {
            let user = Self::rootless(asked, ids);
            return match ids {
                Some((id, _)) if engine.kind == EngineKind::Docker && !user.maps.is_empty() => {
                    refused(id, "rootless docker cannot map users")
                }
                Some(_) | None => Ok(user),
            };
        }
        let on_host = if asked.is_some() { ids } else { Some(owner) };
        // Whoever has the account's id can write, whatever its group is.
        let stranger = on_host.filter(|(user, _)| *user != owner.0);
        match stranger {
            Some((user, _)) if !geteuid().is_root() => {
                refused(user, &format!("it belongs to the user {}, and quire does not run as root", owner.0))
            }
            Some(_) | None => {
                let name = asked.map_or_else(|| format!("{}:{}", owner.0, owner.1), str::to_owned);
                Ok(Self { name: Some(name), maps: Vec::new(), on_host, stranger })
            }
        }
    }

    /// The user of a service, which has no workspace: that of its image when none is asked for.
    pub(super) fn of_service(asked: Option<&str>, image: &str, is_rootless: bool) -> Self {
        let on_host = match numbers(asked.unwrap_or(image)) {
            Some((0, _)) if is_rootless => Some(account()),
            Some(_) if is_rootless => None,
            found => found,
        };
        Self { name: asked.map(str::to_owned), maps: Vec::new(), on_host, stranger: None }
    }

    fn rootless(asked: Option<&str>, ids: Option<Ids>) -> Self {
        let ids = if asked.is_some() { ids } else { Some((0, 0)) };
        let (maps, on_host) = match ids {
            Some((user, group)) if user != 0 || group != 0 => {
                let of =
                    |option: &str, id: u32| exchanged(id).map(|map| format!("--{option}={map}")).collect();
                let (users, groups): (Vec<String>, Vec<String>) = (of("uidmap", user), of("gidmap", group));
                ([users, groups].concat(), Some(account()))
            }
            Some(_) => (Vec::new(), Some(account())),
            None => (Vec::new(), None),
        };
        let name = Some(asked.unwrap_or("0:0").to_owned());
        Self { name, maps, on_host, stranger: None }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rootless_container_belongs_to_the_account() {
        let own = Some(account());
        let plain = ContainerUser::rootless(None, None);
        assert_eq!((plain.name.as_deref(), plain.maps.len(), plain.on_host), (Some("0:0"), 0, own));
        let numbered = ContainerUser::rootless(Some("1234"), Some((1234, 0)));
        let maps = ["--uidmap=1234:0:1", "--uidmap=0:1:1234", "--uidmap=1235:1235:64301"];
        assert_eq!(numbered.maps, [&maps[..], &["--gidmap=0:0:1", "--gidmap=1:1:65535"]].concat());
        assert_eq!(numbered.on_host, own);
        let named = ContainerUser::rootless(Some("app"), Some((1234, 0)));
        assert_eq!((named.name.as_deref(), named.maps), (Some("app"), numbered.maps));
        assert_eq!(ContainerUser::rootless(Some("nobody-here"), None).on_host, None);
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
