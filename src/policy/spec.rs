//! A policy as a runner gets it: JSON, version 1.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::bundle::{Bundle, Ceilings, Demand, Overrides};
use super::cpus::Cpus;
use super::policy::{BundleMistake, BundleState, Policy};
use super::profile::ProfileSource;
use crate::config::{PolicySettings, SignatureSettings};
use crate::model::Profile;

/// The version of the format.
const VERSION: u32 = 1;

/// A policy as a runner gets it. Reading it refuses other versions, unknown members and unknown words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    #[serde(deserialize_with = "version")]
    v: u32,
    #[serde(with = "profile_word")]
    profile: Profile,
    #[serde(with = "source_word")]
    source: ProfileSource,
    bundle: BundleSpec,
    operator: OperatorSpec,
    data_dir: PathBuf,
}

/// The bundle of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BundleSpec {
    /// There is none.
    Absent {},
    /// It can be used.
    Good {
        /// The demand for signatures.
        #[serde(with = "demand_word")]
        verify_signatures: Demand,
        /// The registries.
        allowed_registries: Vec<String>,
        /// Thousandths of processors, bytes of memory, processes.
        ceilings: (Option<u32>, Option<u64>, Option<u32>),
        /// Networks that `permissive` opens.
        network: Vec<String>,
        /// Capabilities that `permissive` opens.
        caps: Vec<String>,
        /// Whether `permissive` opens the image's files.
        rootfs_writable: bool,
        /// Whether `permissive` opens the environment of steps.
        env_inheritance: bool,
    },
    /// It cannot be used.
    Broken {
        /// Its mistakes: text and hint.
        mistakes: Vec<(String, Option<String>)>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorSpec {
    #[serde(with = "profile_words")]
    profile: Vec<Profile>,
    #[serde(with = "profile_words")]
    requests: Vec<Profile>,
    bundle: Option<PathBuf>,
    network: Vec<String>,
    mounts: Vec<PathBuf>,
    writable_mounts: Vec<PathBuf>,
    caps: Vec<String>,
    rootfs_writable: bool,
    env_inheritance: bool,
    key: Option<PathBuf>,
    files: Option<PathBuf>,
    signer: Option<(String, String)>,
}

fn version<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        VERSION => Ok(VERSION),
        other => Err(serde::de::Error::custom(format!(
            "a policy of version {other}, and this quire knows {VERSION}"
        ))),
    }
}

/// A module for `#[serde(with)]` of a type with one word for each value.
macro_rules! word {
    ($module:ident, $type:ty, $parse:expr) => {
        mod $module {
            use super::*;

            pub(super) fn serialize<S: serde::Serializer>(value: &$type, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(value.as_str())
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                let text = String::deserialize(from)?;
                $parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is unknown")))
            }
        }
    };
}

word!(profile_word, Profile, |text: &str| Profile::parse(text).ok());
word!(demand_word, Demand, Demand::parse);
word!(source_word, ProfileSource, |text: &str| {
    ProfileSource::ALL.into_iter().find(|source| source.as_str() == text)
});

mod profile_words {
    use super::*;

