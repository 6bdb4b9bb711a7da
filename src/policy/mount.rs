//! Decides about folders of the host that a container asks for.

use std::path::{Path, PathBuf};

use super::decide::Judge;
use super::decision::DENIED;
use super::policy::Policy;
use super::request::MountRequest;
use crate::config::{SYSTEM_FOLDERS, is_clean_folder};
use crate::model::Quoted;

/// Where engines listen, and what they keep their containers in; `*` is any one part of a path.
const ENGINES: [&str; 12] = [
    "/run/docker.sock",
    "/run/docker",
    "/run/podman",
    "/run/containerd",
    "/run/crio",
    "/run/user/*/docker.sock",
    "/run/user/*/docker",
    "/run/user/*/podman",
    "/run/user/*/containers",
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/lib/containerd",
];

/// Names of sockets of engines, no matter where they are.
const ENGINE_SOCKETS: [&str; 4] = ["docker.sock", "podman.sock", "containerd.sock", "crio.sock"];

/// Folders inside a container that are the kernel's or quire's.
const TARGETS: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];

/// Where the workspace is inside.
const WORKSPACE: &str = "/work";

impl Judge<'_> {
    /// Decides about one folder. What gives access to the host comes before every opening.
    pub(super) fn mount(&mut self, mount: &MountRequest) {
        let source: PathBuf = mount.source.components().collect();
        let target: PathBuf = mount.target.components().collect();
        if !is_clean_folder(&source) {
            let shown = mount.source.to_string_lossy();
            return self.invalid(format!("{} is not a folder that can be mounted", Quoted::new(&shown)));
        }
        let is_taken = target == Path::new("/")
            || target == Path::new(WORKSPACE)
            || TARGETS.into_iter().any(|taken| target.starts_with(taken));
        if is_taken || !is_clean_folder(&target) {
            let shown = mount.target.to_string_lossy();
            return self
                .invalid(format!("{} cannot be the mount point of a host folder", Quoted::new(&shown)));
        }
        let shown = format!("the folder `{}`", source.display());
        if overlaps(&source, &self.policy.data_dir) {
            return self.deny(
                DENIED,
                format!("{shown} overlaps quire's data folder, which containers cannot see"),
                None,
            );
        }
        if is_an_engines(self.policy, &source) {
            return self.deny(
                DENIED,
                format!("{shown} gives access to the container engine, and so to this machine"),
                None,
            );
        }
        if source == Path::new("/") || SYSTEM_FOLDERS.into_iter().any(|system| source.starts_with(system)) {
            return self.only_disabled(&shown);
        }
        let operator = &self.policy.operator;
        // Only as it is named: who may write there could put a link in the place of a folder below, between the decision
        // and the mount.
        let is_writable = operator.writable_mounts.contains(&source);
        if mount.writable {
            self.opening(&format!("writing to {shown}"), is_writable, |settings| {
                settings.writable_mounts.push(source);
            });
        } else {
            let is_still = !lies_in(&source, &operator.writable_mounts);
            let is_open = is_writable || (is_still && lies_in(&source, &operator.mounts));
            self.opening(&shown, is_open, |settings| settings.mounts.push(source));
        }
    }
}

fn lies_in(source: &Path, folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| source.starts_with(folder))
}

/// Whether one of two paths is the other or lies in it.
fn overlaps(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn is_an_engines(policy: &Policy, source: &Path) -> bool {
    // `/var/run` is a link to `/run` nearly everywhere.
    let plain = source
        .strip_prefix("/var/run")
        .map_or_else(|_| source.to_owned(), |rest| Path::new("/run").join(rest));
    source.file_name().and_then(|name| name.to_str()).is_some_and(|name| ENGINE_SOCKETS.contains(&name))
        || ENGINES.into_iter().any(|engine| matches_either_way(&plain, Path::new(engine)))
        || policy.engine_places.iter().any(|socket| overlaps(source, socket) || overlaps(&plain, socket))
}

/// [`overlaps`], with `*` for any part.
fn matches_either_way(source: &Path, pattern: &Path) -> bool {
    let is_any = std::ffi::OsStr::new("*");
    source
        .components()
        .zip(pattern.components())
        .all(|(one, other)| one == other || other.as_os_str() == is_any)
}
