//! The spool: intents that the server did not take, one file each, on disk before the push goes on.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::frame::IntentFrame;

/// The largest spool file that is read, in bytes: a push of about half a million refs.
const MAX_SPOOL_FRAME: u64 = 128 * 1024 * 1024;

/// How old a spool file that was never finished has to be before it is removed: no hook lives that long.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// Why an intent is not in the spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It could not be encoded.
    #[error("could not encode the intent")]
    Encode(#[source] serde_json::Error),
    /// It could not be written.
    #[error("could not write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes an intent into the spool folder and waits until it is on disk under its final name.
///
/// # Errors
/// When it could not be made durable; nothing is left then.
pub fn spool_intent(folder: &Path, intent: &IntentFrame) -> Result<(), SpoolError> {
    let bytes = serde_json::to_vec(intent).map_err(SpoolError::Encode)?;
    let name = file_name(intent);
    let path = folder.join(format!("{name}.json"));
    let partial = folder.join(format!("{name}.partial"));
    let written = write(folder, &partial, &path, &bytes);
    if written.is_err() {
        // Whatever is left is not an intent: its name says so, and the server clears such names away.
        let _nothing_to_do = fs::remove_file(&partial);
    }
    written.map_err(|source| SpoolError::Write { path, source })
}

/// The name of an intent's file. The time comes first: names in order are pushes in order, which process ids are not.
fn file_name(intent: &IntentFrame) -> String {
    let time: String = intent.at.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{time}-{}", intent.push)
}

fn write(folder: &Path, partial: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => File::open(folder.parent().unwrap_or(folder))?.sync_all()?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(partial, path)?;
    File::open(folder)?.sync_all()
}

/// Gives every intent in the spool to `take`, oldest first; a file is removed once `take` has made it durable elsewhere. Files that
/// are not intents are moved aside, under a name that ends in `.foreign`, and named in the result.
///
/// # Errors
/// When the folder cannot be read, or `take` fails; what was not taken stays.
pub fn drain<E: From<io::Error>>(
    folder: &Path,
    mut take: impl FnMut(IntentFrame) -> Result<(), E>,
) -> Result<Vec<PathBuf>, E> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    let mut foreign = Vec::new();
    for path in paths {
        if path.extension() == Some(OsStr::new("partial")) && is_abandoned(&path) {
            fs::remove_file(&path)?;
        }
        if path.extension() != Some(OsStr::new("json")) {
            continue;
        }
        match read(&path) {
            Some(intent) => {
                take(intent)?;
                fs::remove_file(&path)?;
            }
            None => {
                fs::rename(&path, path.with_extension("foreign"))?;
                foreign.push(path);
            }
        }
    }
    Ok(foreign)
}

/// Whether a file that was never finished belongs to a hook that is long gone.
fn is_abandoned(path: &Path) -> bool {
    let written = fs::symlink_metadata(path).and_then(|there| there.modified()).ok();
    written.and_then(|written| written.elapsed().ok()).is_some_and(|age| age > ABANDONED_AFTER)
}

/// The intent in a spool file, if it is one.
fn read(path: &Path) -> Option<IntentFrame> {
    let there = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    if there.len() > MAX_SPOOL_FRAME {
        return None;
    }
    let intent: IntentFrame = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    intent.parse().is_ok().then_some(intent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(push: &str) -> IntentFrame {
        IntentFrame {
            v: 1,
            push: push.to_owned(),
            git_dir: "/data/repos/foo.git".to_owned(),
            pid: 1,
            started: 2,
            boot: "b".to_owned(),
            pusher: None,
            options: vec!["ci.skip".to_owned()],
            at: "2026-01-01T00:00:00.000Z".to_owned(),
            updates: vec![],
        }
    }

    #[test]
    fn what_is_spooled_is_drained_once_and_foreign_files_are_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("spool");
        let (first, second) = (intent("boot-9999-1"), intent("boot-10001-1"));
        let second = IntentFrame { at: "2026-01-01T00:00:00.001Z".to_owned(), ..second };
        spool_intent(&spool, &second).unwrap();
        spool_intent(&spool, &first).unwrap();
        fs::write(spool.join("half.json"), "{\"v\":1").unwrap();
        fs::write(spool.join("empty.json"), "").unwrap();
        fs::write(spool.join("later.partial"), "x").unwrap();
        let old = fs::File::create(spool.join("abandoned.partial")).unwrap();
        old.set_modified(std::time::UNIX_EPOCH).unwrap();
        fs::create_dir(spool.join("folder.json")).unwrap();
        let mut taken = Vec::new();
        let foreign = drain::<io::Error>(&spool, |intent| {
            taken.push(intent);
            Ok(())
        });
        assert_eq!(taken, [first, second]);
        assert_eq!(foreign.unwrap().len(), 3);
        assert!(spool.join("later.partial").exists() && !spool.join("abandoned.partial").exists());
        let again = drain::<io::Error>(&spool, |_| panic!("drained twice"));
        assert_eq!(again.unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn what_was_not_taken_stays() {
        let folder = tempfile::tempdir().unwrap();
        spool_intent(folder.path(), &intent("a")).unwrap();
        let refused = drain::<io::Error>(folder.path(), |_| Err(io::ErrorKind::StorageFull.into()));
        assert!(refused.is_err());
        assert!(folder.path().join("20260101T000000000Z-a.json").exists());
    }

    #[test]
    fn a_spool_that_cannot_be_written_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("spool"), "a file").unwrap();
        assert!(spool_intent(&folder.path().join("spool"), &intent("a")).is_err());
        assert!(spool_intent(&folder.path().join("no/such/spool"), &intent("a")).is_err());
    }
}
