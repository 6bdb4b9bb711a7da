//! The bundle: rules for all containers, in a YAML file of the operator's.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::cpus::Cpus;
use super::image::is_registry;
use super::yaml::{Document, Yaml};
use crate::model::{Diagnostic, capability, network_name, parse_size, suggest};

/// The longest bundle, in bytes.
pub const MAX_BUNDLE: usize = 64 << 10;

/// The highest ceiling of processes: that of the kernel.
const MAX_PIDS: u32 = 1 << 22;

const KEYS: [&str; 4] = ["verify_signatures", "allowed_registries", "ceilings", "overrides"];
const CEILING_KEYS: [&str; 3] = ["cpu", "memory", "pids"];
const OVERRIDE_KEYS: [&str; 4] = ["network", "caps", "rootfs_writable", "env_inheritance"];

/// Rules for all containers. Where it is silent, nothing is bounded, demanded or opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    /// Whether images need signatures.
    pub verify_signatures: Demand,
    /// The registries that images may come from, in small letters; all when empty.
    pub allowed_registries: Vec<String>,
    /// What a container must not exceed.
    pub ceilings: Ceilings,
    /// What the profile `permissive` opens.
    pub overrides: Overrides,
}

/// Whether images need signatures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Demand {
    /// Without one, there is no container.
    Required,
    /// Without one, there is a warning.
    Permissive,
    /// Nobody looks.
    #[default]
    Disabled,
}

/// What a container must not exceed, and what it gets when it asks for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// Processors.
    pub cpu: Option<Cpus>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processes.
    pub pids: Option<u32>,
}

/// What the profile `permissive` opens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Networks of the engine.
    pub network: Vec<String>,
    /// Capabilities, without `CAP_`.
    pub caps: Vec<String>,
    /// Whether the image's own files may be writable.
    pub rootfs_writable: bool,
    /// Whether containers may have the environment of steps.
    pub env_inheritance: bool,
}

impl Demand {
    const ALL: [Demand; 3] = [Demand::Required, Demand::Permissive, Demand::Disabled];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Demand::Required => "required",
            Demand::Permissive => "permissive",
            Demand::Disabled => "disabled",
        }
    }

    /// The demand with this word.
    pub fn parse(text: &str) -> Option<Demand> {
        Demand::ALL.into_iter().find(|demand| demand.as_str() == text)
    }
}

