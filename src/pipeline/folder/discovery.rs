//! The jobs that were found, and how they are looked up.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::alias::Aliases;
use super::config::{ConfigProblem, JobConfig};
use super::read_config::{ConfigFile, job_id};
use crate::model::Quoted;

/// Words of a command line that can name one job, at most.
const MAX_WORDS: usize = 24;

/// The job folders below a root.
#[derive(Debug, Clone, Default)]
pub(crate) struct Discovery {
    /// The folder that was searched.
    pub(crate) root: PathBuf,
    /// The jobs, in the order of their paths.
    pub(crate) jobs: Vec<FolderJob>,
    /// What is wrong with which file or folder.
    pub(crate) errors: Vec<FolderError>,
    /// Other names of the jobs.
    pub(crate) aliases: Aliases,
    /// The place of each job, by its names with dots and in small letters.
    places: HashMap<String, usize>,
}

/// A job of a folder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FolderJob {
    /// Its id: that of the file, otherwise its path with dots.
    pub(crate) id: String,
    /// Its path below the root, with slashes; `.` for the root itself.
    pub(crate) path: String,
    /// Its name: that of the file, otherwise its id.
    pub(crate) name: String,
    /// What it does, in a line.
    pub(crate) summary: Option<String>,
    pub(crate) dir: PathBuf,
    /// Its `config.yaml`.
    pub(crate) config_path: PathBuf,
    /// What that says.
    pub(crate) config: Arc<JobConfig>,
    /// What is wrong with that. The job cannot run when one of them is fatal.
    pub(crate) problems: Arc<[ConfigProblem]>,
    /// The folder of all jobs.
    pub(super) root: Arc<Path>,
}

/// Something wrong with a file or folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FolderError {
    /// Where.
    pub(crate) path: String,
    /// What is wrong, on one line.
    pub(crate) error: String,
    /// The normalised path of the job that is missing because of it.
    #[serde(skip)]
    job: Option<String>,
}

impl FolderError {
    pub(super) fn new(path: impl Into<String>, error: impl Into<String>) -> Self {
        Self { path: path.into(), error: error.into(), job: None }
    }
}

impl FolderJob {
    /// Whether the job can run; what is wrong with its `config.yaml` otherwise.
    ///
    /// # Errors
    /// Gives all problems of the file, also those that alone would not matter.
    pub(crate) fn usable(&self) -> Result<(), &[ConfigProblem]> {
        if self.problems.iter().any(|problem| problem.is_fatal) { Err(&self.problems) } else { Ok(()) }
    }
}

impl Discovery {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), ..Self::default() }
    }

    /// Adds what the `config.yaml` of a folder says; `path` is that of the folder below the root, with slashes.
    pub(super) fn add(&mut self, root: &Arc<Path>, path: &str, config: &str, file: ConfigFile) {
        let dir = if path == "." { root.to_path_buf() } else { root.join(path) };
        let config_path = dir.join(config);
        let shown = config_path.display().to_string();
        if !file.problems.is_empty() {
            let all: Vec<String> = file.problems.iter().map(ToString::to_string).collect();
            let job = (!file.is_readable).then(|| normal(path));
            self.errors.push(FolderError { path: shown.clone(), error: all.join("\n"), job });
        }
        if !file.is_readable {
            return;
        }
        let (config, problems) = (Arc::new(file.config), Arc::<[ConfigProblem]>::from(file.problems));
        for block in file.blocks {
            let id = block.id.unwrap_or_else(|| path.replace('/', "."));
            let id = if path == "." && id == "." { ".".to_owned() } else { id };
            if let Err(help) = job_id(&id) {
                let error = format!("{} is not a valid job id; {help}", Quoted::new(&id));
                self.errors.push(FolderError::new(&shown, error));
                continue;
            }
            self.jobs.push(FolderJob {
                name: block.name.unwrap_or_else(|| id.clone()),
                id,
                path: path.to_owned(),
                summary: block.summary,
                dir: dir.clone(),
                config_path: config_path.clone(),
                config: Arc::clone(&config),
                problems: Arc::clone(&problems),
                root: Arc::clone(root),
            });
        }
    }

    /// Makes the jobs findable; a second job of an id is an error.
    pub(super) fn index(&mut self) {
        for (place, job) in self.jobs.iter().enumerate() {
            let first = *self.places.entry(normal(&job.id)).or_insert(place);
            if let Some(first) = self.jobs.get(first).filter(|_| first != place) {
                let message =
                    format!("{} is the id of {} already", Quoted::new(&job.id), first.config_path.display());
                self.errors.push(FolderError::new(job.config_path.display().to_string(), message));
            }
        }
        // An id comes before a path.
        for (place, job) in self.jobs.iter().enumerate() {
            self.places.entry(normal(&job.path)).or_insert(place);
        }
    }

    /// The job of this id or path, with dots or slashes, in any case.
    pub(crate) fn find(&self, id: &str) -> Option<&FolderJob> {
        self.jobs.get(*self.places.get(&normal(id))?)
    }

    /// What the leading words name, as many of them as possible, and how many these are: a job (`ops db backup`,
    /// `ops.db.backup`, `ops/db/backup`), or an alias.
    pub(crate) fn find_words<S: AsRef<str>>(&self, words: &[S]) -> Option<(&FolderJob, usize)> {
        let is_name = |word: &&S| !word.as_ref().is_empty() && !word.as_ref().starts_with('-');
        let names: Vec<&str> = words.iter().take(MAX_WORDS).take_while(is_name).map(AsRef::as_ref).collect();
        let job = (1..=names.len())
            .rev()
            .find_map(|count| Some((self.find(&names.get(..count)?.join("/"))?, count)));
        job.or_else(|| {
            let alias = self.aliases.find(names.first()?)?;
            Some((self.find(&alias.target_id)?, 1))
        })
    }
}

/// A name of a job as it is looked up.
fn normal(id: &str) -> String {
    if id == "." { id.to_owned() } else { id.trim_matches('/').replace('/', ".").to_lowercase() }
}
