//! The bundle: rules for all containers, in a YAML file of the operator's.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cpus::Cpus;
use super::image::is_registry;
use crate::model::{Diagnostic, Profile, Quoted, capability, network_name};
use crate::schema::settings::{BUNDLE, CEILINGS, OVERRIDES};
use crate::schema::{Fields, Mistakes, Node, Value, read_yaml};

/// The longest bundle, in bytes.
pub const MAX_BUNDLE: usize = 64 << 10;

/// Rules for all containers. Where it is silent, nothing is bounded, demanded or opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Whether images need signatures.
    pub(crate) verify_signatures: SignatureMode,
    /// The registries that images may come from, in small letters; all when empty.
    pub(crate) allowed_registries: Vec<String>,
    /// What a container must not exceed.
    pub(crate) ceilings: Ceilings,
    /// What the profile `permissive` opens.
    pub(crate) overrides: Overrides,
    /// Laxer profiles that runs may ask for.
    #[serde(default)]
    pub(crate) requests: Vec<Profile>,
    /// Folders that may be sources of jobs, as they are written.
    #[serde(default)]
    pub(crate) allowed_local_roots: Vec<String>,
    /// Hosts that git sources of jobs may be on, as they are written.
    #[serde(default)]
    pub(crate) allowed_git_hosts: Vec<String>,
}

/// Whether images need signatures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureMode {
    /// Without one, no container starts.
    Required,
    /// Without one, there is a warning.
    Permissive,
    /// Nobody looks.
    #[default]
    Disabled,
}

/// What a container must not exceed, and what it gets when it asks for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceilings {
    /// Processors.
    pub(crate) cpu: Option<Cpus>,
    /// Bytes of memory.
    pub(crate) memory: Option<u64>,
    /// Processes.
    pub(crate) pids: Option<u32>,
}

/// What the profile `permissive` opens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Networks of the engine.
    pub(crate) network: Vec<String>,
    /// Capabilities, without `CAP_`.
    pub(crate) caps: Vec<String>,
    /// Whether the image's own files may be writable.
    pub(crate) rootfs_writable: bool,
    /// Whether containers may have the variables of `:pass-env`.
    pub(crate) env_inheritance: bool,
}

impl SignatureMode {
    const ALL: [Self; 3] = [Self::Required, Self::Permissive, Self::Disabled];

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Permissive => "permissive",
            Self::Disabled => "disabled",
        }
    }

    /// The level of signature checks with this name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

impl Bundle {
    /// Reads the bundle in a file; `shown` is the file's name in messages.
    ///
    /// # Errors
    /// Gives all mistakes of the file, or says that it cannot be read.
    pub(crate) fn load(path: &Path, shown: &str) -> Result<Self, Vec<Diagnostic>> {
        let limit = MAX_BUNDLE as u64 + 1;
        let read = || -> io::Result<Vec<u8>> {
            let mut text = Vec::new();
            // A pipe would be waited for.
            if !std::fs::metadata(path)?.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a file"));
            }
            File::open(path)?.take(limit).read_to_end(&mut text)?;
            Ok(text)
        };
        match read() {
            Ok(text) => Self::parse(shown, &text),
            Err(error) => {
                let problem = Diagnostic::error(shown, format!("the bundle cannot be read: {error}"));
                Err(vec![
                    problem.help("`:bundle` in config.fnl names it, relative to the folder of config.fnl"),
                ])
            }
        }
    }

    /// Reads the text of a bundle.
    ///
    /// # Errors
    /// Gives all mistakes with their places.
    pub(crate) fn parse(file: &str, text: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        if text.len() > MAX_BUNDLE {
            return Err(vec![Diagnostic::error(
                file,
                format!("the bundle has more than {MAX_BUNDLE} bytes"),
            )]);
        }
        let Ok(text) = std::str::from_utf8(text) else {
            return Err(vec![Diagnostic::error(file, "the file is not UTF-8 text")]);
        };
        let (root, wrong) = read_yaml(file, text);
        let mistakes = Mistakes::default();
        let root = root.filter(|root| root.value != Value::Nil);
        let fields = root.as_ref().and_then(|root| Fields::open(root, &BUNDLE, &mistakes));
        let bundle = fields.map(|fields| Self::read(&fields)).unwrap_or_default();
        let wrong: Vec<Diagnostic> = wrong.into_iter().chain(mistakes.into_sorted()).collect();
        if wrong.is_empty() { Ok(bundle) } else { Err(wrong) }
    }

    fn read(fields: &Fields<'_>) -> Self {
        let ceilings = fields.table("ceilings", &CEILINGS);
        let overrides = fields.table("overrides", &OVERRIDES);
        Self {
            verify_signatures: fields
                .word("verify_signatures")
                .and_then(SignatureMode::parse)
                .unwrap_or_default(),
            allowed_registries: fields.list("allowed_registries", registry),
            ceilings: ceilings.map(|fields| Ceilings::read(&fields)).unwrap_or_default(),
            overrides: overrides.map(|fields| Overrides::read(&fields)).unwrap_or_default(),
            requests: fields.list("requests", |node| node.parse(Profile::parse)),
            allowed_local_roots: fields.list("allowed_local_roots", text),
            allowed_git_hosts: fields.list("allowed_git_hosts", text),
        }
    }
}

