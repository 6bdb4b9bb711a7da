//! Compiled bundles on disk, so that an unchanged pipeline is not compiled again.
//!
//! The cache can be deleted at any time. A file that is damaged, or that another version wrote, counts as absent and
//! is replaced. Nothing is fsynced: what a power cut leaves is found out by its checksum.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ring::digest::{SHA256, digest};

use super::bundle::{BUNDLE_FORMAT, Bundle};
use super::fennel::FENNEL_SHA256;
use crate::model::{CommitId, hex};

/// The most bundles that are kept.
const MAX_CACHE_ENTRIES: usize = 500;

/// The most bytes that are kept.
const MAX_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// What a bundle was made of: the `.quire` tree, the compiler, this version of quire, the format of the file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey(String);

impl CacheKey {
    /// The key of a pipeline, from the id of its `.quire` tree.
    pub(crate) fn of_tree(tree: &str) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self(hex_sha256(format!("{tree}\n{FENNEL_SHA256}\n{version}\n{BUNDLE_FORMAT}").as_bytes()))
    }
}

impl CacheKey {
    /// The key of what is known of the jobs of a commit.
    pub(crate) fn of_jobs(commit: CommitId) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self(hex_sha256(format!("manual jobs of {commit}\n{version}\n{BUNDLE_FORMAT}").as_bytes()))
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a bundle was not kept. The run continues without it.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The folder is missing and cannot be made.
    #[error("could not make {dir}")]
    MakeFolder {
        /// The folder of the cache.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("could not write the bundle {key} into {dir}")]
    Write {
        /// The key.
        key: CacheKey,
        /// The folder of the cache.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A folder of bundles, `<data>/cache/fennel`.
#[derive(Debug, Clone)]
pub struct BundleCache {
    dir: PathBuf,
    max_entries: usize,
    max_bytes: u64,
}

impl BundleCache {
    /// The cache in a folder, which is made when the first bundle is stored.
    pub(crate) fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), max_entries: MAX_CACHE_ENTRIES, max_bytes: MAX_CACHE_BYTES }
    }

    /// The bundle under a key, when there is a sound one.
    pub(crate) fn load(&self, key: &CacheKey) -> Option<Bundle> {
        Bundle::from_bytes(&self.load_bytes(key)?)
    }

    /// What else is under a key, when it is sound.
    pub(crate) fn load_bytes(&self, key: &CacheKey) -> Option<Vec<u8>> {
        let bytes = fs::read(self.path(key)).ok()?;
        let (sum, body) = bytes.split_at_checked(SUM_LENGTH)?;
        (sum == hex_sha256(body).as_bytes()).then(|| body.to_vec())
    }

    /// Keeps a bundle, in the place of an older one, and deletes the oldest when there are too many.
    ///
    /// # Errors
    /// Says which file could not be written; nothing half-written is left under the key.
    pub(crate) fn store(&self, key: &CacheKey, bundle: &Bundle) -> Result<(), CacheError> {
        self.store_bytes(key, &bundle.to_bytes())
    }

    /// Keeps something else in the same way.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub(crate) fn store_bytes(&self, key: &CacheKey, body: &[u8]) -> Result<(), CacheError> {
        fs::create_dir_all(&self.dir)
            .map_err(|source| CacheError::MakeFolder { dir: self.dir.clone(), source })?;
        self.write(&self.path(key), body).map_err(|source| CacheError::Write {
            key: key.clone(),
            dir: self.dir.clone(),
            source,
        })?;
        self.shrink(&self.path(key));
        Ok(())
    }

    fn path(&self, key: &CacheKey) -> PathBuf {
        self.dir.join(&key.0)
    }

    /// Writes checksum and body into a file next to the target, then renames it.
    fn write(&self, target: &Path, body: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(hex_sha256(body).as_bytes())?;
        file.write_all(body)?;
        file.persist(target).map(drop).map_err(|error| error.error)
    }

    /// Deletes the oldest files, temporary ones of killed processes included, but never the one just written.
    fn shrink(&self, newest: &Path) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let data = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((data.modified().ok()?, data.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut count = files.len();
        let mut bytes: u64 = files.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in files.iter().filter(|(_, _, path)| path != newest) {
            if count <= self.max_entries && bytes <= self.max_bytes {
                break;
            }
            // Another process may have deleted it already; either way it is gone.
            let _gone = fs::remove_file(path);
            count -= 1;
            bytes -= length;
        }
    }
}

/// Length of the checksum in front of the body.
const SUM_LENGTH: usize = 64;

/// SHA-256 in hexadecimal.
pub fn hex_sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Module;

    fn bundle(lua: &str) -> Bundle {
        let entry = Module { name: "ci".into(), path: ".quire/ci.fnl".into(), lua: lua.into() };
        Bundle { entry, modules: vec![], warnings: vec![] }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_stored_bundle_is_loaded_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let cache = BundleCache::new(dir.path().join("cache/fennel"));
        let key = CacheKey::of_tree("8fab34b0");
        assert_eq!(cache.load(&key), None);
        for text in ["return 1", "return 2"] {
            cache.store(&key, &bundle(text)).unwrap();
            assert_eq!(cache.load(&key), Some(bundle(text)));
        }
        assert_eq!(names(&dir.path().join("cache/fennel")), [key.to_string()]);
        assert_ne!(key, CacheKey::of_tree("8fab34b1"));
    }

    #[test]
    fn a_damaged_or_foreign_file_counts_as_absent_and_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let cache = BundleCache::new(dir.path());
        let key = CacheKey::of_tree("t");
        cache.store(&key, &bundle("return 1")).unwrap();
        let path = dir.path().join(key.to_string());
        let good = fs::read(&path).unwrap();
        let mut flipped = good.clone();
        let at = good.len() - 20;
        flipped[at] ^= 1;
        let foreign = [hex_sha256(b"{}").as_bytes(), b"{}"].concat();
        for wrong in [vec![], b"short".to_vec(), good[..good.len() - 1].to_vec(), flipped, foreign] {
            fs::write(&path, wrong).unwrap();
            assert_eq!(cache.load(&key), None);
        }
        cache.store(&key, &bundle("return 1")).unwrap();
        assert!(cache.load(&key).is_some());
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_too_large_ones() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = BundleCache { max_entries: 3, ..BundleCache::new(dir.path()) };
        let keys: Vec<_> = (0..5).map(|number| CacheKey::of_tree(&number.to_string())).collect();
        let age = |key: &CacheKey, seconds: u64| {
            let file = fs::File::open(dir.path().join(key.to_string())).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
        };
        for (number, key) in keys.iter().enumerate().take(4) {
            cache.store(key, &bundle("return 1")).unwrap();
            age(key, 1000 + number as u64);
        }
        let kept: Vec<_> = keys.iter().map(|key| cache.load(key).is_some()).collect();
        assert_eq!(kept, [false, true, true, true, false]);
        cache.max_bytes = 1;
        cache.store(&keys[4], &bundle("return 1")).unwrap();
        assert_eq!(names(dir.path()), [keys[4].to_string()], "the newest stays even when it is too large");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let cache = BundleCache::new(dir.path().join("file/fennel"));
        let problem = cache.store(&CacheKey::of_tree("t"), &bundle("")).unwrap_err();
        assert!(problem.to_string().contains("file/fennel"), "{problem}");
        assert_eq!(cache.load(&CacheKey::of_tree("t")), None);
    }
}
