//! Finding a program the way a shell does: in the step's own `PATH`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::step::Program;
use crate::sys::search_path::{self, Unusable};

/// The shell.
const SHELL: &str = "/bin/sh";

/// Where programs are looked for when the environment has no `PATH`.
pub(super) const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program that can be started, as far as can be seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) file: PathBuf,
    /// Its arguments, the first of which is its name.
    pub(super) args: Vec<OsString>,
}

/// Why a program cannot be started; that is the step's failure, not quire's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// What a shell would answer: 126 or 127.
    pub(super) exit: i32,
    /// What is wrong, for people.
    pub(super) message: String,
}

/// Finds what to start.
pub(super) fn find(program: &Program, path: Option<&OsStr>, cwd: &Path) -> Result<Found, Missing> {
    let args: Vec<OsString> = program.to_argv().into_iter().map(OsString::from_vec).collect();
    let name = args.first().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| not_found("the command is empty".to_owned()))?;
    let file = match program {
        Program::Shell(_) => check(Path::new(SHELL), cwd, name)?,
        Program::Argv(_) if name.as_bytes().contains(&b'/') => check(Path::new(name), cwd, name)?,
        Program::Argv(_) => search(name, path.unwrap_or(OsStr::new(DEFAULT_PATH)), cwd)?,
    };
    Ok(Found { file, args })
}

/// What a shell would answer when the system refused to start a program; `None` when quire is at fault.
pub(super) fn refused(name: &OsStr, error: &io::Error) -> Option<Missing> {
    let name = name.to_string_lossy();
    let is = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
    let unusable = |message: String| Some(Missing { exit: 126, message });
    if is(Errno::NOENT) {
        Some(not_found(format!("the interpreter that program `{name}` names was not found")))
    } else if is(Errno::ACCESS) || is(Errno::PERM) {
        unusable(format!("program `{name}` is not executable"))
    } else if is(Errno::NOEXEC) {
        unusable(format!("program `{name}` has a format that this machine cannot run"))
    } else if is(Errno::TOOBIG) {
        unusable(format!("the arguments and the environment of program `{name}` are too long for the system"))
    } else if error.kind() == io::ErrorKind::InvalidInput {
        unusable(format!("an argument of program `{name}` holds a NUL byte"))
    } else {
        None
    }
}

fn search(name: &OsStr, path: &OsStr, cwd: &Path) -> Result<PathBuf, Missing> {
    let mut unusable = None;
    for folder in search_path::folders(path) {
        match check(&folder.join(name), cwd, name) {
            Ok(file) => return Ok(file),
            Err(missing) if missing.exit == 126 => unusable = unusable.or(Some(missing)),
            Err(_) => {}
        }
    }
    let nowhere = || {
        let name = name.to_string_lossy();
        // A whole command was written where a list has its program.
        let is_command = name.contains(char::is_whitespace);
        let hint =
            if is_command { "; a list is one program and its arguments, a string is a command" } else { "" };
        not_found(format!("program `{name}` not found in PATH{hint}"))
    };
    Err(unusable.unwrap_or_else(nowhere))
}

fn check(file: &Path, cwd: &Path, name: &OsStr) -> Result<PathBuf, Missing> {
    let file = cwd.join(file);
    let name = name.to_string_lossy();
    match search_path::check(&file) {
        Ok(()) => Ok(file),
        Err(Unusable::Folder) => Err(Missing { exit: 126, message: format!("program `{name}` is a folder") }),
        Err(Unusable::NotExecutable) => {
            Err(Missing { exit: 126, message: format!("program `{name}` is not executable") })
        }
        Err(Unusable::Missing) => Err(not_found(format!("program `{name}` not found"))),
    }
}

fn not_found(message: String) -> Missing {
    Missing { exit: 127, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn argv(name: &str) -> Program {
        Program::Argv(vec![name.into()])
    }

    fn found(program: &Program, path: Option<&str>, cwd: &Path) -> Result<PathBuf, (i32, String)> {
        let found = find(program, path.map(OsStr::new), cwd);
        found.map(|found| found.file).map_err(|missing| (missing.exit, missing.message))
    }

    #[test]
    fn a_program_is_searched_in_the_path_of_the_step() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        for sub in ["a", "b", "b/dir"] {
            fs::create_dir(here.join(sub)).unwrap();
        }
        for (file, mode) in [("a/tool", 0o644), ("b/tool", 0o755), ("b/plain", 0o644), ("own", 0o755)] {
            fs::write(here.join(file), "#!/bin/sh\n").unwrap();
            fs::set_permissions(here.join(file), Permissions::from_mode(mode)).unwrap();
        }
        let path = Some("nowhere:a:b");
        assert_eq!(found(&argv("tool"), path, here), Ok(here.join("b/tool")));
        assert_eq!(found(&argv("./own"), path, here), Ok(here.join("./own")));
        assert_eq!(found(&argv("own"), Some("a:"), here), Ok(here.join("own")));
        let not_there = |message: &str| Err((127, message.to_owned()));
        assert_eq!(found(&argv("own"), path, here), not_there("program `own` not found in PATH"));
        assert_eq!(
            found(&argv("echo one"), path, here),
            not_there(
                "program `echo one` not found in PATH; a list is one program and its arguments, a string is a command"
            )
        );
        assert_eq!(found(&argv("./x"), path, here), not_there("program `./x` not found"));
        assert_eq!(found(&argv(""), path, here), not_there("the command is empty"));
        assert_eq!(found(&Program::Argv(vec![]), path, here), not_there("the command is empty"));
        let unusable = |message: &str| Err((126, message.to_owned()));
        assert_eq!(found(&argv("plain"), path, here), unusable("program `plain` is not executable"));
        assert_eq!(found(&argv("dir"), path, here), unusable("program `dir` is a folder"));
        assert_eq!(found(&argv("sh"), None, here).unwrap().file_name().unwrap(), "sh");
        assert_eq!(found(&Program::Shell(b"x".to_vec()), Some("/nowhere"), here), Ok(SHELL.into()));
    }
}
