//! The settings as they are valid now: a bad edit keeps the last good ones, and says so.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::read::{ConfigError, load};
use super::settings::Settings;
use crate::model::{chain, render_all};

/// What tells one state of the file from another: inode, size, time of change. Nothing when it is not there.
type Stamp = Option<(u64, u64, i64, i64)>;

/// `config.fnl`, read again when it has changed.
#[derive(Debug)]
pub struct CurrentSettings {
    path: PathBuf,
    last: Mutex<(Stamp, Arc<Settings>)>,
}

impl CurrentSettings {
    /// Reads `config.fnl` for the first time.
    ///
    /// # Errors
    /// When it cannot be used: there are no last good settings yet.
    pub fn load(path: PathBuf) -> Result<CurrentSettings, ConfigError> {
        let stamp = stamp(&path);
        let settings = load(&path)?;
        Ok(CurrentSettings { path, last: Mutex::new((stamp, Arc::new(settings))) })
    }

    /// The last settings, when the file has not changed since: one look at its entry, and nothing is read.
    pub fn unchanged(&self) -> Option<Arc<Settings>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (stamp(&self.path) == last.0).then(|| Arc::clone(&last.1))
    }

    /// The settings as they are valid now. Blocking.
    pub fn get(&self) -> Arc<Settings> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.path);
        if stamp != last.0 {
            last.0 = stamp;
            match load(&self.path) {
                // An editor empties a file before it fills it: that moment must not take all secrets away.
                Ok(_) if is_blank(&self.path) => {
                    tracing::warn!(
                        "config.fnl is empty, the last good one stays valid; {{}} would mean no settings"
                    );
                }
                Ok(settings) => {
                    tracing::info!("config.fnl has changed");
                    last.1 = Arc::new(settings);
                }
                Err(ConfigError::Wrong(wrong)) => {
                    let problems = render_all(&wrong);
                    tracing::error!("config.fnl cannot be used, the last good one stays valid:\n{problems}");
                }
                Err(error) => {
                    let problem = chain(&error);
                    tracing::error!(problem, "config.fnl cannot be read, the last good one stays valid");
                }
            }
        }
        Arc::clone(&last.1)
    }
}

/// Whether the file is there and has nothing in it.
fn is_blank(path: &std::path::Path) -> bool {
    std::fs::read(path).is_ok_and(|text| text.iter().all(u8::is_ascii_whitespace))
}

fn stamp(path: &std::path::Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let there = std::fs::metadata(path).ok()?;
    Some((there.ino(), there.size(), there.mtime(), there.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_edit_keeps_the_last_good_settings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.fnl");
        let current = CurrentSettings::load(path.clone()).unwrap();
        assert_eq!(current.get().limits.runs, 2);
        assert!(current.unchanged().is_some());
        std::fs::write(&path, "{:limits {:runs 7}}").unwrap();
        assert!(current.unchanged().is_none());
        assert_eq!(current.get().limits.runs, 7);
        std::fs::write(&path, "").unwrap();
        assert_eq!(current.get().limits.runs, 7);
        std::fs::write(&path, "{:limits {:runs 0}}   ").unwrap();
        assert_eq!(current.get().limits.runs, 7);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(current.get().limits.runs, 2);
        std::fs::write(&path, "{").unwrap();
        assert!(CurrentSettings::load(path).is_err());
    }
}
