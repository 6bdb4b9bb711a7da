//! The id by which what belongs to a data folder is distinguished from what belongs to a copy of it.
//!
//! The file `instance` of a data folder holds a random id and the identity of the folder that it was made for. In a copy –
//! made by `cp`, from a backup, as a snapshot – the identity does not match, and the copy gets an id of its own before
//! anything is looked for by it. A folder that was renamed or is mounted a second time keeps its id.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::InstanceId;
use crate::sys::{FolderIdentity, boot_id, random};

/// The file's name.
const FILE: &str = "instance";

/// The longest such file that is read, in bytes.
const MAX_FILE: u64 = 16 * 1024;

/// The version of the file.
const VERSION: u32 = 1;

/// Whose a folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub(crate) id: InstanceId,
    /// Where its content comes from.
    pub(crate) origin: Origin,
}

/// Where the content of a folder comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// From itself: it had its id, or is new.
    Own,
    /// From the folder that was at this path when that one was served the last time.
    Copied(PathBuf),
}

/// Why a folder has no id.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The file cannot be read, or the folder not be looked at.
    #[error("could not read {path}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("could not write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is of a later version.
    #[error("{0} was written by a later version of quire")]
    Later(PathBuf),
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    v: u32,
    id: String,
    path: PathBuf,
    file_system: String,
    inode: u64,
    born: u64,
    device: u64,
    boot: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    copied_from: Option<PathBuf>,
}

/// What a stored id says of the folder that it was found in.
enum Match {
    /// It is the folder's.
    Same,
    /// It is the folder's, which has another device than it had in the same boot: it was mounted anew, or there are two.
    Remounted,
    /// It is another folder's.
    Other,
}

impl Instance {
    /// Reads the id of a folder, or makes one: when it has none, and when the one it has is another folder's. Who calls
    /// this holds the lock of the folder. Blocking.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn establish(folder: &Path) -> Result<Self, InstanceError> {
        let stored = read_stored(folder)?;
        let now = Seen::of(folder)?;
        let known = stored.as_ref().and_then(|stored| Some((InstanceId::parse(&stored.id).ok()?, stored)));
        let (id, origin) = match known.map(|(id, stored)| (id, stored, now.compare(stored))) {
            None => (random::instance_id(), Origin::Own),
            Some((id, stored, Match::Same)) => (id, stored.origin()),
            Some((_, stored, Match::Remounted)) => (random::instance_id(), stored.origin()),
            Some((_, stored, Match::Other)) => (random::instance_id(), Origin::Copied(stored.path.clone())),
        };
        let mut entry = now.entry(id, folder);
        if let Origin::Copied(original) = &origin {
            entry.copied_from = Some(original.clone());
        }
        if stored.is_none_or(|stored| stored.is_other_than(&entry)) {
            write(folder, &entry)?;
        }
        Ok(Self { id, origin })
    }

    /// Records that a copy is done with what its original had still to do: from now on it is a folder like any other.
    /// Blocking.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn set_own(&self, folder: &Path) -> Result<(), InstanceError> {
        write(folder, &Seen::of(folder)?.entry(self.id, folder))
    }

    /// Reads the id of a folder; nothing when it has none of its own. Blocking.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(folder: &Path) -> Result<Option<InstanceId>, InstanceError> {
        let Some(stored) = read_stored(folder)? else { return Ok(None) };
        let is_own = matches!(Seen::of(folder)?.compare(&stored), Match::Same);
        Ok(InstanceId::parse(&stored.id).ok().filter(|_| is_own))
    }

    /// The path of the folder that this one is a copy of, as long as no server has taken it over. Blocking.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn copied_from(folder: &Path) -> Result<Option<PathBuf>, InstanceError> {
        let Some(stored) = read_stored(folder)? else { return Ok(None) };
        let is_copy = matches!(Seen::of(folder)?.compare(&stored), Match::Other);
        Ok(if is_copy { Some(stored.path) } else { stored.copied_from })
    }
}

/// A folder as it is now.
struct Seen {
    identity: FolderIdentity,
    boot: String,
}

impl Seen {
    fn of(folder: &Path) -> Result<Self, InstanceError> {
        let read = |source| InstanceError::Read { path: folder.to_owned(), source };
        Ok(Self { identity: FolderIdentity::read(folder).map_err(read)?, boot: boot_id().map_err(read)? })
    }

    fn compare(&self, stored: &Stored) -> Match {
        let identity = FolderIdentity {
            file_system: stored.file_system.clone(),
            inode: stored.inode,
            born: stored.born,
            device: stored.device,
        };
        if !self.identity.is_same_folder(&identity) {
            Match::Other
        } else if self.identity.device == identity.device || self.boot != stored.boot {
            // Devices are numbered anew by each boot, and nothing that runs has outlived the last one.
            Match::Same
        } else {
            Match::Remounted
        }
    }

    fn entry(&self, id: InstanceId, folder: &Path) -> Stored {
        let FolderIdentity { file_system, inode, born, device } = self.identity.clone();
        let (id, path) = (id.to_string(), folder.to_owned());
        Stored {
            v: VERSION,
            id,
            path,
            file_system,
            inode,
            born,
            device,
            boot: self.boot.clone(),
            copied_from: None,
        }
    }
}

