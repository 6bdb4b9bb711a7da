//! The file of the unit: written once, never over somebody else's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::unit::MARKER;

/// What is at the place of the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    Nothing,
    /// A unit that quire wrote.
    Ours,
    /// Something else.
    Foreign,
}

/// What writing the unit has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It is new, or has changed.
    New,
    /// It was so already.
    Same,
    /// Nothing: another unit is there.
    Refused,
}

/// Where units of the machine are.
pub(super) fn system_unit(name: &str) -> PathBuf {
    Path::new("/etc/systemd/system").join(name)
}

/// Where units of a user are.
pub(super) fn user_unit(name: &str, config_home: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
    let config = config_home.map(PathBuf::from).filter(|path| path.is_absolute());
    let config = config.or_else(|| home.map(|home| Path::new(home).join(".config")))?;
    Some(config.join("systemd/user").join(name))
}

/// What is at a path.
pub(super) fn look(path: &Path) -> io::Result<There> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(There::Nothing),
        Err(error) => return Err(error),
        // A link, also one to /dev/null ("masked"), is somebody's decision.
        Ok(there) if !there.is_file() => return Ok(There::Foreign),
        Ok(_) => {}
    }
    let is_ours = fs::read(path)?.starts_with(MARKER.as_bytes());
    Ok(if is_ours { There::Ours } else { There::Foreign })
}

/// Writes the unit; the file is whole at every moment.
pub(super) fn write(path: &Path, text: &str) -> io::Result<Written> {
    match look(path)? {
        There::Foreign => return Ok(Written::Refused),
        There::Ours if fs::read(path)? == text.as_bytes() => return Ok(Written::Same),
        There::Ours | There::Nothing => {}
    }
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".quire-").tempfile_in(folder)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    let readable = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644);
    file.as_file().set_permissions(readable)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(Written::New)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_written_once_and_never_over_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("systemd/user/quire.service");
        let text = format!("{MARKER}\n[Service]\n");
        assert_eq!(look(&path).unwrap(), There::Nothing);
        assert_eq!(write(&path, &text).unwrap(), Written::New);
        assert_eq!(write(&path, &text).unwrap(), Written::Same);
        assert_eq!(write(&path, &format!("{text}#\n")).unwrap(), Written::New);
        assert_eq!(look(&path).unwrap(), There::Ours);
        fs::write(&path, "[Service]\n").unwrap();
        assert_eq!(write(&path, &text).unwrap(), Written::Refused);
        assert_eq!(fs::read_to_string(&path).unwrap(), "[Service]\n");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert_eq!(write(&path, &text).unwrap(), Written::Refused);
    }

    #[test]
    fn the_unit_of_a_user_follows_xdg() {
        let place =
            |config, home| user_unit("quire.service", config, home).map(|path| path.display().to_string());
        let expected = |text: &str| Some(text.to_owned());
        assert_eq!(place(Some("/c"), Some("/h")), expected("/c/systemd/user/quire.service"));
        assert_eq!(place(Some("relative"), Some("/h")), expected("/h/.config/systemd/user/quire.service"));
        assert_eq!(place(None, None), None);
    }
}
