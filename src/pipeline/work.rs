//! The front-end of job folders: what one run of a folder runs, resolved, to a bundle whose entry declares a job for all of its
//! scripts, or one for each of its steps.
//!
//! The entry is Lua text made here, as that of a workflow is: whatever the folder says is in it as numbers and as string literals.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::workflow::literal;
use crate::event::Source;
use crate::model::JobId;
use crate::script::{Bundle, Module};

/// Where a container finds the folder of its job.
pub(crate) const FOLDER_INSIDE: &str = "/job";

/// Where a container finds the folder of its run.
const RUN_INSIDE: &str = "/work";

/// What bash reads before a script, below the folder of the run.
pub(crate) const BASH_PROFILE: &str = ".quire/profile.sh";

/// What starts a script of PowerShell, below the folder of the run.
pub(crate) const POWERSHELL_PROFILE: &str = ".quire/profile.ps1";

/// What a run of a job folder runs. It holds no value of a secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderWork {
    /// The path of its `config.yaml`, for messages.
    pub(crate) config: String,
    /// The folder of the job.
    pub(crate) folder: PathBuf,
    /// Where its scripts begin on the host.
    pub(crate) cwd: PathBuf,
    /// What is run, in this order, one at a time.
    pub(crate) jobs: Vec<WorkJob>,
    /// The variables of every script.
    pub(crate) env: BTreeMap<String, String>,
    /// The names of secret arguments: each is a file of the run.
    pub(crate) secrets: Vec<String>,
    /// What bash reads before each script.
    pub(crate) bash: String,
    /// What starts each script of PowerShell.
    pub(crate) powershell: String,
    /// What follows when a script fails.
    pub(crate) failure: OnFailure,
    /// Whether scripts on the host have the whole environment of quire.
    pub(crate) inherits_environment: bool,
}

/// What follows when a script fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum OnFailure {
    /// The run ends.
    #[default]
    Abort,
    /// The others run, and the run fails at its end.
    Continue,
    /// The script is repeated; then the run ends.
    Retry {
        /// How often at most.
        retries: u32,
        /// The pause before each repetition, in seconds.
        backoff_s: u64,
    },
}

/// Scripts in one place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkJob {
    /// Its id in the run.
    pub(crate) id: String,
    /// The ids of those without which it does not run.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    /// How long all of it may take, in seconds.
    pub(crate) timeout_s: Option<u64>,
    /// The container of its scripts; without one they run on the host.
    pub(crate) container: Option<WorkContainer>,
    /// The scripts, in their order.
    pub(crate) scripts: Vec<WorkScript>,
}

/// One script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkScript {
    /// Its name: that of the file, or of the step.
    pub(crate) name: String,
    /// The program and its first arguments; empty when the file is run by itself.
    pub(crate) interpreter: Vec<String>,
    /// The file, absolute, or below the folder of the job when it runs in a container.
    pub(crate) file: PathBuf,
}

/// What a container is asked to be. Nothing is granted by being asked for here: policy decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkContainer {
    pub(crate) image: String,
    pub(crate) network: Option<String>,
    /// Processors, as written.
    pub(crate) cpus: Option<String>,
    /// Memory, as written.
    pub(crate) memory: Option<String>,
    /// Capabilities.
    pub(crate) caps: Vec<String>,
    /// Whether the image's own files are writable.
    pub(crate) rootfs_writable: bool,
    /// Whether it has the variables that the operator passes to steps.
    pub(crate) env_inheritance: bool,
    /// What would open the host, such as arguments of the engine.
    pub(crate) privileged: Vec<String>,
}

/// The id by which a job or step is known in its run: its own, as far as that is one.
pub(crate) fn work_id(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let id: String = text.chars().map(|c| if allowed(c) { c } else { '-' }).take(64).collect();
    let id = id.trim_start_matches(['.', '-']);
    JobId::parse(id).map_or_else(|_| "job".to_owned(), |id| id.to_string())
}

