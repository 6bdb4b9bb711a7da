//! Whether everything in the data folder belongs to its owner: a server cannot change what does not.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::check::Check;
use crate::config::DataDir;
use crate::sys::user::{name_of, shown};

/// The most files that are looked at.
const MAX_LOOKED_AT: usize = 20_000;

/// The most names that are shown.
const MAX_SHOWN: usize = 3;

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    let Ok(owner) = fs::symlink_metadata(data.path()).map(|there| there.uid()) else { return Vec::new() };
    judge(data.path(), owner, &foreign(data.path(), owner))
}

/// What below a folder belongs to somebody else. What steps of another user write into a workspace is left out.
fn foreign(data: &Path, owner: u32) -> Vec<PathBuf> {
    let (mut found, mut looked_at) = (Vec::new(), 0);
    let mut open = vec![data.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            looked_at += 1;
            if looked_at > MAX_LOOKED_AT {
                return found;
            }
            let Ok(there) = entry.metadata() else { continue };
            let is_of_run = entry.file_name() == "work" && folder.starts_with(data.join("runs"));
            let is_workspace = is_of_run || folder == data.join("kept");
            if there.uid() != owner && !is_workspace {
                found.push(entry.path());
            } else if there.is_dir() && !is_workspace {
                open.push(entry.path());
            }
        }
    }
    found
}

fn judge(data: &Path, owner: u32, foreign: &[PathBuf]) -> Vec<Check> {
    if foreign.is_empty() {
        return Vec::new();
    }
    let names = foreign.iter().take(MAX_SHOWN);
    let names: Vec<String> =
        names.map(|path| path.strip_prefix(data).unwrap_or(path).display().to_string()).collect();
    let more = if foreign.len() > MAX_SHOWN { " …" } else { "" };
    let what = match foreign.len() {
        1 => "1 file or folder does".to_owned(),
        count => format!("{count} files or folders do"),
    };
    let account = name_of(owner).unwrap_or_else(|| owner.to_string());
    vec![Check::problem(
        format!("{what} not belong to {}: {}{more}", shown(owner), names.join(", ")),
        "the server cannot change them: pushes to such a repository are refused",
        format!("chown -R {account}: '{}'", data.display()),
    )]
}