impl Bundle {
    /// Reads the bundle in a file; `shown` is the file's name in messages.
    ///
    /// # Errors
    /// Gives all mistakes of the file, or says that it cannot be read.
    pub fn load(path: &Path, shown: &str) -> Result<Bundle, Vec<Diagnostic>> {
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
            Ok(text) => Bundle::parse(shown, &text),
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
    pub fn parse(file: &str, text: &[u8]) -> Result<Bundle, Vec<Diagnostic>> {
        if text.len() > MAX_BUNDLE {
            return Err(vec![Diagnostic::error(
                file,
                format!("the bundle has more than {MAX_BUNDLE} bytes"),
            )]);
        }
        let Ok(text) = std::str::from_utf8(text) else {
            return Err(vec![Diagnostic::error(file, "the file is not UTF-8 text")]);
        };
        let mut document = Document::new(file, text);
        let mut bundle = Bundle::default();
        if let Some(root) = document.read()
            && !root.is_nothing()
        {
            bundle.fill(&mut document, &root);
        }
        if document.wrong.is_empty() { Ok(bundle) } else { Err(document.wrong) }
    }

    fn fill(&mut self, document: &mut Document<'_>, root: &Yaml) {
        for (key, value) in document.pairs(root) {
            match key.key() {
                "verify_signatures" => self.verify_signatures = demand(document, value),
                "allowed_registries" => self.allowed_registries = registries(document, value),
                "ceilings" => self.ceilings = ceilings(document, value),
                "overrides" => self.overrides = overrides(document, value),
                _ => document.unknown(key, &KEYS),
            }
        }
    }
}

fn demand(document: &mut Document<'_>, at: &Yaml) -> Demand {
    let Some(text) = document.text(at) else { return Demand::Required };
    if let Some(demand) = Demand::parse(text) {
        return demand;
    }
    let near = suggest(text, Demand::ALL.map(Demand::as_str)).map(|near| format!("did you mean `{near}`?"));
    let help = near.unwrap_or_else(|| "it is required, permissive or disabled".to_owned());
    document.refuse(at, format!("`{text}` is no demand for signatures"), Some(&help));
    Demand::Required
}

fn registries(document: &mut Document<'_>, at: &Yaml) -> Vec<String> {
    let items = document.items(at);
    let mut registries = Vec::new();
    for item in items {
        match document.text(item) {
            Some(text) if is_registry(text) => registries.push(text.to_ascii_lowercase()),
            Some(text) => {
                let help = "it is a host, perhaps with a port: docker.io, ghcr.io, localhost:5000";
                document.refuse(item, format!("`{text}` is not a registry"), Some(help));
            }
            None => {}
        }
    }
    registries
}

fn ceilings(document: &mut Document<'_>, at: &Yaml) -> Ceilings {
    let mut ceilings = Ceilings::default();
    for (key, value) in document.pairs(at) {
        if !CEILING_KEYS.contains(&key.key()) {
            document.unknown(key, &CEILING_KEYS);
            continue;
        }
        let Some(text) = document.text(value) else { continue };
        match key.key() {
            "cpu" => match Cpus::parse(text) {
                Ok(cpu) => ceilings.cpu = Some(cpu),
                Err(wrong) => document.refuse(value, wrong.to_string(), None),
            },
            "memory" => match parse_size(text) {
                Ok(memory) => ceilings.memory = Some(memory),
                Err(wrong) => document.refuse(value, wrong.to_string(), None),
            },
            _ => {
                ceilings.pids = text.parse().ok().filter(|pids| (1..=MAX_PIDS).contains(pids));
                if ceilings.pids.is_none() {
                    let message = format!("a whole number from 1 to {MAX_PIDS} is expected here");
                    document.refuse(value, message, None);
                }
            }
        }
    }
    ceilings
}

fn overrides(document: &mut Document<'_>, at: &Yaml) -> Overrides {
    let mut overrides = Overrides::default();
    for (key, value) in document.pairs(at) {
        match key.key() {
            "network" => overrides.network = names(document, value, network),
            "caps" => overrides.caps = names(document, value, cap),
            "rootfs_writable" => overrides.rootfs_writable = document.boolean(value).unwrap_or_default(),
            "env_inheritance" => overrides.env_inheritance = document.boolean(value).unwrap_or_default(),
            _ => document.unknown(key, &OVERRIDE_KEYS),
        }
    }
    overrides
}

fn names(
    document: &mut Document<'_>,
    at: &Yaml,
    parse: impl Fn(&str) -> Result<String, String>,
) -> Vec<String> {
    let mut names = Vec::new();
    for item in document.items(at) {
        match document.text(item).map(&parse) {
            Some(Ok(name)) => names.push(name),
            Some(Err(wrong)) => document.refuse(item, wrong, None),
            None => {}
        }
    }
    names
}

fn network(text: &str) -> Result<String, String> {
    match network_name(text) {
        Ok(name) if name == "host" => {
            Err("`host` is the network of this machine, and no list opens it".to_owned())
        }
        Ok(name) => Ok(name),
        Err(wrong) => Err(wrong.to_string()),
    }
}

fn cap(text: &str) -> Result<String, String> {
    match capability(text) {
        Ok(name) if name == "ALL" => Err("`ALL` is no capability: name each one that is needed".to_owned()),
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
        assert_eq!(bundle.verify_signatures, Demand::Required);
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
                "policy.yaml:1:1: there is no key `verify_signature` here",
                "policy.yaml:2:20: `requird` is no demand for signatures",
                "policy.yaml:3:22: `docker` is not a registry",
                "policy.yaml:5:8: `lots` is not a number of processors: write it as `500m`, `1.5` or `2`",
                "policy.yaml:6:11: `2t` is not a size: write it as \"512KiB\", \"64MiB\", \"2g\" or a number of bytes",
                "policy.yaml:7:9: a whole number from 1 to 4194304 is expected here",
                "policy.yaml:8:3: there is no key `disk` here",
                "policy.yaml:10:12: a list `[…]` is expected here, and this is a text or number",
                "policy.yaml:11:10: `ALL` is no capability: name each one that is needed",
                "policy.yaml:12:20: `true` or `false` is expected here, and this is a text or number",
                "policy.yaml:13:3: there is no key `é` here",
            ]
        );
        let wrong = Bundle::parse("policy.yaml", text.as_bytes()).unwrap_err();
        let first = render_all(&wrong[..1]);
        assert!(first.contains("1 | verify_signature: required\n    | ^^^^^^^^^^^^^^^^\n"), "{first}");
        assert!(first.contains("hint: did you mean `verify_signatures`?"), "{first}");
    }

    #[test]
    fn what_is_no_plain_data_is_refused() {
        for (text, wanted) in [
            ("ceilings: {cpu: 1\n", "this is no YAML"),
            ("a: *x\n", "no YAML"),
            ("x: &x [a]\ny: *x\n", "aliases are not read here"),
            ("verify_signatures: !!str required\n", "tags are not read here"),
            ("{}\n---\n{}\n", "another one"),
            ("ceilings: {}\nceilings: {}\n", "the key `ceilings` is here already"),
            ("- a\n", "keys with values are expected here, and this is a list"),
            ("required\n", "keys with values are expected"),
            ("ceilings:\n", "keys with values are expected here, and this is nothing"),
            ("verify_signatures: ~\n", "a text is expected here, and this is nothing"),
            ("overrides: {network: [host]}\n", "no list opens it"),
            ("overrides: {network: [--x]}\n", "is not the name of a network"),
            ("? [a, b]\n: c\n", "there is no key `…` here"),
        ] {
            let found = problems(text).join("\n");
            assert!(found.contains(wanted), "{text:?}: {found}");
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
