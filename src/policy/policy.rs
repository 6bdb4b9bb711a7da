//! What holds for the containers of a run: profile, bundle, and the operator's openings.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bundle::{Bundle, Ceilings, Overrides, SignatureMode};
use super::profile::ProfileSource;
use crate::config::PolicySettings;
use crate::model::{Diagnostic, Profile};

/// What holds for the containers of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub(crate) profile: Profile,
    /// Who chose it.
    pub(crate) source: ProfileSource,
    pub(crate) bundle: BundleState,
    /// What `:policy` says.
    pub(crate) operator: PolicySettings,
    /// The data folder, which no container sees. `config.fnl` is in it.
    pub(crate) data_dir: PathBuf,
    /// Where the engines of this machine listen and what they keep, in addition to the usual places, which are always known.
    #[serde(skip)]
    pub(crate) engine_places: Vec<PathBuf>,
}

/// The bundle, as far as there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BundleState {
    /// The operator names none.
    Absent,
    /// It can be used.
    Good(Bundle),
    /// It cannot be used, so that nothing is allowed: one entry a mistake.
    Broken(Vec<BundleMistake>),
}

/// A mistake in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleMistake {
    /// Place and message.
    pub(crate) text: String,
    /// What to do instead.
    pub(crate) hint: Option<String>,
}

impl Policy {
    /// The policy of these settings; reads the bundle that they name. Blocking.
    pub fn load(settings: &PolicySettings, data_dir: &Path, chosen: (Profile, ProfileSource)) -> Self {
        let bundle = match &settings.bundle {
            None => BundleState::Absent,
            Some(_) => match load_bundle(settings, data_dir) {
                Ok(bundle) => BundleState::Good(bundle),
                Err(wrong) => BundleState::Broken(wrong.iter().map(BundleMistake::of).collect()),
            },
        };
        Self {
            profile: chosen.0,
            source: chosen.1,
            bundle,
            operator: settings.clone(),
            // Sources of mounts come without symbolic links, and are compared with this.
            data_dir: data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned()),
            engine_places: Vec::new(),
        }
    }

    /// The bundle, when it can be used.
    pub(crate) fn rules(&self) -> Option<&Bundle> {
        match &self.bundle {
            BundleState::Good(bundle) => Some(bundle),
            BundleState::Absent | BundleState::Broken(_) => None,
        }
    }

    /// What the bundle requires of signatures.
    pub(crate) fn signature_mode(&self) -> SignatureMode {
        self.rules().map(|bundle| bundle.verify_signatures).unwrap_or_default()
    }

    /// What no container may have more of.
    pub(crate) fn ceilings(&self) -> Ceilings {
        self.rules().map(|bundle| bundle.ceilings).unwrap_or_default()
    }

    /// What the bundle opens; nothing unless the profile is `permissive`.
    pub(super) fn overrides(&self) -> Overrides {
        match self.profile {
            Profile::Permissive => self.rules().map(|bundle| bundle.overrides.clone()).unwrap_or_default(),
            Profile::Secure | Profile::Disabled => Overrides::default(),
        }
    }

    /// The bundle as messages name it.
    pub(super) fn bundle_name(&self) -> String {
        self.operator
            .bundle
            .as_ref()
            .map_or_else(|| "the bundle".to_owned(), |path| path.display().to_string())
    }
}

impl BundleMistake {
    fn of(diagnostic: &Diagnostic) -> Self {
        Self {
            text: format!("{}: {}", diagnostic.place(), diagnostic.message),
            hint: diagnostic.help.clone(),
        }
    }
}

fn load_bundle(settings: &PolicySettings, data_dir: &Path) -> Result<Bundle, Vec<Diagnostic>> {
    let name = settings.bundle.as_deref().unwrap_or(Path::new(""));
    Bundle::load(&data_dir.join(name), &name.display().to_string())
}

/// All mistakes of the bundle that these settings name. Blocking.
pub fn bundle_problems(settings: &PolicySettings, data_dir: &Path) -> Vec<Diagnostic> {
    let wrong = settings.bundle.as_ref().and_then(|_| load_bundle(settings, data_dir).err());
    wrong.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_found_next_to_the_config_and_its_mistakes_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            |bundle: &str| PolicySettings { bundle: Some(bundle.into()), ..PolicySettings::default() };
        let load = |bundle: &str| Policy::load(&settings(bundle), folder.path(), Default::default());
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        let path = folder.path().join("rules/policy.yaml");
        std::fs::write(&path, "ceilings: {pids: 9}\n").unwrap();
        assert_eq!(load("rules/policy.yaml").ceilings().pids, Some(9));
        assert_eq!(load(path.to_str().unwrap()).ceilings().pids, Some(9));
        assert_eq!(bundle_problems(&settings("rules/policy.yaml"), folder.path()), []);
        std::fs::write(&path, "ceiling: {pids: 9}\noverrides: 7\n").unwrap();
        let BundleState::Broken(wrong) = load("rules/policy.yaml").bundle else { panic!() };
        assert_eq!(wrong.len(), 2);
        assert_eq!(wrong[0].text, "rules/policy.yaml:1:1: unknown option `ceiling` of a bundle");
        assert_eq!(wrong[0].hint.as_deref(), Some("did you mean `ceilings`?"));
        assert!(matches!(load("absent.yaml").bundle, BundleState::Broken(_)));
        assert!(bundle_problems(&settings("absent.yaml"), folder.path())[0].file.contains("absent.yaml"));
        let none = Policy::load(&PolicySettings::default(), folder.path(), Default::default());
        assert_eq!(none.bundle, BundleState::Absent);
        assert_eq!(bundle_problems(&PolicySettings::default(), folder.path()), []);
    }
}
