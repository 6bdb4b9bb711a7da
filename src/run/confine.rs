//! How the steps of a run are isolated from the machine: decided for each job, prepared once for the run.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::order::StepRules;
use crate::config::{DataDir, INSTALL_BWRAP, SecretSource, Settings, find_step_user};
use crate::executor::{Confinement, Environment, Sandbox, find_bwrap};
use crate::pipeline::{JobGraph, JobOptions};
use crate::sys::mount_view::{MountView, Shown};
use crate::sys::transition::Transition;
use crate::sys::user::Account;

/// Where and as whom the steps of a machine run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepPlace {
    /// The user that they run as.
    pub(crate) user: Option<String>,
    /// What sandboxes show in addition to the system.
    pub(crate) read: Vec<PathBuf>,
    /// The data folder, which steps of another user and in sandboxes do not see.
    pub(crate) data: Option<PathBuf>,
    /// Files of secrets, which sandboxes never show.
    pub(crate) masked: Vec<PathBuf>,
}

impl StepPlace {
    /// That of a data folder.
    pub(crate) fn of(settings: &Settings, data: &DataDir) -> Self {
        let user = settings.steps.user.as_ref().map(|user| user.name.clone());
        Self { user, data: Some(data.path().to_owned()), ..Self::local(settings) }
    }

    /// That of a working copy, whose steps are always those of who runs them.
    pub fn local(settings: &Settings) -> Self {
        let file = |source: &SecretSource| match source {
            SecretSource::File(path) => Some(path.clone()),
            SecretSource::Literal(_) => None,
        };
        Self {
            user: None,
            read: settings.steps.read.iter().map(|shown| shown.path.clone()).collect(),
            data: None,
            masked: settings.secrets.iter().filter_map(|secret| file(&secret.source)).collect(),
        }
    }

    /// The account of the user; one that is not available is reported by [`Confiner::settle`].
    pub(crate) fn account(&self) -> Option<Account> {
        find_step_user(self.user.as_deref()?).ok()
    }
}

/// How the steps of one job are sandboxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct JobSandbox {
    network: bool,
}

/// Decides whether a job's steps are in a sandbox. A job may ask for more than the operator requires, never for less.
fn job_sandbox(rules: &StepRules, job: &str, options: &JobOptions) -> Result<Option<JobSandbox>, String> {
    let is_sandboxed = rules.sandbox || options.sandbox;
    // Where no sandbox is demanded, a job without one has the network anyway.
    let may = rules.network.unwrap_or(!rules.sandbox);
    match (is_sandboxed, options.network) {
        (true, Some(true)) if !may => Err(format!(
            "job {job} asks for the network, which config.fnl does not allow; `:steps {{:network true}}` allows it"
        )),
        (false, Some(false)) => Err(format!(
            "job {job} asks for no network, which only a sandbox can enforce; add `:sandbox :bwrap`"
        )),
        (true, network) => Ok(Some(JobSandbox { network: network == Some(true) })),
        (false, _) => Ok(None),
    }
}

/// How the steps of one run are isolated from the machine.
pub struct Confiner {
    rules: StepRules,
    place: StepPlace,
    workspace: PathBuf,
    git_dir: PathBuf,
    path: Option<OsString>,
    settled: OnceLock<Settled>,
    view: OnceLock<Arc<MountView>>,
}

/// What is known once the jobs are.
struct Settled {
    account: Option<Account>,
    bwrap: Option<PathBuf>,
    helper: PathBuf,
    sandboxes: HashMap<String, JobSandbox>,
}

impl Confiner {
    /// For a run with this workspace and repository; `path` is where programs of the server are.
    pub fn new(
        (rules, place): (StepRules, StepPlace),
        (workspace, git_dir): (PathBuf, PathBuf),
        path: Option<OsString>,
    ) -> Self {
        Self { rules, place, workspace, git_dir, path, settled: OnceLock::new(), view: OnceLock::new() }
    }

    /// Decides for all jobs.
    ///
    /// # Errors
    /// Says why no step of the run can start: what is required is not available here, or is requested and not allowed.
    pub(crate) fn settle(&self, graph: &JobGraph) -> Result<(), String> {
        let account = self.place.user.as_deref().map(find_step_user).transpose();
        let account = account.map_err(|(problem, help)| format!("no step can start: {problem}; {help}"))?;
        let mut all = HashMap::new();
        let mut refused = Vec::new();
        for job in graph.jobs() {
            match job_sandbox(&self.rules, job.id.as_str(), &job.options) {
                Ok(Some(job_sandbox)) => {
                    all.insert(job.id.to_string(), job_sandbox);
                }
                Ok(None) => {}
                Err(problem) => refused.push(problem),
            }
        }
        if !refused.is_empty() {
            return Err(format!("no step can start: {}", refused.join("; ")));
        }
        let bwrap = if all.is_empty() { None } else { find_bwrap(self.path.as_deref()) };
        if bwrap.is_none() && !all.is_empty() {
            return Err(format!(
                "no step can start: `bwrap`, which its sandbox needs, is not installed; {INSTALL_BWRAP}"
            ));
        }
        let own =
            std::env::current_exe().map_err(|error| format!("cannot find the quire binary: {error}"))?;
        // In the view of another user it is at a place that everybody can reach.
        let helper = self.place.data.as_ref().filter(|_| account.is_some()).map(|data| data.join(HELPER));
        let settled = Settled { account, bwrap, helper: helper.unwrap_or(own), sandboxes: all };
        self.settled.set(settled).map_err(|_| "the isolation of the jobs was decided twice".to_owned())
    }