impl Ceilings {
    fn read(fields: &Fields<'_>) -> Self {
        Self {
            cpu: fields.read("cpu", |node| {
                Cpus::parse(&node.as_text()?).map_err(|wrong| node.error(wrong.to_string()))
            }),
            memory: fields.size("memory"),
            pids: fields.count("pids"),
        }
    }
}

impl Overrides {
    fn read(fields: &Fields<'_>) -> Self {
        Self {
            network: fields.list("network", |node| node.parse(network)),
            caps: fields.list("caps", |node| node.parse(cap)),
            rootfs_writable: fields.flag("rootfs_writable").unwrap_or_default(),
            env_inheritance: fields.flag("env_inheritance").unwrap_or_default(),
        }
    }
}

fn registry(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    if is_registry(text) {
        return Ok(text.to_ascii_lowercase());
    }
    let help = "it is a host, perhaps with a port: docker.io, ghcr.io, localhost:5000";
    Err(node.error(format!("{} is not a registry", Quoted::new(text))).help(help))
}

/// A text that is not empty.
fn text(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    match text.is_empty() || text.contains(char::is_control) {
        true => Err(node.error("visible characters are expected here")),
        false => Ok(text.to_owned()),
    }
}

fn network(text: &str) -> Result<String, String> {
    match network_name(text) {
        Ok(name) if name == "host" => {
            Err("`host` is the network of this machine and cannot be allowed".to_owned())
        }
        Ok(name) => Ok(name),
        Err(wrong) => Err(wrong.to_string()),
    }
}

