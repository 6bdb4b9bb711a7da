//! What a runner is given: one serialisable value, sent over a socket that the runner inherits, never as arguments.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::confine::StepRules;
use crate::config::Limits;
use crate::event::EventRecord;
use crate::model::Reason;
use crate::policy::PolicySpec;

/// The version of the spec. A runner is the same binary as the server that starts it.
const VERSION: u32 = 3;

/// The longest spec that a runner reads, in bytes.
pub(super) const MAX_SPEC: u64 = 64 * 1024 * 1024;

/// What a runner is given. The lock on the run folder and the listening control socket come with it as descriptors.
#[derive(Clone, Serialize, Deserialize)]
pub struct RunSpec {
    /// Version of the spec.
    pub v: u32,
    /// The id of the run.
    pub id: String,
    /// The id of the data folder, which marks what the run starts.
    pub instance: String,
    /// The repository, without `.git`.
    pub repo: String,
    /// The number of the run.
    pub number: u64,
    /// The repository's folder.
    pub git_dir: String,
    /// The folder of the run.
    pub run_dir: String,
    /// The folder of compiled pipelines.
    pub cache_dir: String,
    /// What started the run.
    pub event: EventRecord,
    /// Whether the run has its slot already.
    pub has_slot: bool,
    /// The number of the run that superseded this one before it began.
    pub superseded_by: Option<u64>,
    /// The environment that every step begins with.
    pub environment: Vec<(String, String)>,
    /// The secrets that exist, and which of them this run may have.
    pub secrets: Vec<crate::secret::SecretGrant>,
    /// What the run must not exceed.
    pub limits: RunLimits,
    /// What its containers may.
    pub policy: PolicySpec,
    /// Why the run is denied before it begins: it asked for what it may not.
    pub denied: Option<Reason>,
    /// What container engines read of the server's environment.
    pub engine_environment: Vec<(String, String)>,
    /// How steps are isolated from the machine.
    pub steps: StepRules,
}

/// What a run must not exceed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLimits {
    /// Jobs at the same time.
    pub jobs: usize,
    /// Milliseconds from the start of the run.
    pub run_timeout_ms: u64,
    /// Milliseconds for a step that says nothing else.
    pub step_timeout_ms: u64,
    /// Bytes of a step's log.
    pub log_bytes: u64,
    /// Bytes of the VM's memory.
    pub vm_memory: usize,
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
            vm_memory: usize::try_from(limits.vm_memory).unwrap_or(usize::MAX),
        }
    }
}

impl RunSpec {
    /// The current version.
    pub const VERSION: u32 = VERSION;

    /// The spec as bytes.
    ///
    /// # Errors
    /// When a string in it cannot be put into JSON.
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// Reads a spec.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn decode(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}

impl std::fmt::Debug for RunSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the secrets and the environment.
        f.debug_struct("RunSpec")
            .field("repo", &self.repo)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
