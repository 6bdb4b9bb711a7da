//! A policy on its way: what of it is the same everywhere, and what belongs to a machine.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::policy::{BundleState, Policy};
use super::profile::ProfileSource;
use crate::config::PolicySettings;
use crate::model::Profile;

/// The version of the format.
const VERSION: u32 = 3;

/// What of a policy is the same everywhere. Reading it refuses other versions, unknown members and unknown words. It is
/// never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    #[serde(deserialize_with = "version")]
    v: u32,
    profile: Profile,
    source: ProfileSource,
    bundle: BundleState,
}

/// What of a policy belongs to a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyPlace {
    /// What `:policy` says there.
    pub(crate) operator: PolicySettings,
    /// The data folder, which no container sees.
    pub(crate) data_dir: PathBuf,
}

fn version<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        VERSION => Ok(VERSION),
        other => Err(serde::de::Error::custom(format!(
            "policy version {other} is not supported; this quire supports version {VERSION}"
        ))),
    }
}

impl From<&Policy> for PolicySpec {
    fn from(policy: &Policy) -> Self {
        let Policy { profile, source, bundle, .. } = policy.clone();
        Self { v: VERSION, profile, source, bundle }
    }
}

impl PolicySpec {
    /// The policy at a place. Whoever runs containers there knows the places of engines.
    pub(crate) fn at(self, place: PolicyPlace) -> Policy {
        let Self { profile, source, bundle, .. } = self;
        let PolicyPlace { operator, data_dir } = place;
        Policy { profile, source, bundle, operator, data_dir, engine_places: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SignatureSettings;
    use crate::policy::bundle::Bundle;
    use crate::policy::policy::BundleMistake;

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
            let place = PolicyPlace { operator: policy.operator.clone(), data_dir: policy.data_dir.clone() };
            assert_eq!(spec.at(place), policy, "{json}");
            assert!(!json.contains("/var/quire") && !json.contains("/srv"), "{json}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let json = serde_json::to_string(&PolicySpec::from(&policies()[0])).unwrap();
        for (from, to, expected) in [
            ("\"v\":3", "\"v\":1", "policy version 1 is not supported"),
            ("\"v\":3", "\"v\":3,\"w\":1", "unknown field `w`"),
            ("\"profile\":\"permissive\"", "\"profile\":\"open\"", "unknown variant `open`"),
            ("\"verify_signatures\":\"permissive\"", "\"verify_signatures\":\"no\"", "unknown variant `no`"),
            ("{\"good\":", "{\"fine\":", "unknown variant `fine`"),
            ("\"pids\":9", "\"pids\":9,\"disk\":9", "unknown field `disk`"),
            ("\"cpu\":1500", "\"cpu\":0", "processors"),
        ] {
            assert!(json.contains(from), "{json}");
            let wrong =
                serde_json::from_str::<PolicySpec>(&json.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(wrong.contains(expected), "{wrong}");
        }
    }
}
