//! The checked settings, with what holds when `config.fnl` is silent.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::bind::Bind;
use super::http::HttpSettings;
use super::notify::NotifySettings;
use super::policy::PolicySettings;
use super::steps::StepSettings;
use super::watch::WatchDecl;
use crate::model::{AccessRule, JobId, ProtectedRule, RefName, RepoName, SecretName};
use crate::schema::Node;

/// What `config.fnl` says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the server answers over TCP.
    pub(crate) bind: Bind,
    /// The address that people reach it at, when it is another.
    pub(crate) public_url: Option<String>,
    /// Who may see and do what over TCP.
    pub(crate) http: HttpSettings,
    /// Who may do what with which repository.
    pub(crate) access: Vec<AccessRule>,
    /// Which refs nobody rewrites or deletes.
    pub(crate) protected: Vec<ProtectedRule>,
    /// How pushers call quire, in what a push prints.
    pub(crate) command: Option<String>,
    /// The secrets.
    pub secrets: Vec<SecretDecl>,
    /// Variables of the server's environment that steps see.
    pub(crate) pass_env: Vec<String>,
    /// What runs must not exceed.
    pub limits: Limits,
    /// What containers may.
    pub policy: PolicySettings,
    /// Where the policy bundle is named.
    pub(crate) bundle: Option<Node>,
    /// How steps are isolated from this machine.
    pub(crate) steps: StepSettings,
    /// Branches of repositories elsewhere.
    pub(crate) watches: Vec<WatchDecl>,
    /// The file that the audit is written to, in addition to the database.
    pub(crate) audit_file: Option<PathBuf>,
    /// Who is notified of what.
    pub(crate) notify: NotifySettings,
}

/// A declared secret.
#[derive(Debug, Clone)]
pub struct SecretDecl {
    pub(crate) name: SecretName,
    /// Where its value comes from.
    pub(crate) source: SecretSource,
    /// The repositories that may have it; all hosted ones when empty.
    pub(crate) repos: Vec<RepoName>,
    /// The refs whose runs may have it, by their full names; all when empty.
    pub(crate) refs: Vec<RefName>,
    /// What may have started a run that gets it; anything when empty.
    pub(crate) events: Vec<crate::event::Trigger>,
    /// The jobs that may have it; all when empty.
    pub(crate) jobs: Vec<JobId>,
}

/// Where a secret's value comes from.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// It stands in `config.fnl`.
    Literal(SecretString),
    /// It is what this file holds when a run starts, less one line feed at its end.
    File(PathBuf),
}

/// What runs must not exceed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Runs at the same time.
    pub(crate) runs: usize,
    /// Jobs of a run at the same time.
    pub(crate) jobs: usize,
    /// Branches and tags of one push that start runs.
    pub(crate) runs_per_push: usize,
    /// Runs of one branch or tag within a minute; no limit when it is 0.
    pub(crate) runs_per_minute: usize,
    /// The longest a run may take.
    pub(crate) run_timeout: Duration,
    /// The longest a step may take that says nothing else.
    pub(crate) step_timeout: Duration,
    /// Bytes of a step's log.
    pub(crate) log_bytes: u64,
    /// Bytes of all artifacts of a run.
    pub(crate) artifact_bytes: u64,
    /// Bytes of the memory of a run's VM.
    pub(crate) vm_memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            runs: 2,
            jobs: 4,
            runs_per_push: 10,
            runs_per_minute: 60,
            run_timeout: Duration::from_secs(3600),
            step_timeout: Duration::from_secs(1800),
            log_bytes: 64 << 20,
            artifact_bytes: 2 << 30,
            vm_memory: 256 << 20,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bind: Bind::Address(SocketAddr::from(([127, 0, 0, 1], 7878))),
            public_url: None,
            http: HttpSettings::default(),
            access: Vec::new(),
            protected: Vec::new(),
            command: None,
            secrets: Vec::new(),
            pass_env: Vec::new(),
            limits: Limits::default(),
            policy: PolicySettings::default(),
            bundle: None,
            steps: StepSettings::default(),
            watches: Vec::new(),
            audit_file: None,
            notify: NotifySettings::default(),
        }
    }
}
