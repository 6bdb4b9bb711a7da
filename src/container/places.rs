//! Where the engines of this machine listen, and where they keep what they have: what no container may see.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

/// Where an engine of the system listens.
const SYSTEM: [&str; 2] = ["/run/podman/podman.sock", "/run/docker.sock"];

/// Where an engine of a user listens, below `XDG_RUNTIME_DIR`.
const OF_USER: [&str; 2] = ["podman/podman.sock", "docker.sock"];

/// What engines of a user keep, below `XDG_DATA_HOME`.
const DATA_OF_USER: [&str; 2] = ["containers", "docker"];

/// Where podman is configured to keep its images elsewhere; below `XDG_CONFIG_HOME` is one more. The format:
/// containers-storage.conf(5).
const STORAGE_CONF: [&str; 2] = ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"];

/// The same for docker; the format: dockerd(8).
const DAEMON_JSON: &str = "/etc/docker/daemon.json";

/// The most of such a file that is read, in bytes.
const MAX_CONF: u64 = 1 << 20;

/// The sockets of engines and the folders of their images and containers, as the environment that clients see names
/// them, and where links lead. Blocking: files of the engines are read, and links are followed.
pub(crate) fn engine_places(env: &BTreeMap<OsString, OsString>) -> Vec<PathBuf> {
    let of = |name: &str| env.get(OsStr::new(name)).and_then(|value| value.to_str());
    let folder = |name: &str| of(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = folder("HOME");
    let below_home = |name: &str| home.as_ref().map(|home| home.join(name));
    let named = ["DOCKER_HOST", "CONTAINER_HOST"].into_iter().filter_map(|name| socket_of(of(name)?));
    let own = folder("XDG_RUNTIME_DIR").into_iter().flat_map(|own| OF_USER.map(|name| own.join(name)));
    let data = folder("XDG_DATA_HOME").or_else(|| below_home(".local/share"));
    let config = folder("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
    // What is not there cannot be seen, and its folder may be mounted.
    let kept = data.into_iter().flat_map(|data| DATA_OF_USER.map(|name| data.join(name)));
    let kept = kept.filter(|path| path.exists());
    let storage = folder("CONTAINERS_STORAGE_CONF").into_iter().chain(STORAGE_CONF.map(PathBuf::from));
    let storage = storage.chain(config.iter().map(|config| config.join("containers/storage.conf")));
    let daemon = config.iter().map(|config| config.join("docker/daemon.json"));
    let daemon = daemon.chain([PathBuf::from(DAEMON_JSON)]);
    let configured = storage.flat_map(|file| stores_of_podman(&read(&file)));
    let configured = configured
        .chain(daemon.filter_map(|file| store_of_docker(&read(&file))))
        .filter(|path| path.is_absolute());
    let mut all: Vec<PathBuf> =
        named.chain(own).chain(SYSTEM.map(PathBuf::from)).chain(kept).chain(configured).collect();
    // A folder is asked for by where it leads.
    all.extend(all.clone().iter().filter_map(|path| path.canonicalize().ok()));
    all.sort();
    all.dedup();
    all
}

/// A file of an engine; nothing when it cannot be read, as the engine then cannot read it, either.
fn read(file: &Path) -> String {
    let is_small = fs::metadata(file).is_ok_and(|found| found.is_file() && found.len() <= MAX_CONF);
    if is_small { fs::read_to_string(file).unwrap_or_default() } else { String::new() }
}

/// `graphroot` and the like in podman's `storage.conf`.
fn stores_of_podman(text: &str) -> Vec<PathBuf> {
    // As far as it can be read: what is wrong elsewhere in it is podman's affair.
    let (document, _broken) = DeTable::parse_recoverable(text);
    let storage = document.get_ref().get("storage").and_then(|storage| storage.get_ref().as_table());
    ["graphroot", "runroot", "rootless_storage_path", "imagestore"]
        .into_iter()
        .filter_map(|key| storage?.get(key)?.get_ref().as_str().map(PathBuf::from))
        .collect()
}

/// `data-root` in docker's `daemon.json`.
fn store_of_docker(text: &str) -> Option<PathBuf> {
    let settings: serde_json::Value = serde_json::from_str(text).ok()?;
    settings.get("data-root")?.as_str().map(PathBuf::from)
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

    fn places(env: &[(&str, &str)]) -> Vec<PathBuf> {
        engine_places(&env.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    #[test]
    fn sockets_are_where_the_environment_says_and_where_links_lead() {
        let has = |env: &[(&str, &str)], path: &str| places(env).contains(&PathBuf::from(path));
        assert!(has(&[], "/run/podman/podman.sock"));
        assert!(has(&[("DOCKER_HOST", "unix:///srv/d.sock")], "/srv/d.sock"));
        assert!(has(&[("CONTAINER_HOST", "unix:/srv/./p.sock")], "/srv/p.sock"));
        assert!(has(&[("XDG_RUNTIME_DIR", "/run/user/7")], "/run/user/7/podman/podman.sock"));
        for nothing in ["tcp://127.0.0.1:2375", "unix://", "unix://d.sock", "ssh://a/b"] {
            assert_eq!(places(&[("DOCKER_HOST", nothing)]), places(&[]), "{nothing}");
        }
        assert_eq!(places(&[("XDG_RUNTIME_DIR", "own")]), places(&[]));
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap().join("real");
        std::fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, folder.path().join("link")).unwrap();
        let link = format!("unix://{}/link", folder.path().display());
        assert!(places(&[("DOCKER_HOST", &link)]).contains(&real));
    }
    #[test]
    fn engines_keep_their_files_where_they_were_configured_to() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        let env = [("HOME", home.to_str().unwrap())];
        let own = home.join(".local/share/containers");
        assert!(!places(&env).contains(&own), "it is not there");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::create_dir_all(home.join(".config/containers")).unwrap();
        std::fs::create_dir_all(home.join(".config/docker")).unwrap();
        let storage = "[storage]\ndriver = \"overlay\"\ngraphroot = \"/srv/images\"\nrunroot = \"$HOME/x\"\n";
        std::fs::write(home.join(".config/containers/storage.conf"), storage).unwrap();
        std::fs::write(home.join(".config/docker/daemon.json"), "{\"data-root\": \"/srv/docker\"}").unwrap();
        let found = places(&env);
        for path in [own, "/srv/images".into(), "/srv/docker".into()] {
            assert!(found.contains(&path), "{path:?} in {found:?}");
        }
        assert!(found.iter().all(|path| path.is_absolute()));
        std::fs::write(home.join(".config/docker/daemon.json"), "{").unwrap();
        assert!(!places(&env).contains(&"/srv/docker".into()), "what is not JSON sets nothing");
    }
}
