//! Images on this machine: which one a name means, and what it is to be known by.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::engine::{Engine, EngineError, EngineKind};

/// An image that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalImage {
    /// Its id, which names its content.
    pub(crate) id: String,
    /// Its digest in the registry that it came from, if it came from one.
    pub(crate) digest: Option<String>,
    /// The user that it says it runs as.
    pub(crate) user: String,
    /// The folders that it declares as volumes, without those where every container has a folder in memory.
    pub(crate) volumes: Vec<PathBuf>,
    /// When it was made, as the engine says it.
    pub(crate) created: String,
    /// Its bytes on this machine.
    pub(crate) size: u64,
    pub(crate) labels: BTreeMap<String, String>,
}

/// What engines say of an image; podman and docker use the same words for these.
#[derive(Deserialize)]
struct Inspected {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "RepoDigests")]
    digests: Option<Vec<String>>,
    #[serde(rename = "Config")]
    config: Option<Config>,
    #[serde(rename = "Created", default)]
    created: String,
    #[serde(rename = "Size", default)]
    size: u64,
}

#[derive(Deserialize, Default)]
struct Config {
    #[serde(rename = "User", default)]
    user: String,
    #[serde(rename = "Volumes", default)]
    volumes: Option<BTreeMap<PathBuf, serde_json::Value>>,
    #[serde(rename = "Labels", default)]
    labels: Option<BTreeMap<String, String>>,
}

impl Engine {
    /// Looks for an image on this machine. Blocking.
    ///
    /// # Errors
    /// When the engine cannot be asked, or does not work.
    pub(crate) fn local_image(&self, image: &str) -> Result<Option<LocalImage>, EngineError> {
        let called = self.try_call(&["image", "inspect", "--", image])?;
        if called.exit.code() == 0 {
            return parse(image, &called.stdout)
                .map(Some)
                .ok_or_else(|| self.refused("printed unexpected output about an image", &called.stdout));
        }
        // Podman answers 125, docker 1 for an image that is not here, and for everything else.
        let error_output = super::engine::error_output(&called.stderr).to_lowercase();
        let is_absent =
            ["no such image", "not known", "not found"].iter().any(|sign| error_output.contains(sign));
        if is_absent { Ok(None) } else { Err(self.unusable(&called.stderr)) }
    }

    /// Whether an image holds instructions that are run when another is built of it. Blocking.
    ///
    /// # Errors
    /// It cannot be found out.
    pub(crate) fn has_triggers(&self, id: &str) -> Result<bool, EngineError> {
        let what = "could not say what waits in an image";
        let none = |found: &serde_json::Value| found.is_null() || found.as_array().is_some_and(Vec::is_empty);
        if self.kind == EngineKind::Docker {
            let said =
                self.call(&["image", "inspect", "--format", "{{json .Config.OnBuild}}", "--", id], what)?;
            let said = serde_json::from_slice(&said)
                .map_err(|error| self.refused(what, error.to_string().as_bytes()))?;
            return Ok(!none(&said));
        }
        // Podman does not show them: its store has the image's configuration as it came.
        let store =
            self.call(&["info", "--format", "{{.Store.GraphRoot}}/{{.Store.GraphDriverName}}-images"], what)?;
        let folder =
            PathBuf::from(String::from_utf8_lossy(&store).trim()).join(id.trim_start_matches("sha256:"));
        let files =
            std::fs::read_dir(folder).map_err(|error| self.refused(what, error.to_string().as_bytes()))?;
        let mut is_read = false;
        for file in files.flatten() {
            let Ok(text) = std::fs::read(file.path()) else { continue };
            let Ok(value) = serde_json::from_slice::<serde_json::Value>(&text) else { continue };
            if value.get("rootfs").is_some() {
                is_read = true;
                if value
                    .get("config")
                    .and_then(|config| config.get("OnBuild"))
                    .is_some_and(|found| !none(found))
                {
                    return Ok(true);
                }
            }
        }
        if is_read { Ok(false) } else { Err(self.refused(what, b"its configuration is not in the store")) }
    }

