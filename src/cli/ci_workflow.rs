//! The workflow file of a working copy: that of the branch that is checked out.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::exit::{Code, Failure};
use crate::forge::{MAX_PIPELINE_FILE, checked_out_branch, workflow_path};
use crate::script::SourceFile;

/// Where the workflow of the checked out branch is or would be, from the root of a working copy. Nothing for a folder
/// that is not such a root, and when no branch is checked out.
pub(super) fn checked_out(root: &Path) -> Option<PathBuf> {
    fs::symlink_metadata(root.join(".git")).ok()?;
    workflow_path(&checked_out_branch(root)?)
}

/// Whether there is such a file.
pub(super) fn exists(root: &Path, path: &Path) -> bool {
    look(root, path).is_some()
}

/// The workflow of the checked out branch; nothing when it has none.
///
/// # Errors
/// Reports that it is not a file, too large, or cannot be read.
pub(super) fn read(root: &Path) -> Result<Option<SourceFile>, Failure> {
    if !root.join("workflow").is_dir() {
        return Ok(None);
    }
    let Some(path) = checked_out(root) else { return Ok(None) };
    let Some(found) = look(root, &path) else { return Ok(None) };
    let name = path.to_string_lossy().into_owned();
    if !found.is_file() {
        let what = if found.is_symlink() { "a symbolic link" } else { "no file" };
        return Err(Failure::new(Code::Usage, format!("`{name}` is {what}; it must be a regular file"))
            .hint("put the file itself there"));
    }
    if found.len() > MAX_PIPELINE_FILE {
        let message = format!("{name} has {} bytes, more than {MAX_PIPELINE_FILE}", found.len());
        return Err(Failure::new(Code::Usage, message).hint("put what is long into a script, and run that"));
    }
    let text =
        fs::read(root.join(&path)).map_err(|error| Failure::new(Code::Broken, format!("{name}: {error}")))?;
    Ok(Some(SourceFile { path: name, text }))
}

/// What is at a path, unless that is a folder. Folders that are links are not followed, as in a commit.
fn look(root: &Path, path: &Path) -> Option<Metadata> {
    let mut folders: Vec<&Path> = path.ancestors().skip(1).collect();
    folders.reverse();
    let is_folder = |folder: &&Path| {
        folder.as_os_str().is_empty()
            || fs::symlink_metadata(root.join(folder)).is_ok_and(|found| found.is_dir())
    };
    if !folders.iter().all(is_folder) {
        return None;
    }
    fs::symlink_metadata(root.join(path)).ok().filter(|found| !found.is_dir())
}
