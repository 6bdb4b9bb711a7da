//! Where a run is executed: the folders, the account and the environment of one machine, made on that machine.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::confine::{Confiner, StepPlace};
use super::order::Order;
use super::runner::variables;
use crate::config::{DataDir, Settings};
use crate::container::ENGINE_VARIABLES;
use crate::executor::{Environment, INHERITED};
use crate::model::InstanceId;
use crate::policy::PolicyPlace;
use crate::secret::SecretSources;

/// Where a run is executed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The id of the data folder, which marks what the run starts.
    pub(crate) instance: String,
    /// The repository's folder.
    pub(crate) git_dir: PathBuf,
    /// The folder of the run.
    pub run_dir: PathBuf,
    /// The folder of compiled pipelines.
    pub(crate) cache_dir: PathBuf,
    /// The environment that every step begins with.
    pub(crate) environment: Vec<(String, String)>,
    /// What container engines read of the environment.
    pub(crate) engine_environment: Vec<(String, String)>,
    /// Where values of secrets are.
    pub(crate) secrets: SecretSources,
    /// What containers may of this machine.
    pub(crate) policy: PolicyPlace,
    /// Where and as whom steps run.
    pub(crate) steps: StepPlace,
    /// The workspace that stays for the next run, and the address of its `origin`; otherwise it is the run's own.
    pub(crate) kept: Option<(PathBuf, String)>,
}

impl Place {
    /// The place of an order in a data folder, with the folders of its repository and of the run. `environment` is that of the process that leads there.
    pub fn new(
        order: &Order,
        (data, instance): (&DataDir, InstanceId),
        (git_dir, run_dir): (PathBuf, PathBuf),
        settings: &Settings,
        environment: &[(String, String)],
    ) -> Self {
        let of_steps =
            |name: &str| INHERITED.contains(&name) || settings.pass_env.iter().any(|passed| passed == name);
        let variables = |is_wanted: &dyn Fn(&str) -> bool| {
            environment.iter().filter(|(name, _)| is_wanted(name)).cloned().collect()
        };
        Self {
            instance: instance.to_string(),
            git_dir,
            run_dir,
            cache_dir: data.compiled(),
            environment: variables(&of_steps),
            engine_environment: variables(&|name| ENGINE_VARIABLES.contains(&name)),
            secrets: SecretSources::new(&settings.secrets, &order.secrets),
            policy: PolicyPlace { operator: settings.policy.clone(), data_dir: data.path().to_owned() },
            steps: StepPlace::of(settings, data),
            kept: None,
        }
    }

    /// What steps of the order begin with here, and what confines them to their workspace and to the folder that they read.
    pub(super) fn of_steps(
        &self,
        order: &Order,
        folders: (PathBuf, PathBuf),
    ) -> (Environment, Arc<Confiner>) {
        let from = variables(&self.environment);
        let pass: Vec<OsString> = from.keys().cloned().collect();
        let path = from.get(OsStr::new("PATH")).cloned();
        let confiner = Confiner::new((order.steps.clone(), self.steps.clone()), folders, path);
        (Environment::clean(&from, &pass).at_home(), Arc::new(confiner))
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the secrets and the environment.
        f.debug_struct("Place").field("run_dir", &self.run_dir).finish_non_exhaustive()
    }
}
