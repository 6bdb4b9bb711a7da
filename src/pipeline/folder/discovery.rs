//! The jobs that were found, and how they are looked up.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::alias::Aliases;
use super::config::ConfigProblem;
use super::lazy_config::LazyConfig;
use super::read_config::{ConfigFile, job_id};
use crate::model::{Quoted, without_codes};

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
    pub(crate) config: Arc<LazyConfig>,
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
    /// What is wrong; several mistakes are on lines of their own.
    pub(crate) error: String,
    /// The normalised path of the job that is missing because of it.
    #[serde(skip)]
    job: Option<String>,
}

impl FolderError {
    pub(super) fn new(path: impl Into<String>, error: impl Into<String>) -> Self {
        Self { path: path.into(), error: without_codes(error.into()), job: None }
    }

    /// The mistakes, each with its path and place: `PATH:LINE:COLUMN: what`.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.error.lines().map(|line| {
            let has_place = line.starts_with(|c: char| c.is_ascii_digit());
            format!("{}:{}{line}", self.path, if has_place { "" } else { " " })
        })
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
    pub(super) fn add(&mut self, root: &Arc<Path>, path: String, config: &str, file: ConfigFile) {
        let dir = if path == "." { root.to_path_buf() } else { root.join(&path) };
        let config_path = dir.join(config);
        let shown = || config_path.display().to_string();
        if !file.problems.is_empty() {
            let all: Vec<String> = file.problems.iter().map(ToString::to_string).collect();
            let job = (!file.is_readable).then(|| normal(&path));
            self.errors.push(FolderError { path: shown(), error: all.join("\n"), job });
        }
        if !file.is_readable {
            return;
        }
        let (config, problems) =
            (Arc::new(file.config.of(&config_path)), Arc::<[ConfigProblem]>::from(file.problems));
        for block in file.blocks {
            let id = block.id.unwrap_or_else(|| path.replace('/', "."));
            if let Err(help) = job_id(&id) {
                let error = format!("{} is not a valid job id; {help}", Quoted::new(&id));
                self.errors.push(FolderError::new(shown(), error));
                continue;
            }
            self.jobs.push(FolderJob {
                name: block.name.unwrap_or_else(|| id.clone()),
                id,
                path: path.clone(),
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
        self.places.reserve(self.jobs.len());
        for (place, job) in self.jobs.iter().enumerate() {
            let first = *self.places.entry(normal(&job.id)).or_insert(place);
            if let Some(first) = self.jobs.get(first).filter(|_| first != place) {
                let message =
                    format!("{} is the id of {} already", Quoted::new(&job.id), first.config_path.display());
                self.errors.push(FolderError::new(job.config_path.display().to_string(), message));
            }
        }
        // An id comes before a path. One that was made of it is there already.
        let is_own =
            |job: &&FolderJob| job.id.len() != job.path.len() || job.id != job.path.replace('/', ".");
        for (place, job) in self.jobs.iter().enumerate().filter(|(_, job)| is_own(job)) {
            self.places.entry(normal(&job.path)).or_insert(place);
        }
    }

    /// The job of this id or path, with dots or slashes, in any case.
    pub(crate) fn find(&self, id: &str) -> Option<&FolderJob> {
        self.jobs.get(*self.places.get(&normal(id))?)
    }

    /// Why the job that the leading words name is missing: its `config.yaml` cannot be read.
    pub(crate) fn unreadable<S: AsRef<str>>(&self, words: &[S]) -> Option<&FolderError> {
        let names = leading_names(words);
        let ids: Vec<String> =
            (1..=names.len()).filter_map(|count| Some(normal(&names.get(..count)?.join("/")))).collect();
        self.errors.iter().find(|error| error.job.as_ref().is_some_and(|job| ids.contains(job)))
    }

    /// What the leading words name, as many of them as possible, and how many these are: a job (`ops db backup`,
    /// `ops.db.backup`, `ops/db/backup`), or an alias.
    pub(crate) fn find_words<S: AsRef<str>>(&self, words: &[S]) -> Option<(&FolderJob, usize)> {
        let names = leading_names(words);
        let job = (1..=names.len())
            .rev()
            .find_map(|count| Some((self.find(&names.get(..count)?.join("/"))?, count)));
        job.or_else(|| {
            let alias = self.aliases.find(names.first()?)?;
            Some((self.find(&alias.target_id)?, 1))
        })
    }
}

/// The words that can be parts of the name of a job.
fn leading_names<S: AsRef<str>>(words: &[S]) -> Vec<&str> {
    let names = words.iter().map(AsRef::as_ref).take(MAX_WORDS);
    names.take_while(|word| !word.is_empty() && !word.starts_with('-')).collect()
}

/// A name of a job as it is looked up.
fn normal(id: &str) -> String {
    if id == "." { id.to_owned() } else { id.trim_matches('/').replace('/', ".").to_lowercase() }
}
