//! What was found in job folders the last time, in a file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::Metadata;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::read_config::ConfigFile;
use crate::sys::clock;
use crate::sys::folder::open_regular;

/// The version of the file. To be raised when what a `config.yaml` means, or how it is kept here, changes.
const VERSION: u32 = 1;

/// The longest file, in bytes.
const MAX_INDEX: u64 = 256 << 20;

/// Times younger than this may stay the same over another change: that is how coarse the clocks of file systems are.
const SETTLED_NANOS: i64 = 20_000_000;

/// What was found below a root.
#[derive(Debug, Default)]
pub(super) struct Index {
    root: String,
    /// When the search began, in nanoseconds.
    began: i64,
    folders: HashMap<String, FolderRecord>,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct IndexFile<'a> {
    version: u32,
    program: Cow<'a, str>,
    root: Cow<'a, str>,
    folders: Cow<'a, HashMap<String, FolderRecord>>,
}

/// What is in one folder.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct FolderRecord {
    /// The state of the folder; none when it cannot be relied on.
    pub(super) stamp: Option<Stamp>,
    /// Whether it has a `config.d`, and the state of that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) has_config_folder: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) config_stamp: Option<Stamp>,
    /// The folders in it that are searched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) folders: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) config: Option<ConfigRecord>,
}

/// A `config.yaml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ConfigRecord {
    /// Its path in the folder.
    pub(super) name: String,
    pub(super) stamp: Option<Stamp>,
    pub(super) file: ConfigFile,
}

/// The state of a file or folder: times of content and inode in nanoseconds, inode, size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp(i64, i64, u64, u64);

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        let nanos = |secs: i64, nanos: i64| secs.saturating_mul(1_000_000_000).saturating_add(nanos);
        Self(
            nanos(metadata.mtime(), metadata.mtime_nsec()),
            nanos(metadata.ctime(), metadata.ctime_nsec()),
            metadata.ino(),
            metadata.size(),
        )
    }
}

impl Index {
    /// An empty one.
    pub(super) fn new(root: &Path) -> Self {
        let began = clock::now().as_millis().saturating_mul(1_000_000);
        Self { root: root.display().to_string(), began, folders: HashMap::new() }
    }

    /// Reads a file; nothing when it is missing, damaged, of another version or of another root.
    pub(super) fn read(path: &Path, root: &Path) -> Option<Self> {
        let file = open_regular(path).ok()?;
        let size = file.metadata().ok().filter(|metadata| metadata.len() <= MAX_INDEX)?.len();
        let mut text = Vec::with_capacity(usize::try_from(size).ok()?);
        std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_INDEX), &mut text).ok()?;
        let file: IndexFile<'_> = serde_json::from_slice(&text).ok()?;
        let own = Self::new(root);
        let is_own =
            file.version == VERSION && file.program == env!("CARGO_PKG_VERSION") && file.root == own.root;
        is_own.then(|| Self { folders: file.folders.into_owned(), ..own })
    }

    /// Writes the file. What cannot be written is found again the next time.
    pub(super) fn write(&self, path: &Path) {
        let file = IndexFile {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            root: self.root.as_str().into(),
            folders: Cow::Borrowed(&self.folders),
        };
        let write = || -> std::io::Result<()> {
            let folder = path.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
            std::fs::create_dir_all(folder)?;
            let mut new = tempfile::NamedTempFile::new_in(folder)?;
            new.write_all(&serde_json::to_vec(&file)?)?;
            new.persist(path)?;
            Ok(())
        };
        // Without it the next search is slower.
        drop(write());
    }

    pub(super) fn add(&mut self, path: String, record: FolderRecord) {
        self.folders.insert(path, record);
    }

    pub(super) fn take(&mut self, path: &str) -> Option<FolderRecord> {
        self.folders.remove(path)
    }

    pub(super) fn has_folders(&self) -> bool {
        !self.folders.is_empty()
    }

    pub(super) fn into_folders(self) -> Vec<(String, FolderRecord)> {
        self.folders.into_iter().collect()
    }

    /// A stamp that no later change can have, too.
    pub(super) fn settled(&self, stamp: Stamp) -> Option<Stamp> {
        let Stamp(content, inode, ..) = stamp;
        Some(stamp).filter(|_| content.max(inode) < self.began - SETTLED_NANOS)
    }
}