    /// That the engine does not work, with what it said.
    fn unusable(&self, stderr: &[u8]) -> EngineError {
        let error_output = super::engine::error_output(stderr);
        EngineError::Unusable { engine: self.kind.as_str(), error_output }
    }
}

/// Where a volume is, as it is mounted; nothing for one that has no place of its own.
fn volume(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::ParentDir => drop(clean.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    let has_folder =
        ["/", "/tmp", "/run", "/proc", "/sys", "/dev"].iter().any(|taken| clean == Path::new(taken));
    (!has_folder).then_some(clean)
}

fn parse(image: &str, json: &[u8]) -> Option<LocalImage> {
    let found: Vec<Inspected> = serde_json::from_slice(json).ok()?;
    let found = found.into_iter().next()?;
    let id = found.id.strip_prefix("sha256:").unwrap_or(&found.id);
    if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    // An image that was asked for by its digest has that one, whatever others it has in addition.
    let asked = image.split_once('@').map(|(_, digest)| digest.to_owned());
    let digests = found.digests.unwrap_or_default();
    // One image can have come from several repositories: the digest in the one that was asked for.
    let name = image.split('@').next().unwrap_or(image);
    let name = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name);
    let of = |digest: &String| {
        let (repository, value) = digest.split_once('@')?;
        let fits = repository == name || repository.ends_with(&format!("/{name}"));
        Some((fits, value.to_owned()))
    };
    let digests: Vec<_> = digests.iter().filter_map(of).collect();
    let by_name =
        || digests.iter().find(|(fits, _)| *fits).or(digests.first()).map(|(_, value)| value.clone());
    let digest = asked.filter(|asked| digests.iter().any(|(_, value)| value == asked)).or_else(by_name);
    let config = found.config.unwrap_or_default();
    let volumes = config.volumes.unwrap_or_default().into_keys().filter_map(|path| volume(&path)).collect();
    Some(LocalImage {
        id: format!("sha256:{id}"),
        digest,
        user: config.user,
        volumes,
        created: found.created,
        size: found.size,
        labels: config.labels.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_where_they_are_mounted() {
        let hex = "a".repeat(64);
        let json = format!(
            r#"[{{"Id": "{hex}", "Config": {{"Volumes": {{"/data/": {{}}, "rel/../x": {{}}, "/tmp": {{}}, "/run/": {{}}, "/run/y": {{}}}}}}}}]"#
        );
        let volumes = parse("x", json.as_bytes()).unwrap().volumes;
        assert_eq!(volumes, ["/data", "/run/y", "/x"].map(PathBuf::from));
        let none = format!(r#"[{{"Id": "{hex}", "Config": {{"Volumes": null}}}}]"#);
        assert!(parse("x", none.as_bytes()).unwrap().volumes.is_empty());
    }

    #[test]
    fn what_both_engines_say_is_read() {
        let hex = "a".repeat(64);
        let podman = format!(
            r#"[{{"Id": "{hex}", "RepoDigests": ["h:5/o@sha256:1", "h:5/x@sha256:2"], "Config": {{"User": "7"}}}}]"#
        );
        let image = parse("h:5/x:latest", podman.as_bytes()).unwrap();
        assert_eq!((image.id, image.digest.as_deref()), (format!("sha256:{hex}"), Some("sha256:2")));
        assert_eq!(image.user, "7");
        let both = podman.replace("h:5/o@sha256:1", "h:5/x@sha256:1");
        let digest = |name| parse(name, both.as_bytes()).unwrap().digest;
        assert_eq!(digest("h:5/x@sha256:2").as_deref(), Some("sha256:2"));
        assert_eq!(digest("h:5/x").as_deref(), Some("sha256:1"));
        let docker = format!(r#"[{{"Id": "sha256:{hex}", "RepoDigests": null, "Config": {{}}}}]"#);
        let image = parse("x", docker.as_bytes()).unwrap();
        assert_eq!((image.digest, image.user.as_str()), (None, ""));
        for wrong in ["[]", "{}", r#"[{"Id": "--privileged"}]"#, r#"[{"Id": ""}]"#] {
            assert_eq!(parse("x", wrong.as_bytes()), None, "{wrong}");
        }
    }
}
