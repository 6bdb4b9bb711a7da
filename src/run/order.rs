//! What is to be run: an order is the same wherever it is executed. It names no path and holds no value of a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::repeat::EarlierRun;
use crate::config::{Limits, Settings};
use crate::event::EventRecord;
use crate::journal::PolicyRecord;
use crate::model::Reason;
use crate::pipeline::FolderWork;
use crate::policy::PolicySpec;
use crate::secret::SecretRequest;

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The id of the run.
    pub id: String,
    /// How often the run has been ordered: 1 for the first time.
    pub attempt: u32,
    /// The repository, without `.git`.
    pub repo: String,
    /// The number of the run.
    pub number: u64,
    /// What started the run.
    pub event: EventRecord,
    /// The run that this one repeats in part; nothing when it repeats none, or all of one.
    pub earlier: Option<EarlierRun>,
    /// Variables that whoever started the run has given, for the environment of its steps.
    pub vars: BTreeMap<String, String>,
    /// The only jobs to start, with all that they need; all of them when absent.
    pub only: Option<BTreeSet<String>>,
    /// The secrets that exist, and what this run lacks for them.
    pub secrets: Vec<SecretRequest>,
    /// What the run must not exceed.
    pub limits: RunLimits,
    /// What its containers may, but for what belongs to a machine.
    pub policy: PolicySpec,
    /// Why the run is denied before it begins: it asked for what it may not.
    pub denied: Option<Reason>,
    /// What was decided about the run of a job folder itself: whoever asked for it follows its events.
    pub decisions: Vec<PolicyRecord<String>>,
    /// How its steps are confined.
    pub steps: StepRules,
    /// Whether a newer push stops jobs that do not say.
    pub interruptible: bool,
    /// What the run of a job folder runs.
    pub work: Option<FolderWork>,
}

/// What comes with the right to lead a run, and is only known then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Whether the run has its slot already.
    pub has_slot: bool,
    /// The number of the run that superseded this one before it began.
    pub superseded_by: Option<u64>,
}

/// How the steps of a run are confined, wherever they run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRules {
    /// Whether no program gives them new rights.
    pub(crate) no_new_privs: bool,
    /// Whether each of them runs in a sandbox.
    pub(crate) sandbox: bool,
    /// Whether a job may have the network in its sandbox.
    pub(crate) network: Option<bool>,
}

impl StepRules {
    /// What the settings require.
    pub fn of(settings: &Settings) -> Self {
        Self {
            no_new_privs: settings.steps.no_new_privs.unwrap_or(true),
            sandbox: settings.steps.sandbox.is_some(),
            network: settings.steps.network,
        }
    }
}

/// What a run must not exceed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunLimits {
    /// Jobs at the same time.
    pub(crate) jobs: usize,
    /// Milliseconds from the start of the run.
    pub(crate) run_timeout_ms: u64,
    /// Milliseconds for a step that says nothing else.
    pub(crate) step_timeout_ms: u64,
    /// Bytes of a step's log.
    pub(crate) log_bytes: u64,
    /// Bytes of all artifacts.
    pub(crate) artifact_bytes: u64,
    /// Bytes of the VM's memory.
    pub(crate) vm_memory: usize,
}

impl RunLimits {
    /// What the settings allow a run.
    pub fn of(limits: &Limits) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            jobs: limits.jobs,
            run_timeout_ms: millis(limits.run_timeout),
            step_timeout_ms: millis(limits.step_timeout),
            log_bytes: limits.log_bytes,
            artifact_bytes: limits.artifact_bytes,
            vm_memory: usize::try_from(limits.vm_memory).unwrap_or(usize::MAX),
        }
    }
}
