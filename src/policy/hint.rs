//! The exact lines of `config.fnl` and of the bundle that would allow what was denied: one for all points of a request, and of
//! those that are known in addition to it.

use std::path::Path;

use super::bundle::{Ceilings, SignatureMode};
use super::policy::Policy;
use super::profile::ProfileSource;
use crate::config::PolicySettings;
use crate::model::{Profile, format_size};

/// What would allow a point that is denied.
#[derive(Debug, Clone)]
pub(super) enum Hint {
    /// All openings that are asked for.
    Openings,
    /// The profile `disabled`, and all openings.
    Disabled,
    /// All registries that are asked for.
    Registries,
    /// All ceilings that are exceeded.
    Ceilings,
    /// Nothing else has to do with it.
    Alone(String),
}

/// What would have to stand where, for all that is asked for and could be allowed.
#[derive(Debug, Clone)]
pub(super) struct RequiredPolicy {
    pub(super) settings: PolicySettings,
    registries: Vec<String>,
    ceilings: Ceilings,
}

impl RequiredPolicy {
    /// What stands there already.
    pub(super) fn of(policy: &Policy) -> Self {
        Self {
            settings: policy.operator.clone(),
            registries: policy.rules().map(|bundle| bundle.allowed_registries.clone()).unwrap_or_default(),
            ceilings: policy.ceilings(),
        }
    }

    pub(super) fn open(&mut self, open: impl FnOnce(&mut PolicySettings)) {
        open(&mut self.settings);
        once(&mut self.settings.network);
        once(&mut self.settings.mounts);
        once(&mut self.settings.writable_mounts);
        once(&mut self.settings.caps);
    }

    pub(super) fn registry(&mut self, registry: &str) {
        self.registries.push(registry.to_ascii_lowercase());
        once(&mut self.registries);
    }

    pub(super) fn raise(&mut self, asked: Ceilings) {
        let Ceilings { cpu, memory, pids } = &mut self.ceilings;
        *cpu = asked.cpu.max(*cpu);
        *memory = asked.memory.max(*memory);
        *pids = asked.pids.max(*pids);
    }

    /// The line of a hint, where `source` chose the profile and the bundle is called `file`.
    pub(super) fn line(&self, hint: Hint, source: ProfileSource, file: &str) -> String {
        match hint {
            Hint::Openings => config_line(&self.settings),
            Hint::Disabled => self.disabled_line(source),
            Hint::Registries => registries_line(&self.registries, file),
            Hint::Ceilings => ceilings_line(&self.ceilings, file),
            Hint::Alone(text) => text,
        }
    }

    /// How the profile becomes `disabled`: where it was chosen.
    fn disabled_line(&self, source: ProfileSource) -> String {
        let mut settings = self.settings.clone();
        match source {
            ProfileSource::Default | ProfileSource::Config => {
                settings.profile = Some(Profile::Disabled);
                config_line(&settings)
            }
            ProfileSource::Flag => "start quire with --profile disabled".to_owned(),
            ProfileSource::Environment => "start quire with QUIRE_PROFILE=disabled".to_owned(),
            ProfileSource::Request => {
                settings.requests.push(Profile::Disabled);
                once(&mut settings.requests);
                format!("ask for the profile `disabled`, and {}", config_line(&settings))
            }
        }
    }
}

/// Leaves each item where it stands first.
fn once<T: PartialEq + Clone>(items: &mut Vec<T>) {
    let mut seen: Vec<T> = Vec::with_capacity(items.len());
    items.retain(|item| {
        let is_new = !seen.contains(item);
        seen.push(item.clone());
        is_new
    });
}

/// The `config.fnl` with these settings.
pub(super) fn config_line(settings: &PolicySettings) -> String {
    format!("in config.fnl: {{:policy {}}}", table(settings))
}

/// The line of a bundle that allows these registries.
fn registries_line(all: &[String], file: &str) -> String {
    let all: Vec<String> = all.iter().map(|registry| format!("\"{registry}\"")).collect();
    format!("write `allowed_registries: [{}]` in {file}", all.join(", "))
}

