//! Where secrets are: files that can be read here and by nobody else. Values are not read.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::check::Check;
use crate::config::{DataDir, SecretSource, load};

/// A file with secrets: its mode, or why it cannot be read.
type Looked = Result<u32, String>;

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    let Ok(settings) = load(&data.config()) else { return Vec::new() };
    let mut checks = Vec::new();
    let mut has_literal = false;
    for secret in &settings.secrets {
        match &secret.source {
            SecretSource::Literal(_) => has_literal = true,
            SecretSource::File(path) => {
                checks.extend(judge(&format!("`{}` in {}", secret.name, path.display()), path, &look(path)));
            }
        }
    }
    if has_literal {
        checks.extend(judge("config.fnl, which has values in it,", &data.config(), &look(&data.config())));
    }
    if checks.is_empty() {
        checks.push(Check::ok(format!("{} declared", settings.secrets.len())));
    }
    checks
}

/// Opens the file without reading it.
fn look(path: &Path) -> Looked {
    let there = fs::metadata(path).and_then(|there| {
        // What is not a file might make who opens it wait.
        if !there.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        File::open(path).map(|_| there.mode() & 0o7777)
    });
    there.map_err(|error| error.to_string())
}

fn judge(what: &str, path: &Path, looked: &Looked) -> Option<Check> {
    match looked {
        Err(problem) => Some(Check::problem(
            format!("{what} cannot be read: {problem}"),
            "a job that asks for it fails",
            "the account of the server must be able to read it",
        )),
        Ok(mode) if mode & 0o004 != 0 => Some(Check::warning(
            format!("{what} has the mode {mode:04o}"),
            "every account of the machine can read it",
            format!("chmod o-rwx '{}'", path.display()),
        )),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::check::{Level, levels};

    #[test]
    fn missing_and_open_files_are_named_and_values_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path());
        let chmod = |path: &Path, mode| {
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        };
        let file = folder.path().join("token");
        fs::write(&file, "hunter2hunter2").unwrap();
        let text = format!(
            "{{:secrets {{:a {{:file \"{}\"}} :b \"hunter3hunter3\" :c {{:file \"/no/such\"}} :d {{:file \"/dev\"}}}}}}",
            file.display()
        );
        fs::write(data.config(), text).unwrap();
        chmod(&file, 0o604);
        chmod(&data.config(), 0o644);
        let checks = check(&data);
        let mut found = levels(&checks);
        found.sort_by_key(|level| level.as_str());
        assert_eq!(found, [Level::Problem, Level::Problem, Level::Warning, Level::Warning]);
        assert!(!format!("{checks:?}").contains("hunter"));
        fs::write(data.config(), format!("{{:secrets {{:a {{:file \"{}\"}}}}}}", file.display())).unwrap();
        chmod(&file, 0o640);
        assert_eq!(levels(&check(&data)), [Level::Ok]);
    }
}
