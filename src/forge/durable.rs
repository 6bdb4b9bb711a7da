//! Files and folders that are complete or missing, even after a power cut.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::repo_error::RepoError;

/// Writes a temporary file next to the target, makes it durable, and renames it. Readable for all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), RepoError> {
    let failed = |source| RepoError::Write { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    let mut file =
        tempfile::Builder::new().prefix(".quire-").permissions(mode).tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    sync(folder)
}

/// Makes a file, or the list of names in a folder, durable.
pub(super) fn sync(path: &Path) -> Result<(), RepoError> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|source| RepoError::Write { path: path.to_owned(), source })
}

/// Makes a small folder with all its contents durable. Symbolic links are not followed.
pub(super) fn sync_tree(folder: &Path) -> Result<(), RepoError> {
    let failed = |source| RepoError::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            sync_tree(&entry.path())?;
        } else if kind.is_file() {
            sync(&entry.path())?;
        }
    }
    sync(folder)
}

/// Creates a folder with missing parents.
pub(super) fn make_folder(path: &Path) -> Result<(), RepoError> {
    fs::create_dir_all(path).map_err(|source| RepoError::Write { path: path.to_owned(), source })
}

/// Moves a folder durably to a path that must not exist.
pub(super) fn move_folder(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // For file systems without that flag: rename replaces at most an empty folder.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if fs::symlink_metadata(to).is_err() => {
            fs::rename(from, to)?;
        }
        other => other?,
    }
    for folder in [from.parent(), to.parent()].into_iter().flatten() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
