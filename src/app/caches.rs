//! `quire doctor --reset-caches`: empties `cache/`, and nothing else. A server that runs does it itself, between two
//! starts in the same process, so that what it was started by – a service, a terminal, a script – keeps it.

use std::fs;
use std::io;
use std::path::Path;

/// Removes what is in a folder of caches, which may not be there; the number of files that were removed.
pub fn clear_caches(folder: &Path) -> io::Result<u64> {
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
