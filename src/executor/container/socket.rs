//! Where the engines of this machine listen: what no container may see.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Where an engine of the system listens.
const SYSTEM: [&str; 2] = ["/run/podman/podman.sock", "/run/docker.sock"];

/// Where an engine of a user listens, below `XDG_RUNTIME_DIR`.
const OF_USER: [&str; 2] = ["podman/podman.sock", "docker.sock"];

/// The sockets of engines, as the environment that clients see names them, and where links lead. Blocking: links are
/// followed.
pub fn engine_sockets(env: &BTreeMap<OsString, OsString>) -> Vec<PathBuf> {
    let of = |name: &str| env.get(OsStr::new(name)).and_then(|value| value.to_str());
    let named = ["DOCKER_HOST", "CONTAINER_HOST"].into_iter().filter_map(|name| socket_of(of(name)?));
    let own = of("XDG_RUNTIME_DIR").map(Path::new).filter(|folder| folder.is_absolute());
    let own = own.into_iter().flat_map(|folder| OF_USER.map(|name| folder.join(name)));
    let mut all: Vec<PathBuf> = named.chain(own).chain(SYSTEM.map(PathBuf::from)).collect();
    // A folder is asked for by where it leads.
    all.extend(all.clone().iter().filter_map(|path| path.canonicalize().ok()));
    all.sort();
    all.dedup();
    all
}

/// The path in `unix:///path` or `unix:/path`.
fn socket_of(address: &str) -> Option<PathBuf> {
    let path = address.strip_prefix("unix:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    path.starts_with('/').then(|| Path::new(path).components().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(env: &[(&str, &str)]) -> Vec<PathBuf> {
        engine_sockets(&env.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    #[test]
    fn sockets_are_where_the_environment_says_and_where_links_lead() {
        let has = |env: &[(&str, &str)], path: &str| sockets(env).contains(&PathBuf::from(path));
        assert!(has(&[], "/run/podman/podman.sock"));
        assert!(has(&[("DOCKER_HOST", "unix:///srv/d.sock")], "/srv/d.sock"));
        assert!(has(&[("CONTAINER_HOST", "unix:/srv/./p.sock")], "/srv/p.sock"));
        assert!(has(&[("XDG_RUNTIME_DIR", "/run/user/7")], "/run/user/7/podman/podman.sock"));
        for nothing in ["tcp://127.0.0.1:2375", "unix://", "unix://d.sock", "ssh://a/b"] {
            assert_eq!(sockets(&[("DOCKER_HOST", nothing)]), sockets(&[]), "{nothing}");
        }
        assert_eq!(sockets(&[("XDG_RUNTIME_DIR", "own")]), sockets(&[]));
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap().join("real");
        std::fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, folder.path().join("link")).unwrap();
        let link = format!("unix://{}/link", folder.path().display());
        assert!(sockets(&[("DOCKER_HOST", &link)]).contains(&real));
    }
}
