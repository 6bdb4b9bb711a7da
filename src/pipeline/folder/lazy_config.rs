//! What a `config.yaml` says about a job, read from the index when it is asked for: most searches need names only.

use std::borrow::Cow;
use std::io::Read as _;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::config::JobConfig;
use super::index::Index;
use super::read_config::{ConfigFile, MAX_CONFIG};
use crate::sys::folder::open_regular;

/// A [`JobConfig`], or where it is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct LazyConfig {
    /// The index, and the place of the configuration in it as JSON.
    kept: Option<(Arc<Index>, Range<usize>)>,
    /// The file.
    path: PathBuf,
    value: OnceLock<Box<JobConfig>>,
}

impl LazyConfig {
    pub(super) fn kept(index: Arc<Index>, place: Range<usize>) -> Self {
        Self { kept: Some((index, place)), ..Self::default() }
    }

    /// The same, of a file of which it is known where it is.
    pub(super) fn of(self, path: &Path) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    pub(super) fn to_json(&self) -> Cow<'_, [u8]> {
        match &self.kept {
            Some((index, place)) => index.part(place).into(),
            // What cannot be JSON is read from the file again.
            None => serde_json::to_vec(&**self).unwrap_or_default().into(),
        }
    }

    fn read(&self) -> JobConfig {
        let Some((index, place)) = &self.kept else { return JobConfig::default() };
        // What cannot be read was kept by a build of the same version that has other configurations.
        serde_json::from_slice(index.part(place)).unwrap_or_else(|_| self.read_file())
    }

    fn read_file(&self) -> JobConfig {
        let mut text = Vec::new();
        let file = open_regular(&self.path);
        let read = file.and_then(|file| file.take(MAX_CONFIG as u64).read_to_end(&mut text)).map(|_| text);
        ConfigFile::of(read).config.value.into_inner().map(|config| *config).unwrap_or_default()
    }
}

impl From<JobConfig> for LazyConfig {
    fn from(config: JobConfig) -> Self {
        Self { value: Box::new(config).into(), ..Self::default() }
    }
}

impl Deref for LazyConfig {
    type Target = JobConfig;

    fn deref(&self) -> &JobConfig {
        self.value.get_or_init(|| Box::new(self.read()))
    }
}

impl PartialEq for LazyConfig {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}
