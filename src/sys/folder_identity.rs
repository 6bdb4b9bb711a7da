//! The identity of a folder, which distinguishes it from every copy of it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{statfs, statvfs};

/// The identity of the folder at a path. It stays the same when the folder is renamed, and when it is seen through a bind mount; a
/// copy, a restored backup and a snapshot have others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FolderIdentity {
    /// The kind and the id of the file system, as statfs(2) gives them: a snapshot of btrfs has an id of its own, and an
    /// overlay a kind of its own.
    pub(crate) file_system: String,
    /// The number of the folder in it.
    pub(crate) inode: u64,
    /// When the folder was created, in nanoseconds since 1970; 0 where the file system does not record it. Distinguishes a folder
    /// from a later one with the same inode number.
    pub(crate) born: u64,
    /// The device, which distinguishes copies of one file system from each other. Another mount of it may get another number.
    pub(crate) device: u64,
}

impl FolderIdentity {
    /// Reads the identity of a folder. Blocks.
    ///
    /// # Errors
    /// The folder does not exist or may not be accessed.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        let born = metadata.created().ok();
        let born = born.and_then(|born| born.duration_since(std::time::UNIX_EPOCH).ok());
        let born = born.and_then(|born| u64::try_from(born.as_nanos()).ok());
        Ok(Self {
            file_system: format!("{:x}:{:x}", statfs(path)?.f_type, statvfs(path)?.f_fsid),
            inode: metadata.ino(),
            born: born.unwrap_or_default(),
            device: metadata.dev(),
        })
    }

    /// The folder as one word, without the device: two folders with the same word are one.
    pub(crate) fn word(&self) -> String {
        format!("{}:{}:{}", self.file_system, self.inode, self.born)
    }

    /// Whether both are one folder, but for the device.
    pub(crate) fn is_same_folder(&self, other: &Self) -> bool {
        self.file_system == other.file_system && self.inode == other.inode && self.born == other.born
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_identity_when_it_is_renamed_and_a_copy_has_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("a")).unwrap();
        let before = FolderIdentity::read(&path("a")).unwrap();
        std::fs::write(path("a/file"), "x").unwrap();
        std::fs::rename(path("a"), path("b")).unwrap();
        std::fs::create_dir(path("a")).unwrap();
        assert_eq!(FolderIdentity::read(&path("b")).unwrap(), before);
        assert!(!FolderIdentity::read(&path("a")).unwrap().is_same_folder(&before));
        // A folder with the inode number of a removed folder: file systems reuse numbers.
        std::fs::remove_dir_all(path("b")).unwrap();
        for _ in 0..20 {
            std::fs::create_dir(path("again")).unwrap();
            assert_ne!(FolderIdentity::read(&path("again")).unwrap(), before);
            std::fs::remove_dir(path("again")).unwrap();
        }
    }
}
