//! Emptying `cache/`, and nothing else. A server does it between two starts in the same process, so that what it was started
//! by – a service, a terminal, a script – keeps it.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::operation::Operation;
use super::problem::{Code, Problem};
use super::state::AppState;
use crate::sys::lock::{self, LockFile};
use crate::sys::process::own_pid;

/// The caches are to be emptied.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetCaches {}

/// What becomes of the caches.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CachesReset {
    /// They are empty.
    Removed {
        /// How many files they had.
        files: u64,
    },
    /// The server empties them and starts again.
    Restarting { process: i32 },
}

impl Operation for ResetCaches {
    type Answer = CachesReset;

    const ROUTE: &'static str = "/reset-caches";
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn perform(self, app: &AppState) -> Result<CachesReset, Problem> {
        if app.local.is_none() {
            app.start_again.notify_one();
            return Ok(CachesReset::Restarting { process: own_pid().as_raw_pid() });
        }
        let file = app.data.server_lock();
        let lock = LockFile::try_acquire(&file).map_err(|error| Problem::failed(&error))?;
        let Some(_lock) = lock else {
            let process = lock::holder_pid(&file).ok().flatten();
            let process = process.map(|pid| format!(" (process {pid})")).unwrap_or_default();
            let problem = Problem::new(Code::ServerSilent, "the server does not answer");
            return Err(problem.hint(format!(
                "stop it{process} the way it was started, run this again, and start it again"
            )));
        };
        let cache = app.data.cache();
        let cleared = tokio::task::spawn_blocking(move || clear_caches(&cache)).await;
        let cleared = cleared.map_err(|error| Problem::failed(&error))?;
        cleared.map(|files| CachesReset::Removed { files }).map_err(|error| Problem::failed(&error))
    }
}

/// How many bytes the files of the caches have, as far as they are counted.
///
/// # Errors
/// When the server stops.
pub(crate) async fn cache_bytes(app: &AppState) -> Result<u64, Problem> {
    let folder = app.data.cache();
    app.block(move || Ok(super::repo_shapes::size_of(&folder))).await
}

/// Removes what is in a folder of caches, which may not be there; the number of files that were removed.
pub(crate) fn clear_caches(folder: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut count = 0;
    for entry in entries {
        let entry = entry?;
        // A link is removed, never what it leads to.
        if entry.file_type()?.is_dir() {
            count += clear_caches(&entry.path())?;
            gone(fs::remove_dir(entry.path()))?;
        } else {
            gone(fs::remove_file(entry.path()))?;
            count += 1;
        }
    }
    Ok(count)
}

/// A runner may have removed an old file of the cache first.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_in_the_folder_goes_and_nothing_that_a_link_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, kept) = (folder.path().join("cache"), folder.path().join("kept"));
        assert_eq!(clear_caches(&cache).unwrap(), 0);
        fs::create_dir_all(cache.join("fennel")).unwrap();
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "x").unwrap();
        fs::write(cache.join("fennel/key"), "x").unwrap();
        std::os::unix::fs::symlink(&kept, cache.join("link")).unwrap();
        assert_eq!(clear_caches(&cache).unwrap(), 2);
        assert!(kept.join("file").exists());
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
    }
}
