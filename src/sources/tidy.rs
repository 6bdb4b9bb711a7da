//! Removing what no source needs any more.

use std::io;
use std::path::Path;

use super::git::COPY;
use super::record::{SourceKind, SourceRecord};
use crate::config::DataDir;
use crate::sys::folder::Folder;

/// Removes what is kept of a name and not needed by its record, if there is one, nor in use. Nothing outside of the data folder
/// is reached, and no link is followed. Blocks.
///
/// # Errors
/// What is left, and why.
pub(crate) fn remove_unused(
    data: &DataDir,
    (name, record): (&str, Option<&SourceRecord>),
    is_used: impl Fn(&Path) -> bool,
) -> io::Result<()> {
    let top = Folder::open(data.path())?;
    if record.is_none_or(|record| record.kind != SourceKind::Oci) {
        top.remove_tree(Path::new("oci").join(name))?;
    }
    let Ok(place) = top.sub(Path::new("sources").join(name)) else { return Ok(()) };
    let commit = record.filter(|record| record.kind == SourceKind::Git).map(|record| &record.resolved_commit);
    let mut is_empty = true;
    for entry in place.entries()? {
        let is_kept = commit.is_some_and(|commit| entry.name == commit.as_str() || entry.name == COPY);
        if is_kept || is_used(&data.source(name).join(&entry.name)) {
            is_empty = false;
        } else {
            place.remove_tree(&entry.name)?;
        }
    }
    if is_empty {
        top.remove_tree(Path::new("sources").join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_no_record_and_no_run_needs_is_removed() {
        let top = tempfile::tempdir().unwrap();
        let data = DataDir::new(top.path().join("data"));
        let (place, outside) = (data.source("s"), top.path().join("outside"));
        for folder in ["one", "two", "used", COPY, ".new-1"] {
            fs::create_dir_all(place.join(folder)).unwrap();
        }
        fs::create_dir_all(outside.join("kept")).unwrap();
        fs::create_dir_all(data.addon("s")).unwrap();
        fs::create_dir_all(data.source("other").join("one")).unwrap();
        symlink(&outside, place.join("link")).unwrap();
        let mut record = SourceRecord::new("s".to_owned(), SourceKind::Git);
        record.resolved_commit = "two".to_owned();
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        remove_unused(&data, ("s", Some(&record)), |path| path.ends_with("used")).unwrap();
        assert_eq!(names(), [COPY, "two", "used"]);
        assert!(!data.addon("s").exists() && data.source("other").join("one").exists());
        remove_unused(&data, ("s", None), |path| path.ends_with("used")).unwrap();
        assert_eq!(names(), ["used"]);
        remove_unused(&data, ("s", None), |_| false).unwrap();
        assert!(!place.exists() && outside.join("kept").exists());
        // The folder of a source that is a link is not followed.
        symlink(&outside, &place).unwrap();
        remove_unused(&data, ("s", None), |_| false).unwrap();
        assert!(outside.join("kept").exists());
    }
}