/// The line of a bundle with these ceilings.
fn ceilings_line(ceilings: &Ceilings, file: &str) -> String {
    let cpu = ceilings.cpu.map(|cpu| format!("cpu: \"{cpu}\""));
    let memory = ceilings.memory.map(|memory| format!("memory: \"{}\"", format_size(memory)));
    let pids = ceilings.pids.map(|pids| format!("pids: {pids}"));
    let all: Vec<String> = [cpu, memory, pids].into_iter().flatten().collect();
    format!("write `ceilings: {{{}}}` in {file}", all.join(", "))
}

/// The line of a bundle that sets this level of signature checks.
pub(super) fn signature_line(mode: SignatureMode, file: &str) -> String {
    format!("write `verify_signatures: {}` in {file}", mode.as_str())
}

/// The settings as a table of Fennel, without what is so by default.
fn table(settings: &PolicySettings) -> String {
    let keywords = |words: Vec<&'static str>| list(words.into_iter().map(|word| format!(":{word}")));
    let paths = |paths: &[std::path::PathBuf]| list(paths.iter().map(|path| path_text(path)));
    let texts = |all: &[String]| list(all.iter().map(|text| quoted(text)));
    let flag = |is_on: bool| is_on.then(|| "true".to_owned());
    let requests = settings.requests.iter().map(|profile| profile.as_str()).collect();
    let pairs = [
        ("profile", settings.profile.map(|profile| format!(":{profile}"))),
        ("requests", keywords(requests)),
        ("bundle", settings.bundle.as_deref().map(path_text)),
        ("network", texts(&settings.network)),
        ("mounts", paths(&settings.mounts)),
        ("writable-mounts", paths(&settings.writable_mounts)),
        ("caps", texts(&settings.caps)),
        ("rootfs-writable", flag(settings.rootfs_writable)),
        ("env-inheritance", flag(settings.env_inheritance)),
        ("signatures", signatures(settings)),
    ];
    let pairs = pairs.into_iter().filter_map(|(key, value)| Some(format!(":{key} {}", value?)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(" "))
}

fn signatures(settings: &PolicySettings) -> Option<String> {
    let read = &settings.signatures;
    let signer = read.signer.as_ref();
    let pairs = [
        ("key", read.key.as_deref().map(path_text)),
        ("files", read.files.as_deref().map(path_text)),
        ("identity", signer.map(|(identity, _)| quoted(identity))),
        ("issuer", signer.map(|(_, issuer)| quoted(issuer))),
    ];
    let pairs: Vec<String> =
        pairs.into_iter().filter_map(|(key, value)| Some(format!(":{key} {}", value?))).collect();
    (!pairs.is_empty()).then(|| format!("{{{}}}", pairs.join(" ")))
}

fn list(items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<String> = items.collect();
    (!items.is_empty()).then(|| format!("[{}]", items.join(" ")))
}

fn path_text(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// A string as Fennel reads it. None that is a setting holds a control character.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::SignatureSettings;

    /// The `config.fnl` that a hint asks for.
    pub(in crate::policy) fn table_of(hint: &str) -> String {
        let line = hint.strip_prefix("in config.fnl: ");
        line.unwrap_or_else(|| panic!("{hint} is not a config.fnl")).to_owned()
    }

    #[test]
    fn every_setting_is_written_as_it_is_read() {
        let full = PolicySettings {
            profile: Some(Profile::Permissive),
            requests: vec![Profile::Permissive, Profile::Disabled],
            bundle: Some(PathBuf::from("a \"strange\" \\ name.yaml")),
            network: vec!["bridge".into(), "my-net".into()],
            mounts: vec![PathBuf::from("/srv/cache")],
            writable_mounts: vec![PathBuf::from("/srv/spool é")],
            caps: vec!["NET_BIND_SERVICE".into()],
            rootfs_writable: true,
            env_inheritance: true,
            signatures: SignatureSettings {
                key: Some("keys/cosign.pub".into()),
                files: Some("signatures".into()),
                signer: None,
            },
        };
        let signer = Some(("me@example.org".to_owned(), "https://accounts.example.org".to_owned()));
        let signatures = SignatureSettings { signer, ..SignatureSettings::default() };
        let other = PolicySettings { signatures, ..PolicySettings::default() };
        for settings in [full, other, PolicySettings::default()] {
            let table = table_of(&config_line(&settings));
            let read =
                crate::config::read(table.as_bytes()).unwrap_or_else(|wrong| panic!("{table}: {wrong:?}"));
            assert_eq!(read.policy, settings, "{table}");
        }
    }
}
