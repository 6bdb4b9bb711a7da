//! The folder of a run before the run begins: made, and free of what is not its own.

use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use crate::journal::LOG_FOLDER;
use crate::run::CONTROL_SOCKET;
use crate::sys::lock;

/// Whether an entry has the kind that it has to have.
type IsKind = fn(&FileType) -> bool;

/// What a run folder holds in addition to its journal, and of what kind.
const ENTRIES: [(&str, IsKind); 5] = [
    ("lock", FileType::is_file),
    ("runner.log", FileType::is_file),
    (CONTROL_SOCKET, FileType::is_socket),
    (LOG_FOLDER, FileType::is_dir),
    ("work", FileType::is_dir),
];

/// How many folders are set aside for one run before it is an error.
const MAX_SET_ASIDE: usize = 100;

/// Renames what is in the place of a run folder and is not a folder.
///
/// # Errors
/// It cannot be looked at or moved.
pub(super) fn clear_place(run_dir: &Path) -> io::Result<()> {
    if look(run_dir)?.is_some_and(|there| !there.is_dir()) { set_aside(run_dir) } else { Ok(()) }
}

/// Makes the folder of a run whose journal says that it has not begun. A folder with an entry of a wrong kind, which a step of another run can
/// put there, is renamed to `<number>.set-aside-<k>`: it would keep the run, and those behind it, waiting for ever.
///
/// # Errors
/// The folder cannot be made or moved.
pub(super) fn prepare(run_dir: &Path) -> io::Result<()> {
    if is_foreign(run_dir)? && !matches!(lock::is_held(&run_dir.join("lock")), Ok(true)) {
        set_aside(run_dir)?;
    }
    fs::create_dir_all(run_dir)
}

fn is_foreign(run_dir: &Path) -> io::Result<bool> {
    for (name, is_right) in ENTRIES {
        if look(&run_dir.join(name))?.is_some_and(|entry| !is_right(&entry.file_type())) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(data) => Ok(Some(data)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn set_aside(run_dir: &Path) -> io::Result<()> {
    for k in 1..=MAX_SET_ASIDE {
        let mut name = run_dir.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        name.push(format!(".set-aside-{k}"));
        let aside = run_dir.with_file_name(name);
        if look(&aside)?.is_none() {
            tracing::warn!(folder = %run_dir.display(), moved_to = %aside.display(), "something else was in the place of a run folder");
            return fs::rename(run_dir, aside);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_no_run_folder_is_set_aside_and_what_is_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("7");
        prepare(&run).unwrap();
        fs::write(run.join("lock"), "").unwrap();
        fs::create_dir(run.join(LOG_FOLDER)).unwrap();
        prepare(&run).unwrap();
        assert!(run.join("lock").exists() && run.join(LOG_FOLDER).exists());
        let odd: [fn(&Path); 4] = [
            |run| symlink("/dev/zero", run.join("work")).unwrap(),
            |run| symlink(run.join(CONTROL_SOCKET), run.join(CONTROL_SOCKET)).unwrap(),
            |run| fs::create_dir(run.join("lock")).unwrap(),
            |run| {
                fs::remove_dir_all(run).unwrap();
                symlink("/", run).unwrap();
            },
        ];
        for (k, make) in odd.iter().enumerate() {
            fs::remove_dir_all(&run).unwrap();
            fs::create_dir(&run).unwrap();
            make(&run);
            clear_place(&run).unwrap();
            prepare(&run).unwrap();
            assert!(fs::symlink_metadata(&run).unwrap().is_dir());
            assert_eq!(fs::read_dir(&run).unwrap().count(), 0);
            assert!(fs::symlink_metadata(folder.path().join(format!("7.set-aside-{}", k + 1))).is_ok());
        }
    }
}
