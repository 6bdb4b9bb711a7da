//! `:policy` of `config.fnl`: what containers may. Only its reading; what follows from it is `policy/`'s.

use std::path::{Component, Path, PathBuf};

use super::read::{Reader, key_text};
use crate::model::{Diagnostic, Profile, capability, network_name};
use crate::schema::Node;

const KEYS: [&str; 10] = [
    "profile",
    "requests",
    "bundle",
    "network",
    "mounts",
    "writable-mounts",
    "caps",
    "rootfs-writable",
    "env-inheritance",
    "signatures",
];
const SIGNATURE_KEYS: [&str; 4] = ["key", "files", "identity", "issuer"];

/// Folders of the system that no table can open to a container.
pub const SYSTEM_FOLDERS: [&str; 4] = ["/proc", "/sys", "/dev", "/etc"];

/// The longest path in the table, in bytes: that of the system.
const MAX_PATH: usize = 4096;

/// What `:policy` says. Everything is closed where it is silent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicySettings {
    /// The operator's profile.
    pub profile: Option<Profile>,
    /// Profiles that a pipeline may ask for although they are laxer.
    pub requests: Vec<Profile>,
    /// The bundle, as it is written: relative to the folder of `config.fnl`.
    pub bundle: Option<PathBuf>,
    /// Networks of the engine that containers may join.
    pub network: Vec<String>,
    /// Folders of the host that containers may read, with what is below them.
    pub mounts: Vec<PathBuf>,
    /// Folders of the host that containers may also write.
    pub writable_mounts: Vec<PathBuf>,
    /// Capabilities that containers may have, without `CAP_`.
    pub caps: Vec<String>,
    /// Whether containers may write to the image's own files.
    pub rootfs_writable: bool,
    /// Whether containers may have the environment of steps.
    pub env_inheritance: bool,
    /// How signatures of images are verified.
    pub signatures: SignatureSettings,
}

/// How signatures of images are verified, where the bundle demands them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignatureSettings {
    /// A public key in PEM, as it is written: relative to the folder of `config.fnl`.
    pub key: Option<PathBuf>,
    /// A folder of signatures, as it is written.
    pub files: Option<PathBuf>,
    /// Who has to have signed, and who has to have vouched for that: identity and issuer of the certificate.
    pub signer: Option<(String, String)>,
}

impl Reader {
    /// Reads `:policy`.
    pub(super) fn policy(&mut self, table: &Node) -> PolicySettings {
        let mut policy = PolicySettings::default();
        let Some(pairs) = self.take(table.as_table()) else { return policy };
        for (key, value) in pairs {
            match key_text(key) {
                "profile" => policy.profile = self.take(profile(value)),
                "requests" => policy.requests = self.opening(value, profile),
                "bundle" => policy.bundle = self.take(file(value)),
                "network" => policy.network = self.opening(value, network),
                "mounts" => policy.mounts = self.opening(value, folder),
                "writable-mounts" => policy.writable_mounts = self.opening(value, folder),
                "caps" => policy.caps = self.opening(value, cap),
                "rootfs-writable" => policy.rootfs_writable = self.take(value.as_bool()).unwrap_or_default(),
                "env-inheritance" => policy.env_inheritance = self.take(value.as_bool()).unwrap_or_default(),
                "signatures" => policy.signatures = self.signatures(value),
                _ => self.wrong.push(key.unknown_key(&KEYS)),
            }
        }
        policy
    }

    /// A list of things that are opened. An empty one opens nothing.
    fn opening<T>(&mut self, list: &Node, read: impl Fn(&Node) -> Result<T, Diagnostic>) -> Vec<T> {
        let Some(items) = self.take(list.as_list()) else { return Vec::new() };
        items.iter().filter_map(|item| self.take(read(item))).collect()
    }

    fn signatures(&mut self, table: &Node) -> SignatureSettings {
        let mut read = SignatureSettings::default();
        let Some(pairs) = self.take(table.as_table()) else { return read };
        let (mut identity, mut issuer) = (None, None);
        for (key, value) in pairs {
            match key_text(key) {
                "key" => read.key = self.take(file(value)),
                "files" => read.files = self.take(file(value)),
                "identity" => identity = self.take(argument(value)),
                "issuer" => issuer = self.take(argument(value)),
                _ => self.wrong.push(key.unknown_key(&SIGNATURE_KEYS)),
            }
        }
        let has = |key| table.get(key).is_some();
        let help =
            "a signature is verified with {:key \"cosign.pub\"}, or with {:identity \"…\" :issuer \"…\"}";
        if has("identity") != has("issuer") {
            self.wrong.push(table.error("`:identity` and `:issuer` belong together").help(help));
        }
        if has("key") == has("identity") && !pairs.is_empty() {
            self.wrong.push(table.error("this table needs either a `:key` or an `:identity`").help(help));
        }
        if has("files") && !has("key") {
            self.wrong.push(table.error("`:files` are verified with a `:key`, and there is none").help(help));
        }
        read.signer = identity.zip(issuer);
        read
    }
}

fn profile(node: &Node) -> Result<Profile, Diagnostic> {
    let text = node.as_str()?;
    let wrong = |error: crate::model::ProfileError| {
        let problem = node.error(error.to_string());
        match crate::model::suggest(text, Profile::ALL.map(Profile::as_str)) {
            Some(near) => problem.help(format!("did you mean `:{near}`?")),
            None => problem,
        }
    };
    Profile::parse(text).map_err(wrong)
}

fn named<E: std::fmt::Display>(
    node: &Node,
    parse: impl Fn(&str) -> Result<String, E>,
) -> Result<String, Diagnostic> {
    parse(node.as_str()?).map_err(|error| node.error(error.to_string()))
}

fn network(node: &Node) -> Result<String, Diagnostic> {
    let name = named(node, network_name)?;
    if name == "host" {
        let help = "leave it out; the profile `:disabled` has it";
        return Err(node.error("`host` is the network of this machine, and no list opens it").help(help));
    }
    Ok(name)
}

fn cap(node: &Node) -> Result<String, Diagnostic> {
    let name = named(node, capability)?;
    if name == "ALL" {
        return Err(node.error("`ALL` is no capability").help("name each one that is needed"));
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
        return Err(node.error(format!("`{system}` is the system's, and no list opens it")));
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
