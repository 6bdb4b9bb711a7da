//! Finds a program in the folders of a `PATH`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Why a path cannot be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Nothing exists at the path.
    Missing,
    Folder,
    /// A file that this account may not execute.
    NotExecutable,
}

/// The folders of a `PATH`, in their order; an empty entry is the working directory, as in execvp(3).
pub(crate) fn folders(path: &OsStr) -> impl Iterator<Item = &Path> {
    path.as_bytes().split(|byte| *byte == b':').map(|folder| Path::new(OsStr::from_bytes(folder)))
}

/// Checks that a path can be executed.
///
/// # Errors
/// Why not.
pub(crate) fn check(file: &Path) -> Result<(), Unusable> {
    match std::fs::metadata(file) {
        Err(_) => Err(Unusable::Missing),
        Ok(data) if data.is_dir() => Err(Unusable::Folder),
        Ok(_) if access(file, Access::EXEC_OK).is_err() => Err(Unusable::NotExecutable),
        Ok(_) => Ok(()),
    }
}

/// Finds a program in the absolute folders of a `PATH`.
pub(crate) fn find_program(name: impl AsRef<OsStr>, path: &OsStr) -> Option<PathBuf> {
    let name = Path::new(name.as_ref());
    folders(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| check(file).is_ok())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_program_is_an_executable_file_in_an_absolute_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["text/tool", "real/tool"] {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), "").unwrap();
        }
        fs::set_permissions(at("real/tool"), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(at("folder/tool")).unwrap();
        let path = ["relative", "", "missing", "folder", "text", "real"]
            .map(|name| if name.is_empty() || name == "relative" { name.into() } else { at(name) });
        let path = std::env::join_paths(path).unwrap();
        assert_eq!(find_program("tool", &path), Some(at("real/tool")));
        assert_eq!(find_program("tool", at("text").as_os_str()), None);
        assert_eq!(check(&at("folder/tool")), Err(Unusable::Folder));
        assert_eq!(check(&at("text/tool")), Err(Unusable::NotExecutable));
        assert_eq!(check(&at("none")), Err(Unusable::Missing));
    }
}
