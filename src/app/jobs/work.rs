//! From a job folder and its arguments to what a run of it runs.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::JobError;
use super::place::JobPlace;
use super::profile::{bash, plain, powershell};
use crate::app::Problem;
use crate::config::DataDir;
use crate::model::chain;
use crate::pipeline::argument::Resolved;
use crate::pipeline::folder::{
    ConfigPart, ContainerConfig, ErrorPolicy, Executor, FolderJob, Interpreter, ScriptFile, StepConfig,
};
use crate::pipeline::{FolderWork, OnFailure, WorkContainer, WorkJob, WorkScript, work_id};

/// The variables with all arguments as JSON, without secrets.
const JSON_VARIABLES: [&str; 2] = ["QUIRE_ARGS_JSON", "FLWD_ARGS_JSON"];

/// The variables with the path of the data folder.
const DATA_VARIABLES: [&str; 2] = ["DATA_DIR", "FLOWD_DATA_DIR"];

/// What a run of the job runs with these arguments.
///
/// # Errors
/// Its folder cannot be used.
pub(super) async fn work(
    job: &FolderJob,
    resolved: &Resolved,
    (place, data): (&JobPlace, &DataDir),
) -> Result<FolderWork, JobError> {
    let (job, resolved, cwd, data) = (job.clone(), resolved.clone(), place.cwd.clone(), data.clone());
    let read = tokio::task::spawn_blocking(move || read_work(&job, &resolved, (cwd, &data)));
    read.await.map_err(|error| Problem::failed(&error))?
}

/// The same. Blocking.
fn read_work(
    job: &FolderJob,
    resolved: &Resolved,
    (cwd, data): (PathBuf, &DataDir),
) -> Result<FolderWork, JobError> {
    if let Err(wrong) = job.usable() {
        let lines = wrong.iter().map(|wrong| format!("{}:{wrong}", job.config_path.display()));
        let is_of_steps =
            wrong.iter().filter(|wrong| wrong.is_fatal).all(|wrong| wrong.part == ConfigPart::Steps);
        let part = if is_of_steps { ConfigPart::Steps } else { ConfigPart::Job };
        return Err(JobError::Config { part, text: lines.collect::<Vec<_>>().join("\n") });
    }
    let jobs = if job.config.steps.is_empty() { numbered(job)? } else { steps(job)? };
    Ok(FolderWork {
        config: job.config_path.display().to_string(),
        folder: job.dir.clone(),
        cwd,
        jobs,
        env: variables(job, resolved, data),
        secrets: resolved.secrets.keys().cloned().collect(),
        bash: bash(job, resolved),
        powershell: powershell(job, resolved),
        failure: match job.config.errors {
            ErrorPolicy::Abort => OnFailure::Abort,
            ErrorPolicy::Continue => OnFailure::Continue,
            ErrorPolicy::Retry { retries, backoff } => {
                OnFailure::Retry { retries, backoff_s: backoff.as_secs() }
            }
        },
        inherits_environment: job.config.env_inheritance,
    })
}

/// Where the scripts of a job run, in a word.
pub(super) fn executor(job: &FolderJob) -> &'static str {
    if job.config.is_container() {
        return Executor::Container.as_str();
    }
    job.config.executor.unwrap_or(Executor::Shell).as_str()
}

fn variables(job: &FolderJob, resolved: &Resolved, data: &DataDir) -> BTreeMap<String, String> {
    let mut env = job.config.env.clone();
    for (name, value) in &resolved.values {
        if !matches!(value, Value::Array(_) | Value::Object(_)) {
            env.insert(format!("ARG_{}", name.to_uppercase().replace(['-', '.'], "_")), plain(value));
        }
    }
    let json = Value::Object(resolved.values.clone()).to_string();
    JSON_VARIABLES.iter().for_each(|name| drop(env.insert((*name).to_owned(), json.clone())));
    let data = data.path().display().to_string();
    DATA_VARIABLES.iter().for_each(|name| drop(env.insert((*name).to_owned(), data.clone())));
    env
}

/// The numbered scripts, in one job.
fn numbered(job: &FolderJob) -> Result<Vec<WorkJob>, JobError> {
    let files = job.scripts().map_err(|error| JobError::config(chain(&error)))?;
    let container = job.config.is_container().then(|| container(job, &job.config.container)).transpose()?;
    let in_container = container.is_some();
    let scripts = files.iter().map(|file| script(job, in_container, file));
    Ok(vec![WorkJob {
        id: work_id(&job.id),
        needs: Vec::new(),
        timeout_s: job.config.timeout.map(|timeout| timeout.as_secs().max(1)),
        container,
        scripts: scripts.collect::<Result<_, _>>()?,
    }])
}

/// The steps, each in a job of its own.
fn steps(job: &FolderJob) -> Result<Vec<WorkJob>, JobError> {
    let step = |step: &StepConfig| {
        let is_container = match step.executor {
            Some(executor) => executor == Executor::Container,
            None => job.config.is_container(),
        };
        let container = is_container.then(|| container(job, &step.container)).transpose()?;
        let wrong = |error| JobError::Config { part: ConfigPart::Step, text: chain(&error) };
        let file = job.step_script(step).map_err(wrong)?;
        Ok(WorkJob {
            id: work_id(&step.id),
            needs: step.needs.iter().map(|need| work_id(need)).collect(),
            timeout_s: job.config.timeout.map(|timeout| timeout.as_secs().max(1)),
            scripts: vec![script(job, container.is_some(), &file)?],
            container,
        })
    };
    job.config.steps.iter().map(step).collect()
}

/// One script.
fn script(job: &FolderJob, in_container: bool, file: &ScriptFile) -> Result<WorkScript, JobError> {
    let ScriptFile { id, path } = file;
    let wrong = |what: &str| JobError::config(format!("{}: {what}", path.display()));
    let found = std::fs::metadata(path).map_err(|error| wrong(&error.to_string()))?;
    let is_executable = found.permissions().mode() & 0o111 != 0;
    let interpreter = match &job.config.interpreter {
        _ if in_container => job.config.container.entrypoint.clone(),
        Some(Interpreter::Program(words)) => words.clone(),
        Some(Interpreter::Container { .. }) | None if is_executable => Vec::new(),
        Some(Interpreter::Container { .. }) | None => {
            let file = job.config_path.display();
            return Err(wrong(&format!(
                "no interpreter is defined in {file}, and the script is not executable; write `interpreter: bash`"
            )));
        }
    };
    let inside = || {
        let inside = path.strip_prefix(&job.dir).map(Path::to_owned);
        inside.map_err(|_| wrong("a container sees the folder of its job only, and the script is not in it"))
    };
    let file = if in_container { inside()? } else { path.clone() };
    Ok(WorkScript { name: id.clone(), interpreter, file })
}

fn container(job: &FolderJob, asked: &ContainerConfig) -> Result<WorkContainer, JobError> {
    let image = asked.image.as_deref().or_else(|| job.config.image());
    let image = image.ok_or_else(|| {
        JobError::config(format!(
            "{}: the container has no image; write `interpreter: container:IMAGE`, or `image` in `container`",
            job.config_path.display()
        ))
    })?;
    Ok(WorkContainer {
        image: image.to_owned(),
        network: asked.network.clone().filter(|network| !network.is_empty() && network != "none"),
        cpus: asked.cpus.map(|cpus| cpus.to_string()),
        memory: asked.memory.map(|memory| memory.to_string()),
        caps: asked.capabilities.clone(),
        rootfs_writable: asked.rootfs_writable,
        env_inheritance: job.config.env_inheritance,
        privileged: asked.extra_args.clone(),
    })
}
