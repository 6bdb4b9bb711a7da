//! The exact lines of `config.fnl` and of the bundle that would allow what was denied.

use std::path::Path;

use super::amount::format_memory;
use super::bundle::{Bundle, Ceilings, Demand};
use crate::config::PolicySettings;

/// The line of `config.fnl` with these settings.
pub(super) fn config_line(settings: &PolicySettings) -> String {
    format!("write `:policy {}` in config.fnl", table(settings))
}

/// The line of a bundle that allows these registries.
pub(super) fn registries_line(bundle: &Bundle, also: &str, file: &str) -> String {
    let mut all = bundle.allowed_registries.clone();
    all.push(also.to_ascii_lowercase());
    let all: Vec<String> = all.iter().map(|registry| format!("\"{registry}\"")).collect();
    format!("write `allowed_registries: [{}]` in {file}", all.join(", "))
}

/// The line of a bundle with these ceilings.
pub(super) fn ceilings_line(ceilings: &Ceilings, file: &str) -> String {
    let cpu = ceilings.cpu.map(|cpu| format!("cpu: \"{cpu}\""));
    let memory = ceilings.memory.map(|memory| format!("memory: \"{}\"", format_memory(memory)));
    let pids = ceilings.pids.map(|pids| format!("pids: {pids}"));
    let all: Vec<String> = [cpu, memory, pids].into_iter().flatten().collect();
    format!("write `ceilings: {{{}}}` in {file}", all.join(", "))
}

/// The line of a bundle with this demand.
pub(super) fn demand_line(demand: Demand, file: &str) -> String {
    format!("write `verify_signatures: {}` in {file}", demand.as_str())
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
    use crate::model::Profile;

    /// The `config.fnl` that a hint asks for.
    pub(in crate::policy) fn table_of(hint: &str) -> String {
        let line = hint.strip_prefix("write `").and_then(|rest| rest.strip_suffix("` in config.fnl"));
        format!("{{{}}}", line.unwrap_or_else(|| panic!("{hint} is no line of config.fnl")))
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
