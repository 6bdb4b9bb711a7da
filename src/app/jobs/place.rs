//! Where a server or a command looks for job folders.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::DataDir;

/// The folder of job folders, below the working directory.
const SCRIPTS: &str = "scripts";

/// Where job folders are, and where their scripts begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobPlace {
    /// The working directory of scripts on the host.
    pub(crate) cwd: PathBuf,
    /// The folder with job folders.
    pub(crate) scripts: PathBuf,
}

impl JobPlace {
    /// `scripts` below a folder.
    pub(crate) fn below(cwd: &Path) -> Self {
        Self { cwd: cwd.to_owned(), scripts: cwd.join(SCRIPTS) }
    }

    /// The file that keeps what was found in a folder of job folders.
    pub(crate) fn index(data: &DataDir, scripts: &Path) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        scripts.hash(&mut hasher);
        data.cache().join(format!("jobs-{:016x}.index", hasher.finish()))
    }
}
