//! The folder of a run before the run begins: made, and free of what is not its own.

use std::collections::HashMap;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::journal::{LOG_FOLDER, RunRecord};
use crate::run::{CONTROL_SOCKET, Lease as _, RunLock};

/// Whether an entry has the kind that it has to have.
type IsKind = fn(&FileType) -> bool;

/// What a run folder holds in addition to its journal, and of what kind.
const ENTRIES: [(&str, IsKind); 5] = [
    (RunLock::NAME, FileType::is_file),
    ("runner.log", FileType::is_file),
    (CONTROL_SOCKET, FileType::is_socket),
    (LOG_FOLDER, FileType::is_dir),
    ("work", FileType::is_dir),
];

/// How many folders are set aside for one run before it is an error.
const MAX_SET_ASIDE: usize = 100;

/// Renames what is in the place of a run folder and is not a folder, or is the folder of another run.
///
/// # Errors
/// It cannot be looked at or moved.
pub(super) fn clear_place(run_dir: &Path, id: &str) -> io::Result<()> {
    let is_other = match look(run_dir)? {
        None => false,
        Some(there) if !there.is_dir() => true,
        // One that cannot be read is the concern of who reads it next.
        Some(_) => RunRecord::id_in(run_dir).is_ok_and(|other| other.is_some_and(|other| other != id)),
    };
    if is_other { set_aside(run_dir) } else { Ok(()) }
}

/// Renames the folders of runs that the database does not have: it is older than they are, as after a restore in the wrong order,
/// and will give their numbers to other runs. Before anything is settled. A run that still has its runner keeps its folder until
/// another needs the place.
///
/// # Errors
/// Something cannot be read or moved.
pub(super) fn set_aside_unknown(runs: &Path, last_numbers: &HashMap<PathBuf, u64>) -> io::Result<()> {
    for below in repositories(runs)? {
        let last = last_numbers.get(&below).copied().unwrap_or_default();
        let mut unknown = Vec::new();
        for entry in fs::read_dir(runs.join(&below))? {
            let number = entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
            unknown.extend(number.filter(|number| *number > last));
        }
        for number in &unknown {
            let run_dir = runs.join(&below).join(number.to_string());
            if !RunLock::of(&run_dir).is_held()? {
                set_aside(&run_dir)?;
            }
        }
        if !unknown.is_empty() {
            tracing::warn!(
                folder = %runs.join(&below).display(), runs = unknown.len(), last,
                "the database is older than these runs: their folders are renamed, and their numbers will be given again"
            );
        }
    }
    Ok(())
}

/// The folders of repositories below `runs`, by name: `foo.git`, `group/foo.git`.
fn repositories(runs: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut open) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(below) = open.pop() {
        for entry in fs::read_dir(runs.join(&below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            // A link leads to the folder of a renamed repository.
            if !entry.file_type()?.is_dir() {
                continue;
            }
            if path.extension().is_some_and(|extension| extension == "git") {
                found.push(path);
            } else if below.as_os_str().is_empty() {
                open.push(path);
            }
        }
    }
    Ok(found)
}

/// Makes the folder of a run whose journal says that it has not begun. A folder with an entry of a wrong kind, which a step of another run can
/// put there, is renamed to `<number>.set-aside-<k>`: it would keep the run, and those behind it, waiting for ever.
///
/// # Errors
/// The folder cannot be made or moved.
pub(super) fn prepare(run_dir: &Path) -> io::Result<()> {
    if is_foreign(run_dir)? && !matches!(RunLock::of(run_dir).is_held(), Ok(true)) {
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
    fn what_is_not_a_run_folder_is_set_aside_and_a_run_folder_stays() {
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
            clear_place(&run, "").unwrap();
            prepare(&run).unwrap();
            assert!(fs::symlink_metadata(&run).unwrap().is_dir());
            assert_eq!(fs::read_dir(&run).unwrap().count(), 0);
            assert!(fs::symlink_metadata(folder.path().join(format!("7.set-aside-{}", k + 1))).is_ok());
        }
    }
}