fn cap(text: &str) -> Result<String, String> {
    match capability(text) {
        Ok(name) if name == "ALL" => {
            Err("`ALL` is not a capability: name each one that is needed".to_owned())
        }
        Ok(name) => Ok(name),
        Err(wrong) => Err(wrong.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::render_all;

    fn problems(text: &str) -> Vec<String> {
        let wrong = Bundle::parse("policy.yaml", text.as_bytes()).unwrap_err();
        wrong.iter().map(|wrong| format!("{}: {}", wrong.place(), wrong.message)).collect()
    }

    #[test]
    fn a_bundle_is_read() {
        let text = "# rules\nverify_signatures: required\nallowed_registries:\n  - Docker.io\n  - \"localhost:5000\"\n\
                    ceilings: {cpu: 1.5, memory: 2g, pids: 100}\n\
                    overrides:\n  network: [bridge]\n  caps: [CAP_NET_RAW, chown]\n  rootfs_writable: true\n";
        let bundle = Bundle::parse("policy.yaml", text.as_bytes()).unwrap();
        assert_eq!(bundle.verify_signatures, SignatureMode::Required);
        assert_eq!(bundle.allowed_registries, ["docker.io", "localhost:5000"]);
        let ceilings = Ceilings { cpu: Cpus::from_milli(1500), memory: Some(2 << 30), pids: Some(100) };
        assert_eq!(bundle.ceilings, ceilings);
        assert_eq!(
            (bundle.overrides.network, bundle.overrides.caps),
            (vec!["bridge".into()], vec!["NET_RAW".into(), "CHOWN".into()])
        );
        assert!(bundle.overrides.rootfs_writable && !bundle.overrides.env_inheritance);
        for text in ["", "# nothing\n", "---\n", "{}"] {
            assert_eq!(Bundle::parse("p", text.as_bytes()), Ok(Bundle::default()), "{text:?}");
        }
    }

    #[test]
    fn all_mistakes_are_found_at_once_with_their_places() {
        let text = "verify_signature: required\nverify_signatures: requird\nallowed_registries: [docker, ghcr.io]\n\
                    ceilings:\n  cpu: lots\n  memory: 2t\n  pids: 0\n  disk: 5\n\
                    overrides:\n  network: host\n  caps: [ALL]\n  rootfs_writable: yes\n  é: 1\n";
        assert_eq!(
            problems(text),
            [
                "policy.yaml:1:1: unknown option `verify_signature` of a bundle",
                "policy.yaml:2:20: expected `required`, `permissive` or `disabled`, got `requird`",
                "policy.yaml:3:22: `docker` is not a registry",
                "policy.yaml:5:8: `lots` is not a number of processors: write it as `500m`, `1.5` or `2`",
                "policy.yaml:6:11: `2t` is not a size: write it as \"512KiB\", \"64MiB\", \"2g\" or a number of bytes",
                "policy.yaml:7:9: expected a whole number from 1 to 4194304, got the number 0",
                "policy.yaml:8:3: unknown option `disk` of `ceilings`",
                "policy.yaml:10:12: expected a list, got a string",
                "policy.yaml:11:10: `ALL` is not a capability: name each one that is needed",
                "policy.yaml:12:20: expected `true` or `false`, got a string",
                "policy.yaml:13:3: unknown option `é` of `overrides`",
            ]
        );
        let wrong = Bundle::parse("policy.yaml", text.as_bytes()).unwrap_err();
        let first = render_all(&wrong[..1]);
        assert!(first.contains("1 | verify_signature: required\n    | ^^^^^^^^^^^^^^^^\n"), "{first}");
        assert!(first.contains("hint: did you mean `verify_signatures`?"), "{first}");
    }

    #[test]
    fn what_is_not_plain_data_is_refused() {
        for (text, expected) in [
            ("ceilings: {cpu: 1\n", "invalid YAML"),
            ("a: *x\n", "invalid YAML"),
            ("x: &x [a]\ny: *x\n", "aliases are not read here"),
            ("verify_signatures: !!str required\n", "tags are not read here"),
            ("{}\n---\n{}\n", "another one"),
            ("ceilings: {}\nceilings: {}\n", "the key `ceilings` is here already"),
            ("- a\n", "expected a mapping, got a list"),
            ("required\n", "expected a mapping, got a string"),
            ("ceilings:\n", "expected a mapping, got nothing"),
            ("verify_signatures: ~\n", "expected `required`, `permissive` or `disabled`, got nothing"),
            ("overrides: {network: [host]}\n", "cannot be allowed"),
            ("overrides: {network: [--x]}\n", "is not the name of a network"),
            ("? [a, b]\n: c\n", "expected the name of an option, got a list"),
        ] {
            let found = problems(text).join("\n");
            assert!(found.contains(expected), "{text:?}: {found}");
        }
        let nested = |depth: usize| format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth));
        assert!(!problems(&nested(8)).join("\n").contains("nested"));
        assert!(problems(&nested(9)).join("\n").contains("nested more than 8 levels"));
        assert_eq!(problems(&"[".repeat(MAX_BUNDLE)).len(), 1);
    }

    #[test]
    fn its_size_is_limited_at_the_limit_and_above() {
        let text = "#".repeat(MAX_BUNDLE);
        assert!(Bundle::parse("p", text.as_bytes()).is_ok());
        assert!(problems(&format!("{text}#"))[0].contains("more than 65536 bytes"));
        assert!(Bundle::parse("p", b"a: \xff").unwrap_err()[0].message.contains("UTF-8"));
    }

    #[test]
    fn a_bundle_that_is_not_there_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.yaml");
        let wrong = Bundle::load(&path, "policy.yaml").unwrap_err();
        assert!(wrong[0].message.contains("cannot be read: No such file"), "{}", wrong[0].message);
        assert!(Bundle::load(folder.path(), "p").unwrap_err()[0].message.contains("not a file"));
        std::fs::write(&path, "x".repeat(MAX_BUNDLE * 2)).unwrap();
        assert!(Bundle::load(&path, "p").unwrap_err()[0].message.contains("more than"));
        std::fs::write(&path, "ceilings: {pids: 7}").unwrap();
        assert_eq!(Bundle::load(&path, "p").unwrap().ceilings.pids, Some(7));
    }
}
