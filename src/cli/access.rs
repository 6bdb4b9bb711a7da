//! What a command may do to a data folder, checked before it does anything: what cannot be read is an error and never
//! "it is missing", and nobody but the owner of the folder writes into it – root neither: what root writes there, the
//! owner's server cannot change.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::app::{Code, Problem};
use crate::config::DataDir;
use crate::sys::user::{name_of, own_uid, shown};

/// What a command needs of a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It lists repositories.
    ReadRepositories,
    /// It reads the database and what runs have written.
    ReadRuns,
    /// It changes something.
    Write,
}

/// Checks that this account may do that to a data folder, which is there.
pub(crate) fn check(data: &DataDir, access: Access) -> Result<(), Problem> {
    let needed: &[PathBuf] = match access {
        Access::ReadRepositories => &[data.repos()],
        Access::ReadRuns => &[data.database(), data.path().join("runs")],
        Access::Write => return check_owner(data.path(), own_uid()),
    };
    readable(data.path())?;
    needed.iter().try_for_each(|path| readable(path))
}

/// Checks that a data folder may be made at a path: root makes none in a folder of somebody else.
pub(crate) fn check_place(path: &Path) -> Result<(), Problem> {
    match fs::metadata(path) {
        Ok(_) => check_owner(path, own_uid()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && own_uid() == 0 => {
            let above = path.ancestors().skip(1).find(|above| above.is_dir());
            above.map_or(Ok(()), |above| check_owner(above, 0))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Checks that a file or folder can be read, if it is there.
pub(crate) fn readable(path: &Path) -> Result<(), Problem> {
    let looked = match fs::metadata(path) {
        Ok(there) if there.is_dir() => {
            fs::read_dir(path).and_then(|_| fs::metadata(path.join(".")).map(drop))
        }
        Ok(there) if there.is_file() => fs::File::open(path).map(drop),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    match looked {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unreadable(path, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The problem that something could not be read, with its owner, and the command that could.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let problem = format!("could not read {}: {error}", path.display());
    // What is in a closed folder is not seen: that folder's owner is named then.
    let seen = path.ancestors().find_map(|above| Some((above, fs::metadata(above).ok()?.uid())));
    match seen {
        Some((above, owner)) if error.kind() == io::ErrorKind::PermissionDenied => {
            let what = if above == path { "it".to_owned() } else { above.display().to_string() };
            Problem::new(Code::DataUnreadable, format!("{problem}; {what} belongs to {}", shown(owner)))
                .hint(command_as(owner))
        }
        Some((above, _)) if error.kind() == io::ErrorKind::NotADirectory => {
            let problem = format!("{} is not a folder", above.display());
            Problem::new(Code::DataUnreadable, problem).hint("name the data folder with --data or QUIRE_DATA")
        }
        Some(_) | None => Problem::new(Code::DataUnreadable, problem),
    }
}

fn check_owner(path: &Path, own: u32) -> Result<(), Problem> {
    let owner = fs::metadata(path).map_err(|error| unreadable(path, &error))?.uid();
    if owner == own {
        return Ok(());
    }
    let problem = format!("{} belongs to {}, and this is {}", path.display(), shown(owner), shown(own));
    Err(Problem::new(Code::DataUnreadable, problem).hint(command_as(owner)))
}

/// The command that was given, as the right account gives it.
fn command_as(uid: u32) -> String {
    let account = name_of(uid).unwrap_or_else(|| format!("'#{uid}'"));
    let args: Vec<String> = std::env::args().skip(1).map(|arg| quoted(&arg)).collect();
    format!("sudo -u {account} quire {}", args.join(" "))
}

/// An argument as a shell takes it.
fn quoted(arg: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:@%+,#".contains(c);
    if !arg.is_empty() && !arg.starts_with('#') && arg.chars().all(is_plain) {
        return arg.to_owned();
    }
    format!("'{}'", arg.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_as_a_shell_takes_them() {
        for (arg, shown) in
            [("repo", "repo"), ("a#1", "a#1"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'")]
        {
            assert_eq!(quoted(arg), shown);
        }
    }

    #[test]
    fn what_belongs_to_another_account_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let owner = fs::metadata(folder.path()).unwrap().uid();
        assert!(check_owner(folder.path(), owner).is_ok());
        let refused = check_owner(folder.path(), owner + 1).unwrap_err();
        assert_eq!(refused.code, Code::DataUnreadable);
        let hint = refused.hint.unwrap();
        assert!(refused.text.contains("belongs to") && hint.starts_with("sudo -u "), "{}", refused.text);
    }
}