    pub(super) fn serialize<S: serde::Serializer>(all: &[Profile], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(all.iter().map(|profile| profile.as_str()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Profile>, D::Error> {
        let words = Vec::<String>::deserialize(from)?;
        words.iter().map(|word| Profile::parse(word).map_err(serde::de::Error::custom)).collect()
    }
}

impl From<&Policy> for PolicySpec {
    fn from(policy: &Policy) -> PolicySpec {
        let operator = policy.operator.clone();
        PolicySpec {
            v: VERSION,
            profile: policy.profile,
            source: policy.source,
            bundle: BundleSpec::from(&policy.bundle),
            operator: OperatorSpec {
                profile: operator.profile.into_iter().collect(),
                requests: operator.requests,
                bundle: operator.bundle,
                network: operator.network,
                mounts: operator.mounts,
                writable_mounts: operator.writable_mounts,
                caps: operator.caps,
                rootfs_writable: operator.rootfs_writable,
                env_inheritance: operator.env_inheritance,
                key: operator.signatures.key,
                files: operator.signatures.files,
                signer: operator.signatures.signer,
            },
            data_dir: policy.data_dir.clone(),
        }
    }
}

impl From<PolicySpec> for Policy {
    fn from(spec: PolicySpec) -> Policy {
        let operator = spec.operator;
        Policy {
            profile: spec.profile,
            source: spec.source,
            bundle: BundleState::from(spec.bundle),
            operator: PolicySettings {
                profile: operator.profile.first().copied(),
                requests: operator.requests,
                bundle: operator.bundle,
                network: operator.network,
                mounts: operator.mounts,
                writable_mounts: operator.writable_mounts,
                caps: operator.caps,
                rootfs_writable: operator.rootfs_writable,
                env_inheritance: operator.env_inheritance,
                signatures: SignatureSettings {
                    key: operator.key,
                    files: operator.files,
                    signer: operator.signer,
                },
            },
            data_dir: spec.data_dir,
            // Whoever runs containers knows them.
            engine_places: Vec::new(),
        }
    }
}

impl From<&BundleState> for BundleSpec {
    fn from(state: &BundleState) -> BundleSpec {
        match state {
            BundleState::Absent => BundleSpec::Absent {},
            BundleState::Broken(mistakes) => BundleSpec::Broken {
                mistakes: mistakes.iter().map(|wrong| (wrong.text.clone(), wrong.hint.clone())).collect(),
            },
            BundleState::Good(bundle) => BundleSpec::Good {
                verify_signatures: bundle.verify_signatures,
                allowed_registries: bundle.allowed_registries.clone(),
                ceilings: (
                    bundle.ceilings.cpu.map(Cpus::milli),
                    bundle.ceilings.memory,
                    bundle.ceilings.pids,
                ),
                network: bundle.overrides.network.clone(),
                caps: bundle.overrides.caps.clone(),
                rootfs_writable: bundle.overrides.rootfs_writable,
                env_inheritance: bundle.overrides.env_inheritance,
            },
        }
    }
}

impl From<BundleSpec> for BundleState {
    fn from(spec: BundleSpec) -> BundleState {
        match spec {
            BundleSpec::Absent {} => BundleState::Absent,
            BundleSpec::Broken { mistakes } => {
                let mistakes = mistakes.into_iter().map(|(text, hint)| BundleMistake { text, hint });
                BundleState::Broken(mistakes.collect())
            }
            BundleSpec::Good {
                verify_signatures,
                allowed_registries,
                ceilings: (cpu, memory, pids),
                network,
                caps,
                rootfs_writable,
                env_inheritance,
            } => BundleState::Good(Bundle {
                verify_signatures,
                allowed_registries,
                ceilings: Ceilings { cpu: cpu.and_then(Cpus::from_milli), memory, pids },
                overrides: Overrides { network, caps, rootfs_writable, env_inheritance },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies() -> Vec<Policy> {
        let operator = PolicySettings {
            profile: Some(Profile::Permissive),
            requests: vec![Profile::Disabled],
            bundle: Some("policy.yaml".into()),
            network: vec!["bridge".into()],
            mounts: vec!["/srv/a".into()],
            writable_mounts: vec!["/srv/b".into()],
            caps: vec!["CHOWN".into()],
            rootfs_writable: true,
            env_inheritance: true,
            signatures: SignatureSettings {
                key: Some("k".into()),
                files: Some("f".into()),
                signer: Some(("i".into(), "j".into())),
            },
        };
        let text = "verify_signatures: permissive\nallowed_registries: [ghcr.io]\nceilings: {cpu: 1.5, memory: 1g, pids: 9}\n\
                    overrides: {network: [n], caps: [KILL], rootfs_writable: true, env_inheritance: true}\n";
        let full = Policy {
            profile: Profile::Permissive,
            source: ProfileSource::Environment,
            bundle: BundleState::Good(Bundle::parse("p", text.as_bytes()).unwrap()),
            operator,
            data_dir: "/var/quire".into(),
            engine_places: Vec::new(),
        };
        let mistake = BundleMistake { text: "p:1:1: no".into(), hint: Some("yes".into()) };
        let broken = Policy {
            bundle: BundleState::Broken(vec![mistake]),
            operator: PolicySettings::default(),
            source: ProfileSource::Default,
            ..full.clone()
        };
        let absent = Policy { bundle: BundleState::Absent, ..broken.clone() };
        vec![full, broken, absent]
    }

    #[test]
    fn a_policy_comes_back_as_it_was() {
        for policy in policies() {
            let json = serde_json::to_string(&PolicySpec::from(&policy)).unwrap();
            let spec: PolicySpec = serde_json::from_str(&json).unwrap();
            assert_eq!(Policy::from(spec), policy, "{json}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let json = serde_json::to_string(&PolicySpec::from(&policies()[0])).unwrap();
        for (from, to, wanted) in [
            ("\"v\":1", "\"v\":2", "a policy of version 2"),
            ("\"v\":1", "\"v\":1,\"w\":1", "unknown field `w`"),
            ("\"profile\":\"permissive\"", "\"profile\":\"open\"", "`open` is unknown"),
            ("\"verify_signatures\":\"permissive\"", "\"verify_signatures\":\"no\"", "`no` is unknown"),
            ("\"kind\":\"good\"", "\"kind\":\"fine\"", "unknown variant"),
        ] {
            assert!(json.contains(from), "{json}");
            let wrong =
                serde_json::from_str::<PolicySpec>(&json.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(wrong.contains(wanted), "{wrong}");
        }
    }
}