    /// Gives the files of the workspace to the user of the steps, and makes that user's view. Blocking.
    ///
    /// # Errors
    /// Says what the system refused.
    pub(crate) fn prepare(&self) -> Result<(), String> {
        let account = self.settled.get().and_then(|settled| settled.account.as_ref());
        let (Some(account), Some(data)) = (account, &self.place.data) else { return Ok(()) };
        give(&self.workspace, account)
            .map_err(|error| format!("the files could not be given to `{}`: {error}", account.name))?;
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let shown = |from: &Path, at: &Path, is_writable| Shown {
            from: from.to_owned(),
            at: at.to_owned(),
            is_writable,
        };
        let shown = vec![
            shown(&self.git_dir, &self.git_dir, false),
            shown(&self.workspace, &self.workspace, true),
            shown(&own, &data.join(HELPER), false),
        ];
        let view = MountView::new(data.clone(), shown).map_err(|error| {
            format!("the data folder could not be hidden from `{}`: {error}", account.name)
        })?;
        self.view.set(Arc::new(view)).map_err(|_| "the view was made twice".to_owned())
    }

    /// What stands around the steps of a job, and what that changes in their environment.
    ///
    /// # Errors
    /// It was not prepared: then nothing may run.
    pub(crate) fn confine(&self, job: &str, env: &mut Environment) -> Result<Confinement, String> {
        let settled = self.settled.get().ok_or("the isolation of steps is not decided")?;
        let transition = match &settled.account {
            None => None,
            Some(account) => {
                let view = self.view.get().cloned().ok_or("the view of the steps' user is not there")?;
                Some(Transition { account: account.clone(), view, no_new_privs: self.rules.no_new_privs })
            }
        };
        let sandbox = settled.sandboxes.get(job).map(|job_sandbox| self.sandbox(settled, *job_sandbox));
        if transition.is_none() && sandbox.is_none() {
            return Ok(Confinement::default());
        }
        self.adjust(env, settled.account.as_ref(), sandbox.as_ref()).map_err(|error| error.to_string())?;
        Ok(Confinement { transition, sandbox })
    }

    fn sandbox(&self, settled: &Settled, job_sandbox: JobSandbox) -> Sandbox {
        let data = self.place.data.clone();
        let real = data.as_ref().and_then(|data| std::fs::canonicalize(data).ok());
        let mut hidden: Vec<PathBuf> = data.into_iter().chain(real).collect();
        hidden.dedup();
        Sandbox {
            bwrap: settled.bwrap.clone().unwrap_or_default(),
            helper: settled.helper.clone(),
            workspace: self.workspace.clone(),
            repository: Some(self.git_dir.clone()),
            readable: self.place.read.clone(),
            hidden,
            masked: self.place.masked.clone(),
            network: job_sandbox.network,
        }
    }

    /// The variables that differ for another user. Git would not read a repository of another user.
    fn adjust(
        &self,
        env: &mut Environment,
        account: Option<&Account>,
        sandbox: Option<&Sandbox>,
    ) -> Result<(), crate::executor::EnvironmentError> {
        if let Some(account) = account {
            env.set("HOME", account.home.as_os_str())?;
            env.set("USER", account.name.as_str())?;
        }
        if let Some(sandbox) = sandbox {
            let home = sandbox.home(env.get("HOME"));
            env.set("HOME", home)?;
        }
        env.set("TMPDIR", "/tmp")?;
        // Not by GIT_CONFIG_COUNT, which belongs to pipelines.
        let git_dir = self.git_dir.to_string_lossy().replace('\'', "'\\''");
        env.set("GIT_CONFIG_PARAMETERS", format!("'safe.directory={git_dir}'"))
    }
}

/// Where the binary is in the view of another user, below the data folder.
const HELPER: &str = "quire-step";

/// Gives a folder with all that is in it to a user. Links are given themselves, not what they lead to.
fn give(folder: &Path, account: &Account) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            give(&entry.path(), account)?;
        } else {
            lchown(entry.path(), Some(account.uid), Some(account.gid))?;
        }
    }
    lchown(folder, Some(account.uid), Some(account.gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_can_request_more_isolation_and_never_less() {
        let decide = |demanded: bool, allowed: Option<bool>, asked: bool, network: Option<bool>| {
            let rules = StepRules { sandbox: demanded, network: allowed, ..StepRules::default() };
            let options = JobOptions { sandbox: asked, network, ..JobOptions::default() };
            match job_sandbox(&rules, "x", &options) {
                Ok(None) => "none",
                Ok(Some(JobSandbox { network: false })) => "closed",
                Ok(Some(JobSandbox { network: true })) => "open",
                Err(_) => "refused",
            }
        };
        for (demanded, allowed, asked, network, decided) in [
            (false, None, false, None, "none"),
            (false, None, false, Some(true), "none"),
            (false, None, false, Some(false), "refused"),
            (false, None, true, None, "closed"),
            (false, None, true, Some(true), "open"),
            (false, Some(false), true, Some(true), "refused"),
            (true, None, false, None, "closed"),
            (true, None, false, Some(false), "closed"),
            (true, None, false, Some(true), "refused"),
            (true, None, true, Some(true), "refused"),
            (true, Some(true), false, None, "closed"),
            (true, Some(true), false, Some(true), "open"),
            (true, Some(false), true, Some(true), "refused"),
        ] {
            let got = decide(demanded, allowed, asked, network);
            assert_eq!(
                got, decided,
                "demanded {demanded} allowed {allowed:?} asked {asked} network {network:?}"
            );
        }
    }
}
