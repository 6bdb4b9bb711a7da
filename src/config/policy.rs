//! `:policy` of `config.fnl`: what containers may. Only its reading; what follows from it is `policy/`'s.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::{Diagnostic, Profile, capability, network_name, suggest};
use crate::schema::settings::SIGNATURES;
use crate::schema::{Fields, Node};

/// Folders of the system that no table can open to a container.
pub const SYSTEM_FOLDERS: [&str; 4] = ["/proc", "/sys", "/dev", "/etc"];

/// The longest path in the table, in bytes: that of the system.
const MAX_PATH: usize = 4096;

/// What `:policy` says. Everything is closed where it is silent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySettings {
    /// The operator's profile.
    pub(crate) profile: Option<Profile>,
    /// Profiles that a pipeline may ask for although they are laxer.
    pub(crate) requests: Vec<Profile>,
    /// The bundle, as it is written: relative to the folder of `config.fnl`.
    pub(crate) bundle: Option<PathBuf>,
    /// Networks of the engine that containers may join.
    pub(crate) network: Vec<String>,
    /// Folders of the host that containers may read, with what is below them.
    pub(crate) mounts: Vec<PathBuf>,
    /// Folders of the host that containers may also write.
    pub(crate) writable_mounts: Vec<PathBuf>,
    /// Capabilities that containers may have, without `CAP_`.
    pub(crate) caps: Vec<String>,
    /// Whether containers may write to the image's own files.
    pub(crate) rootfs_writable: bool,
    /// Whether containers may have the variables of `:pass-env`.
    pub(crate) env_inheritance: bool,
    /// How signatures of images are verified.
    pub(crate) signatures: SignatureSettings,
}

/// How signatures of images are verified, where the bundle requires them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureSettings {
    /// A public key in PEM, as it is written: relative to the folder of `config.fnl`.
    pub(crate) key: Option<PathBuf>,
    /// A folder of signatures, as it is written.
    pub(crate) files: Option<PathBuf>,
    /// Who has to have signed, and who has to have vouched for that: identity and issuer of the certificate.
    pub(crate) signer: Option<(String, String)>,
}

/// Reads `:policy`.
pub(super) fn read(fields: &Fields<'_>) -> PolicySettings {
    PolicySettings {
        profile: fields.read("profile", profile),
        requests: fields.list("requests", profile),
        bundle: fields.read("bundle", file),
        network: fields.list("network", network),
        mounts: fields.list("mounts", folder),
        writable_mounts: fields.list("writable-mounts", folder),
        caps: fields.list("caps", cap),
        rootfs_writable: fields.flag("rootfs-writable").unwrap_or_default(),
        env_inheritance: fields.flag("env-inheritance").unwrap_or_default(),
        signatures: fields
            .table("signatures", &SIGNATURES)
            .map(|table| signatures(&table))
            .unwrap_or_default(),
    }
}

fn signatures(fields: &Fields<'_>) -> SignatureSettings {
    let has = |key| fields.get(key).is_some();
    let help = "a signature is verified with {:key \"cosign.pub\"}, or with {:identity \"…\" :issuer \"…\"}";
    if has("identity") != has("issuer") {
        fields.refuse("`:identity` and `:issuer` belong together", help);
    }
    if has("key") == has("identity") && !fields.pairs().is_empty() {
        fields.refuse("this table takes a `:key` or an `:identity`, one of them", help);
    }
    if has("files") && !has("key") {
        fields.refuse("`:files` needs a `:key`", help);
    }
    SignatureSettings {
        key: fields.read("key", file),
        files: fields.read("files", file),
        signer: fields.read("identity", argument).zip(fields.read("issuer", argument)),
    }
}

fn profile(node: &Node) -> Result<Profile, Diagnostic> {
    let text = node.as_str()?;
    Profile::parse(text).map_err(|error| {
        let problem = node.error(error.to_string());
        match suggest(text, Profile::ALL.map(Profile::as_str)) {
            Some(near) => problem.help(format!("did you mean `:{near}`?")),
            None => problem,
        }
    })
}

fn network(node: &Node) -> Result<String, Diagnostic> {
    let name = node.parse(network_name)?;
    if name == "host" {
        let help = "leave it out; the profile `:disabled` has it";
        return Err(node.error("`host` is the network of this machine and cannot be allowed").help(help));
    }
    Ok(name)
}

fn cap(node: &Node) -> Result<String, Diagnostic> {
    let name = node.parse(capability)?;
    if name == "ALL" {
        return Err(node.error("`ALL` is not a capability").help("name each one that is needed"));
    }
    Ok(name)
}

/// A file that the operator names.
fn file(node: &Node) -> Result<PathBuf, Diagnostic> {
    let text = node.as_str()?;
    let fits = !text.is_empty() && text.len() <= MAX_PATH && !text.contains(char::is_control);
    if fits { Ok(PathBuf::from(text)) } else { Err(node.error("this is not the name of a file")) }
}

/// A text that becomes the value of an option of another program.
fn argument(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    let fits = !text.is_empty() && text.len() <= MAX_PATH && text.chars().all(|c| c.is_ascii_graphic());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(node.error("visible characters without spaces are expected here"))
    }
}

/// A folder of the host that may be opened.
fn folder(node: &Node) -> Result<PathBuf, Diagnostic> {
    let text = node.as_str()?;
    let path = PathBuf::from(text);
    if !is_clean_folder(&path) {
        let help = "write it as \"/srv/cache\": from `/` on, without `.`, `..`, `:`, `,` and quotes";
        return Err(node.error(format!("`{text}` is not a folder that can be mounted")).help(help));
    }
    let system = SYSTEM_FOLDERS.into_iter().find(|system| path.starts_with(system));
    if let Some(system) = system.or((text == "/").then_some("/")) {
        return Err(node.error(format!("`{system}` belongs to the system and cannot be allowed")));
    }
    Ok(path)
}

/// Whether a path is absolute, in its plainest form, and can stand in an argument of an engine.
pub fn is_clean_folder(path: &Path) -> bool {
    let Some(text) = path.to_str() else { return false };
    let separators = [':', ',', '"', '\\'];
    text.len() <= MAX_PATH
        && path.is_absolute()
        && !text.contains(|c: char| c.is_control() || separators.contains(&c))
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
        && path.components().collect::<PathBuf>().as_os_str() == path.as_os_str()
}
