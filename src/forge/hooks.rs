//! The hooks that all repositories share: links to the quire binary, which answers to their names.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::durable::{make_folder, sync};
use super::layout::hooks_dir;
use super::repo_error::RepoError;

/// The hooks that quire implements.
pub(crate) const HOOKS: [&str; 2] = ["pre-receive", "post-receive"];

/// Makes the hooks of a data folder links to this binary. Links that are right are not touched, and at no
/// moment is a hook missing.
///
/// # Errors
/// A link could not be created, or the path of the binary is not absolute.
pub(crate) fn install_hooks(data: &Path, binary: &Path) -> Result<(), RepoError> {
    if !binary.is_absolute() {
        return Err(RepoError::RelativeBinary { path: binary.to_owned() });
    }
    let folder = hooks_dir(data);
    make_folder(&folder)?;
    for hook in HOOKS {
        let path = folder.join(hook);
        if fs::read_link(&path).is_ok_and(|target| target == binary) {
            continue;
        }
        let failed = |source| RepoError::Write { path: path.clone(), source };
        // Created in a temporary folder, because the system cannot create a link under a name that is chosen to be free.
        let temp = tempfile::Builder::new().prefix(".new-").tempdir_in(&folder).map_err(failed)?;
        symlink(binary, temp.path().join(hook)).map_err(failed)?;
        fs::rename(temp.path().join(hook), &path).map_err(failed)?;
    }
    sync(&folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_follow_the_binary_and_are_made_once() {
        let data = tempfile::tempdir().unwrap();
        install_hooks(data.path(), Path::new("/old/quire")).unwrap();
        install_hooks(data.path(), Path::new("/new/quire")).unwrap();
        let link = data.path().join("hooks/pre-receive");
        let before = fs::symlink_metadata(&link).unwrap().modified().unwrap();
        install_hooks(data.path(), Path::new("/new/quire")).unwrap();
        assert_eq!(fs::symlink_metadata(&link).unwrap().modified().unwrap(), before);
        assert_eq!(fs::read_link(link).unwrap(), Path::new("/new/quire"));
        let mut left: Vec<_> =
            fs::read_dir(data.path().join("hooks")).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["post-receive", "pre-receive"]);
        assert!(install_hooks(data.path(), Path::new("quire")).is_err());
    }

    #[test]
    fn a_file_in_the_place_of_a_hook_is_replaced() {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join("hooks")).unwrap();
        fs::write(data.path().join("hooks/pre-receive"), "#!/bin/sh\n").unwrap();
        install_hooks(data.path(), Path::new("/new/quire")).unwrap();
        assert_eq!(fs::read_link(data.path().join("hooks/pre-receive")).unwrap(), Path::new("/new/quire"));
    }
}
