//! Finds job folders.

use std::path::PathBuf;

use super::error::{AliasProblem, JobError};
use super::place::JobPlace;
use crate::app::{AppState, Code, Problem};
use crate::model::suggest;
use crate::pipeline::folder::{Aliases, ArgSpec, Discovery, FolderError, FolderJob, discover_with_index};

/// A job that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) job: FolderJob,
    pub(super) source: Option<String>,
    /// The alias by which it was asked for.
    pub(super) alias: Option<String>,
}

/// All jobs that can be asked for.
#[derive(Debug, Clone, Default)]
pub struct JobList {
    /// The jobs.
    pub jobs: Vec<ListedJob>,
    /// Other names of jobs.
    pub aliases: Aliases,
    /// Folders that hold no job, and why.
    pub errors: Vec<FolderError>,
}

/// A job in a list.
#[derive(Debug, Clone)]
pub struct ListedJob {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it does.
    pub summary: Option<String>,
    /// The folder of its `config.yaml`.
    pub path: PathBuf,
    /// The source with its type; none for job folders of the server or the command.
    pub source: Option<(String, String)>,
    /// Its arguments.
    pub args: Vec<ArgSpec>,
}

/// Lists the jobs of a place, and those of all sources.
///
/// # Errors
/// The folder cannot be read.
pub async fn list_jobs(app: &AppState, place: &JobPlace) -> Result<JobList, JobError> {
    let found = discover(app, place.scripts.clone()).await?;
    let listed = |job: &FolderJob| ListedJob {
        id: job.id.clone(),
        name: job.name.clone(),
        summary: job.summary.clone(),
        path: job.config_path.clone(),
        source: None,
        args: job.config.args.clone(),
    };
    Ok(JobList {
        jobs: found.jobs.iter().map(listed).collect(),
        aliases: found.aliases,
        errors: found.errors,
    })
}

/// Finds a job by its id, its path or an alias of it; `source` says where alone it is looked for.
///
/// # Errors
/// There is none, or it cannot be used.
pub(super) async fn find_job(
    app: &AppState,
    place: &JobPlace,
    (job, source): (&str, Option<&str>),
) -> Result<Found, JobError> {
    if job.is_empty() {
        return Err(JobError::NoJob);
    }
    if let Some(name) = source {
        return Err(JobError::UnknownSource(name.to_owned()));
    }
    let found = discover(app, place.scripts.clone()).await?;
    if let Some(job) = found.find(job) {
        return Ok(Found { job: job.clone(), source: None, alias: None });
    }
    of_alias(&found, job)
}

/// The job of an alias.
fn of_alias(found: &Discovery, name: &str) -> Result<Found, JobError> {
    let lower = name.to_lowercase();
    let problem = |code: &str, detail: String, contenders| {
        let alias = name.to_owned();
        JobError::Alias(Box::new(AliasProblem { alias, code: code.to_owned(), detail, contenders }))
    };
    if let Some(several) = found.aliases.collisions.get(&lower) {
        let detail = format!("the alias `{name}` leads to {} jobs", several.len());
        return Err(problem("alias.collision", detail, several.clone()));
    }
    if let Some(wrong) = found.aliases.invalid.get(&lower) {
        return Err(problem(wrong.code, wrong.detail.clone(), Vec::new()));
    }
    let alias = found.aliases.valid.iter().find(|alias| alias.name.eq_ignore_ascii_case(name));
    let job = alias.and_then(|alias| found.find(&alias.target_path));
    match job {
        Some(job) => Ok(Found { job: job.clone(), source: None, alias: Some(name.to_owned()) }),
        None => {
            let names = found.jobs.iter().map(|job| job.id.as_str());
            let near = suggest(name, names).map(str::to_owned);
            Err(JobError::UnknownJob { job: name.to_owned(), near })
        }
    }
}

async fn discover(app: &AppState, scripts: PathBuf) -> Result<Discovery, JobError> {
    let index = JobPlace::index(&app.data, &scripts);
    let found = app.read(move || discover_with_index(&scripts, Some(&index))).await;
    let found = found.ok_or_else(|| Problem::new(Code::ServerFailed, "the job folders could not be read"))?;
    found.map_err(|error| JobError::Problem(Problem::caused_by(Code::JobUnusable, &error)))
}