impl Stored {
    fn origin(&self) -> Origin {
        self.copied_from.clone().map_or(Origin::Own, Origin::Copied)
    }

    fn is_other_than(&self, new: &Self) -> bool {
        self.id != new.id || self.path != new.path || self.device != new.device || self.boot != new.boot
    }
}

/// Reads the file. What is not one of ours counts as none: an id that nobody can read marks nothing.
fn read_stored(folder: &Path) -> Result<Option<Stored>, InstanceError> {
    let path = folder.join(FILE);
    let read = |source| InstanceError::Read { path: path.clone(), source };
    let bytes = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read(error)),
        Ok(found) if !found.is_file() || found.len() > MAX_FILE => return Ok(None),
        Ok(_) => fs::read(&path).map_err(read)?,
    };
    match serde_json::from_slice::<Stored>(&bytes) {
        Ok(stored) if stored.v > VERSION => Err(InstanceError::Later(path)),
        Ok(stored) => Ok(Some(stored)),
        Err(_) => Ok(None),
    }
}

/// Writes the file, which is there as a whole or not at all, also after a power cut.
fn write(folder: &Path, stored: &Stored) -> Result<(), InstanceError> {
    let path = folder.join(FILE);
    let failed = |source| InstanceError::Write { path: path.clone(), source };
    let text = serde_json::to_vec(stored).map_err(|error| failed(error.into()))?;
    let mut file = tempfile::Builder::new().prefix(".quire-").tempfile_in(folder).map_err(failed)?;
    io::Write::write_all(&mut file, &text).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with an id, and a second folder with the same content.
    fn original_and_copy(folder: &Path) -> (PathBuf, InstanceId, PathBuf) {
        let (original, copy) = (folder.join("a"), folder.join("b"));
        fs::create_dir(&original).unwrap();
        let first = Instance::establish(&original).unwrap();
        assert_eq!(first.origin, Origin::Own);
        fs::create_dir(&copy).unwrap();
        fs::copy(original.join(FILE), copy.join(FILE)).unwrap();
        (original, first.id, copy)
    }

    #[test]
    fn a_copy_gets_an_id_of_its_own_and_names_its_origin_until_it_is_adopted() {
        let folder = tempfile::tempdir().unwrap();
        let (original, id, copy) = original_and_copy(folder.path());
        assert_eq!(Instance::read(&copy).unwrap(), None);
        assert_eq!(Instance::copied_from(&copy).unwrap(), Some(original.clone()));
        let copied = Instance::establish(&copy).unwrap();
        assert_eq!(copied.origin, Origin::Copied(original.clone()));
        assert_ne!(copied.id, id);
        assert_eq!(Instance::establish(&copy).unwrap(), copied, "the server was killed");
        copied.set_own(&copy).unwrap();
        assert_eq!(Instance::establish(&copy).unwrap(), Instance { id: copied.id, origin: Origin::Own });
        assert_eq!(Instance::establish(&original).unwrap(), Instance { id, origin: Origin::Own });
        assert_eq!(Instance::copied_from(&original).unwrap(), None);
    }

    #[test]
    fn a_moved_folder_keeps_its_id_also_when_a_copy_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (original, id, copy) = original_and_copy(folder.path());
        let moved = folder.path().join("moved");
        fs::rename(&original, &moved).unwrap();
        fs::rename(&copy, &original).unwrap();
        assert_eq!(Instance::read(&moved).unwrap(), Some(id));
        assert_ne!(Instance::establish(&original).unwrap().id, id);
        assert_eq!(Instance::establish(&moved).unwrap(), Instance { id, origin: Origin::Own });
    }

    #[test]
    fn devices_count_within_one_boot_only() {
        let folder = tempfile::tempdir().unwrap();
        let id = Instance::establish(folder.path()).unwrap().id;
        let change = |change: &dyn Fn(&mut Stored)| {
            let mut stored = read_stored(folder.path()).unwrap().unwrap();
            change(&mut stored);
            write(folder.path(), &stored).unwrap();
        };
        change(&|stored| (stored.device, stored.boot) = (stored.device + 1, "an earlier one".to_owned()));
        assert_eq!(Instance::establish(folder.path()).unwrap().id, id, "the machine was started again");
        change(&|stored| stored.device += 1);
        assert_eq!(Instance::read(folder.path()).unwrap(), None);
        let snapshot = Instance::establish(folder.path()).unwrap();
        assert_ne!(snapshot.id, id, "two devices with the same file system");
        assert_eq!(snapshot.origin, Origin::Own, "it may just as well have been mounted again");
    }

    #[test]
    fn a_damaged_file_is_replaced_and_a_later_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        for damaged in ["", "{", "null", "{\"v\":1,\"id\":\"x\"}", &"x".repeat(20_000)] {
            fs::write(&file, damaged).unwrap();
            let made = Instance::establish(folder.path()).unwrap();
            assert_eq!(Instance::read(folder.path()).unwrap(), Some(made.id));
        }
        let mut stored = read_stored(folder.path()).unwrap().unwrap();
        stored.v = VERSION + 1;
        write(folder.path(), &stored).unwrap();
        assert!(matches!(Instance::establish(folder.path()), Err(InstanceError::Later(_))));
    }
}
