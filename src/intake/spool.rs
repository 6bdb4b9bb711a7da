//! The spool: intents that the server did not accept, one file each, on disk before the push continues.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::frame::IntentFrame;
use crate::sys::FolderIdentity;
use crate::sys::folder::open_regular;

/// The largest spool file that is read, in bytes: a push of about half a million refs.
const MAX_SPOOL_FRAME: u64 = 128 * 1024 * 1024;

/// The age at which an unfinished spool file is removed: no hook lives that long.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// Why an intent could not be spooled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// It could not be encoded.
    #[error("could not encode the intent")]
    Encode(#[source] serde_json::Error),
    /// It could not be written.
    #[error("could not write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// Writes an intent into the spool folder and waits until it is on disk under its final name.
///
/// # Errors
/// It could not be made durable; then no file is left.
pub(crate) fn spool_intent(folder: &Path, intent: &IntentFrame) -> Result<(), SpoolError> {
    let bytes = serde_json::to_vec(intent).map_err(SpoolError::Encode)?;
    let name = file_name(intent);
    let path = folder.join(format!("{name}.json"));
    let partial = folder.join(format!("{name}.partial"));
    let written = write(folder, &partial, &path, &bytes);
    if written.is_err() {
        // A leftover is not an intent: its name shows it, and the server removes files with such names.
        let _nothing_to_do = fs::remove_file(&partial);
    }
    written.map_err(|source| SpoolError::Write { path, source })
}

/// The name of an intent's file. The time comes first: names in order are pushes in order, which process ids are not. The
/// repository comes last: a file that cannot be read delays only that repository.
fn file_name(intent: &IntentFrame) -> String {
    let time: String = intent.at.chars().filter(char::is_ascii_alphanumeric).collect();
    let repo = intent.repo.as_ref().map(|id| format!("@{id}")).unwrap_or_default();
    format!("{time}-{}{repo}", intent.push)
}

/// The id of the repository in the name of an intent's file.
fn repo_of(path: &Path) -> Option<String> {
    let (_, id) = path.file_stem()?.to_str()?.rsplit_once('@')?;
    Some(id.to_owned())
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

/// What was found in the spool in addition to the intents that were taken.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    /// Files that are not intents: their paths before they got the ending `.foreign`.
    pub(crate) foreign: Vec<PathBuf>,
    /// Files that could not be read or removed: they stay.
    pub(crate) unread: Vec<Unread>,
}

/// A file in the spool that could not be read.
#[derive(Debug)]
pub(crate) struct Unread {
    /// The file.
    pub(crate) path: PathBuf,
    /// The id of the repository in the file's name; names of older versions have none.
    pub(crate) repo: Option<String>,
    /// The error of the operating system.
    pub(crate) problem: io::Error,
}

/// Passes every intent in the spool to `take`, oldest first; a file is removed once `take` has made it durable elsewhere. Files that
/// are not intents are renamed, with the ending `.foreign`. A file that cannot be read stays, and is listed.
///
/// # Errors
/// The folder cannot be read, or `take` fails; what was not taken stays.
pub(crate) fn drain<E: From<io::Error>>(
    folder: &Path,
    mut take: impl FnMut(IntentFrame) -> Result<(), E>,
) -> Result<Drained, E> {
    let mut drained = Drained::default();
    for path in files_in(folder)? {
        if path.extension() == Some(OsStr::new("partial")) && is_abandoned(&path) {
            fs::remove_file(&path)?;
        }
        if path.extension() != Some(OsStr::new("json")) {
            continue;
        }
        let unread = |problem| Unread { repo: repo_of(&path), path: path.clone(), problem };
        match interpret(read(&path)) {
            Ok(Content::Intent(intent)) => {
                take(*intent)?;
                drained.unread.extend(fs::remove_file(&path).err().map(unread));
            }
            Ok(Content::Foreign) => match fs::rename(&path, path.with_extension("foreign")) {
                Ok(()) => drained.foreign.push(path),
                Err(problem) => drained.unread.push(unread(problem)),
            },
            Ok(Content::Gone) => {}
            Err(problem) => drained.unread.push(unread(problem)),
        }
    }
    Ok(drained)
}

/// The pushes in the spool that were announced in this data folder, and not in one that it is a copy of.
///
/// # Errors
/// The spool cannot be listed.
pub(crate) fn own_pushes(folder: &Path, data: &FolderIdentity) -> io::Result<Vec<String>> {
    let word = data.word();
    let frames = files_in(folder)?.into_iter().filter(|path| path.extension() == Some(OsStr::new("json")));
    let intents = frames.filter_map(|path| match interpret(read(&path)) {
        Ok(Content::Intent(intent)) => Some(intent),
        // Draining the spool reports what is wrong with it.
        Ok(Content::Foreign | Content::Gone) | Err(_) => None,
    });
    Ok(intents.filter(|intent| intent.folder.as_ref() == Some(&word)).map(|intent| intent.push).collect())
}

/// The files in the spool, by name. A name that cannot be read is an error: it may be an intent.
fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

/// Whether an unfinished file belongs to a hook that has ended long ago.
fn is_abandoned(path: &Path) -> bool {
    // Without a time it is not known to be old, and stays.
    let written = fs::symlink_metadata(path).and_then(|there| there.modified()).ok();
    written.and_then(|written| written.elapsed().ok()).is_some_and(|age| age > ABANDONED_AFTER)
}

/// The kind of a file in the spool.
enum Content {
    Intent(Box<IntentFrame>),
    Foreign,
    Gone,
}

/// The bytes of a file; `None` if it is not a regular file, or too large for an intent.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    open_regular(path)?.take(MAX_SPOOL_FRAME + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MAX_SPOOL_FRAME).then_some(bytes))
}