/// What every entry begins with. A script that fails in its last attempt raises, and so fails its job.
const JOB: &str = "local ci = require('quire.primitives')
local place = '\\1@1:1:1:1|'
local function job(id, needs, options, scripts, how)
  ci.job(id, needs, options, function(q)
    local failed = {}
    for _, script in ipairs(scripts) do
      for attempt = 0, how.retries do
        if attempt > 0 and how.backoff > 0 then q.sleep(how.backoff, place) end
        script.options.check = not how.continues and attempt == how.retries
        local result = q.sh(script.command, script.options, place)
        if result.ok then break end
        if attempt == how.retries then failed[#failed + 1] = ('%s failed with exit status %d'):format(script.options.name, result.exit) end
      end
    end
    if #failed > 0 then error(table.concat(failed, ', '), 0) end
    return true
  end, place)
end
";

impl FolderWork {
    /// Whether scripts on the host ask for the environment of quire.
    pub(crate) fn asks_for_environment(&self) -> bool {
        self.inherits_environment && self.jobs.iter().any(|job| job.container.is_none())
    }

    /// The bundle of the run, whose folder is `run`.
    pub(crate) fn bundle(&self, run: &Path) -> Bundle {
        // On one line: the place of an error is the first line of `config.yaml`, which is there.
        let mut lua = JOB.trim_end().replace('\n', " ") + "\n";
        let mut before = None;
        for job in &self.jobs {
            let scripts: Vec<String> =
                job.scripts.iter().map(|script| self.script(script, job.container.as_ref(), run)).collect();
            let needs = match (self.failure, before.replace(&job.id)) {
                // What does not need the one that failed still runs.
                (OnFailure::Continue, _) if !job.needs.is_empty() => list(&job.needs),
                (OnFailure::Abort | OnFailure::Retry { .. }, Some(before)) => {
                    list(std::slice::from_ref(before))
                }
                _ => list(&[Source::MANUAL.to_owned()]),
            };
            let (id, options) = (literal(&job.id), self.options(job));
            let (scripts, how) = (scripts.join(", "), self.failure.lua());
            let _infallible = writeln!(lua, "job({id}, {needs}, {{ {options} }}, {{ {scripts} }}, {how})");
        }
        let entry = Module { name: "ci".to_owned(), path: self.config.clone(), lua };
        Bundle { entry, modules: Vec::new(), warnings: Vec::new() }
    }

    /// The options of a job, as the fields of a table.
    fn options(&self, job: &WorkJob) -> String {
        let mut fields = Vec::new();
        let mut text = |name: &str, value: &str| fields.push(format!("['{name}'] = {}", literal(value)));
        if let Some(seconds) = job.timeout_s {
            text("timeout", &format!("{seconds}s"));
        }
        let Some(container) = &job.container else { return fields.join(", ") };
        text("image", &container.image);
        let texts =
            [("network", &container.network), ("cpus", &container.cpus), ("memory", &container.memory)];
        for (name, value) in texts {
            value.iter().for_each(|value| text(name, value));
        }
        for (name, is) in
            [("rootfs-writable", container.rootfs_writable), ("env-inheritance", container.env_inheritance)]
        {
            fields.extend(is.then(|| format!("['{name}'] = true")));
        }
        let lists =
            [("caps", &container.caps), ("secrets", &self.secrets), ("extra-args", &container.privileged)];
        for (name, values) in lists.into_iter().filter(|(_, values)| !values.is_empty()) {
            fields.push(format!("['{name}'] = {}", list(values)));
        }
        fields.join(", ")
    }

    /// A script as a table.
    fn script(&self, script: &WorkScript, container: Option<&WorkContainer>, run: &Path) -> String {
        let mut env = self.env.clone();
        let program = script.interpreter.first().and_then(|program| Path::new(program).file_name());
        let program = program.and_then(|name| name.to_str()).unwrap_or_default();
        let run_dir = if container.is_some() { Path::new(RUN_INSIDE) } else { run };
        for name in RUN_VARIABLES {
            env.insert(name.to_owned(), run_dir.display().to_string());
        }
        let mut command = script.interpreter.clone();
        let mut folder = String::new();
        if container.is_some() {
            command.push(Path::new(FOLDER_INSIDE).join(&script.file).display().to_string());
        } else {
            folder = format!(", cwd = {}", literal(&self.cwd.display().to_string()));
            match program {
                "bash" => {
                    env.insert("BASH_ENV".to_owned(), run.join(BASH_PROFILE).display().to_string());
                }
                "pwsh" | "powershell" => {
                    let profile = run.join(POWERSHELL_PROFILE).display().to_string();
                    let words =
                        ["-NoProfile", "-ExecutionPolicy", "Bypass", "-File", &profile, "-TargetScript"];
                    command.extend(words.map(str::to_owned));
                }
                _ => {}
            }
            command.push(script.file.display().to_string());
        }
        let env: Vec<String> =
            env.iter().map(|(name, value)| format!("[{}] = {}", literal(name), literal(value))).collect();
        format!(
            "{{ command = {}, options = {{ name = {}, env = {{ {} }}{folder} }} }}",
            list(&command),
            literal(&script.name),
            env.join(", ")
        )
    }
}

/// The variables that name the folder of the run.
const RUN_VARIABLES: [&str; 4] = ["QUIRE_RUN_DIR", "RUN_DIR", "FLWD_RUN_DIR", "FLOWD_RUN_DIR"];

impl OnFailure {
    fn lua(self) -> String {
        let (retries, backoff) = match self {
            Self::Abort | Self::Continue => (0, 0),
            Self::Retry { retries, backoff_s } => (retries, backoff_s),
        };
        let continues = self == Self::Continue;
        format!("{{ retries = {retries}, backoff = {backoff}, continues = {continues} }}")
    }
}

fn list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| literal(word)).collect();
    format!("{{ {} }}", words.join(", "))
}
