//! Finds job folders.

use std::path::{Path, PathBuf};

use super::error::{AliasProblem, JobError};
use super::place::JobPlace;
use crate::app::{AppState, Code, Problem, find_source, list_sources};
use crate::model::suggest;
use crate::pipeline::argument::ArgSpec;
use crate::pipeline::folder::{Aliases, Discovery, FolderError, FolderJob, discover_with_index};
use crate::sources::{SourceKind, SourceRecord};

/// A job that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) job: FolderJob,
    pub(super) source: Option<SourceRecord>,
    /// The alias by which it was asked for.
    pub(super) alias: Option<String>,
}

/// All jobs that can be asked for.
#[derive(Debug, Clone, Default)]
pub struct JobList {
    pub(crate) jobs: Vec<ListedJob>,
    /// Other names of jobs.
    pub(crate) aliases: Aliases,
    /// Folders that hold no job, and why.
    pub(crate) errors: Vec<FolderError>,
}

/// A job in a list.
#[derive(Debug, Clone)]
pub struct ListedJob {
    pub(crate) id: String,
    pub(crate) name: String,
    /// What it does.
    pub(crate) summary: Option<String>,
    /// Its `config.yaml`.
    pub(crate) path: PathBuf,
    /// The source with its type; none for job folders of the server or the command.
    pub(crate) source: Option<(String, String)>,
    /// Its arguments.
    pub(crate) args: Vec<ArgSpec>,
}

impl JobList {
    /// The jobs of folders that are of no source.
    pub(crate) fn of_folders(found: Discovery) -> Self {
        let jobs = found.jobs.iter().map(|job| listed(job, None)).collect();
        Self { jobs, aliases: found.aliases, errors: found.errors }
    }

    /// Adds the jobs of others. Aliases are those of the first.
    pub(crate) fn add(&mut self, more: Self) {
        self.jobs.extend(more.jobs);
        self.errors.extend(more.errors);
    }
}

/// Lists the jobs of a place, and those of all sources.
///
/// # Errors
/// The folder cannot be read.
pub async fn list_jobs(app: &AppState, place: &JobPlace) -> Result<JobList, JobError> {
    let mut list = JobList::of_folders(discover(app, place.scripts.clone()).await?);
    list.add(list_jobs_of_sources(app, place).await?);
    Ok(list)
}

/// Lists the jobs of all sources that are not those of a place.
///
/// # Errors
/// The folder of one cannot be read.
pub async fn list_jobs_of_sources(app: &AppState, place: &JobPlace) -> Result<JobList, JobError> {
    let mut list = JobList::default();
    let mut roots = vec![place.scripts.canonicalize().unwrap_or_default()];
    for source in list_sources(app).await? {
        let Some(root) = source.root().map(Path::to_owned).filter(|root| !roots.contains(root)) else {
            continue;
        };
        let found = discover(app, root.clone()).await?;
        let jobs = found.jobs.iter().map(|job| listed(job, Some(&source))).collect();
        list.add(JobList { jobs, aliases: Aliases::default(), errors: found.errors });
        roots.push(root);
    }
    Ok(list)
}

fn listed(job: &FolderJob, source: Option<&SourceRecord>) -> ListedJob {
    let id = source.map_or_else(|| job.id.clone(), |source| listed_id(job, source));
    ListedJob {
        name: if job.name == "." { id.clone() } else { job.name.clone() },
        id,
        summary: job.summary.clone(),
        path: job.config_path.clone(),
        source: source.map(|source| (source.name.clone(), source.kind.as_str().to_owned())),
        args: job.config.args.clone(),
    }
}

/// The id by which a job of a source is listed: its own, that of the folder when the root is the job, and below the name of an
/// add-on.
fn listed_id(job: &FolderJob, source: &SourceRecord) -> String {
    match (source.kind, source.root().and_then(Path::file_name)) {
        (SourceKind::Oci, _) => format!("{}/{}", source.name, job.id),
        (SourceKind::Local | SourceKind::Git, Some(folder)) if job.id == "." => {
            folder.to_string_lossy().into_owned()
        }
        (SourceKind::Local | SourceKind::Git, _) => job.id.clone(),
    }
}

/// Finds a job by its id, its path or an alias of it; `source` says where alone it is looked for. Without it, `SOURCE/ID` is
/// that of a source.
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
        let source = find_source(app, name).await?.ok_or_else(|| JobError::UnknownSource(name.to_owned()))?;
        return of_source(app, source, job).await;
    }
    let found = discover(app, place.scripts.clone()).await?;
    if let Some(job) = found.find(job) {
        return Ok(Found { job: job.clone(), source: None, alias: None });
    }
    let missing = match of_alias(&found, job) {
        Err(error @ JobError::UnknownJob { .. }) => error,
        found => return found,
    };
    let named = match job.split_once('/') {
        Some((name, _)) => find_source(app, name).await?,
        None => None,
    };
    match named {
        Some(source) => of_source(app, source, job).await,
        None => Err(match found.unreadable(&[job]) {
            Some(wrong) => JobError::config(wrong.lines().collect::<Vec<_>>().join("\n")),
            None => missing,
        }),
    }
}

/// The arguments that a job takes.
///
/// # Errors
/// There is no such job.
pub async fn job_args(
    app: &AppState,
    place: &JobPlace,
    asked: (&str, Option<&str>),
) -> Result<Vec<ArgSpec>, JobError> {
    Ok(find_job(app, place, asked).await?.job.config.args.clone())
}

/// The job of a source.
async fn of_source(app: &AppState, source: SourceRecord, name: &str) -> Result<Found, JobError> {
    let root = source.root().map(Path::to_owned);
    let root = root.ok_or_else(|| JobError::SourceNotMaterialized(source.name.clone()))?;
    let found = discover(app, root).await?;
    let ids = source.ids_here(name);
    let (mut job, alias) = match ids.iter().find_map(|id| found.find(id)) {
        Some(job) => (job.clone(), None),
        None => {
            let of_alias = of_alias(&found, ids.get(1).copied().unwrap_or(name))?;
            (of_alias.job, of_alias.alias)
        }
    };
    if job.id == "." {
        job.id = listed_id(&job, &source);
    }
    Ok(Found { job, source: Some(source), alias })
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
