//! Which logs a run has.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::journal::LOG_FOLDER;
use crate::sys::folder::{Folder, Kind};

/// The most logs of a run that are read.
const MAX_LOGS: usize = 50_000;

/// A log of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogName {
    /// The job; `None` for the evaluation.
    pub(super) job: Option<String>,
    /// The name of the file.
    pub(super) file: String,
}

/// The folder of the logs of a job, or of the evaluation, in a run's folder.
pub(super) fn log_folder(job: Option<&str>) -> PathBuf {
    Path::new(LOG_FOLDER).join(job.unwrap_or_default())
}

impl LogName {
    /// The number of the step; 0 for what the script printed.
    pub(super) fn step(&self) -> u32 {
        self.file.strip_suffix(".log").and_then(|stem| stem.parse().ok()).unwrap_or_default()
    }

    /// The path in a run's folder.
    pub(super) fn path(&self) -> PathBuf {
        log_folder(self.job.as_deref()).join(&self.file)
    }
}

/// The logs in a run's folder, of one job or of all; whatever has the name of a log is one.
///
/// # Errors
/// A folder cannot be read, or there are too many.
pub(super) fn logs_in(run: &Folder, only: Option<&str>) -> io::Result<Vec<LogName>> {
    let mut found = Vec::new();
    for job in jobs_in(run)? {
        if only.is_some() && only != job.as_deref() {
            continue;
        }
        let folder = run.sub(log_folder(job.as_deref()))?;
        for entry in folder.entries()? {
            let is_log = Path::new(&entry.name).extension() == Some(OsStr::new("log"));
            if is_log && entry.kind != Kind::Folder {
                let file = entry.name.to_string_lossy().into_owned();
                found.push(LogName { job: job.clone(), file });
            }
            if found.len() > MAX_LOGS {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    format!("more than {MAX_LOGS} logs"),
                ));
            }
        }
    }
    Ok(found)
}

/// The jobs that have a folder of logs, after the evaluation, which has no name.
pub(super) fn jobs_in(run: &Folder) -> io::Result<Vec<Option<String>>> {
    let logs = match run.sub(LOG_FOLDER) {
        Ok(logs) => logs,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let entries = logs.entries()?.into_iter().filter(|entry| entry.kind == Kind::Folder);
    let jobs = entries.filter_map(|entry| entry.name.into_string().ok()).map(Some);
    Ok([None].into_iter().chain(jobs).collect())
}