/// The kind of a file, from the result of reading it. Only a file that was read to its end can be foreign: anything else may
/// be an intent.
fn interpret(read: io::Result<Option<Vec<u8>>>) -> io::Result<Content> {
    let bytes = match read {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Content::Foreign),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Gone),
        Err(error) => return Err(error),
    };
    let intent: Option<IntentFrame> = serde_json::from_slice(&bytes).ok();
    let intent = intent.filter(|intent| intent.parse().is_ok());
    Ok(intent.map_or(Content::Foreign, |intent| Content::Intent(Box::new(intent))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(push: &str) -> IntentFrame {
        IntentFrame {
            v: 1,
            push: push.to_owned(),
            repo: None,
            folder: None,
            quarantine: None,
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
    fn intents_are_drained_once_and_foreign_files_are_renamed() {
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
        assert_eq!(foreign.unwrap().foreign.len(), 3);
        assert!(spool.join("later.partial").exists() && !spool.join("abandoned.partial").exists());
        let again = drain::<io::Error>(&spool, |_| panic!("drained twice"));
        let again = again.unwrap();
        assert!(again.foreign.is_empty() && again.unread.is_empty());
    }

    #[test]
    fn an_unreadable_file_is_never_foreign() {
        use rustix::io::Errno;
        for errno in [Errno::IO, Errno::MFILE, Errno::NFILE, Errno::ACCESS, Errno::NOMEM, Errno::STALE] {
            assert!(interpret(Err(errno.into())).is_err(), "{errno}");
        }
        assert!(matches!(interpret(Err(Errno::NOENT.into())), Ok(Content::Gone)));
        assert!(matches!(interpret(Ok(Some(b"{\"v\":1".to_vec()))), Ok(Content::Foreign)));
        assert!(matches!(interpret(Ok(None)), Ok(Content::Foreign)));
    }

    #[test]
    fn the_name_of_a_file_contains_its_repository() {
        let intent = IntentFrame { repo: Some("01-id".to_owned()), ..intent("b-1-2") };
        let path = PathBuf::from(format!("/spool/{}.json", file_name(&intent)));
        assert_eq!(repo_of(&path).as_deref(), Some("01-id"));
        assert_eq!(repo_of(Path::new("/spool/20260101T000000000Z-b-1-2.json")), None);
    }

    #[test]
    fn pushes_of_a_copy_are_distinguished_from_those_of_the_original() {
        let folder = tempfile::tempdir().unwrap();
        let data = FolderIdentity::read(folder.path()).unwrap();
        let of = |push: &str, folder: Option<String>| IntentFrame { folder, ..intent(push) };
        spool_intent(folder.path(), &of("old", None)).unwrap();
        spool_intent(folder.path(), &of("original", Some("ef53:1:2".to_owned()))).unwrap();
        spool_intent(folder.path(), &of("own", Some(data.word()))).unwrap();
        fs::write(folder.path().join("half.json"), "{").unwrap();
        assert_eq!(own_pushes(folder.path(), &data).unwrap(), ["own"]);
    }

    #[test]
    fn intents_that_were_not_taken_stay() {
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
