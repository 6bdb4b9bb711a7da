//! Whether bwrap(1) is there and may make its namespaces.

use std::io;
use std::time::Duration;

use super::check::Check;
use crate::config::DataDir;
use crate::sys::program::{Program, Reply};

/// How long bwrap may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn check(_: &DataDir) -> Vec<Check> {
    let version = Program::new("bwrap").args(["--version"]).ask(PATIENCE);
    let tried = Program::new("bwrap").args(["--ro-bind", "/", "/", "--unshare-pid", "true"]).ask(PATIENCE);
    judge(version, tried)
}

fn judge(version: io::Result<Reply>, tried: io::Result<Reply>) -> Vec<Check> {
    let why = "`:sandbox :bwrap`, in config.fnl and in jobs, is not available: such jobs fail, and other steps see the \
               machine as their user does";
    vec![match (version, tried) {
        (Ok(version), Ok(tried)) if tried.is_ok => Check::ok(version.stdout),
        (Ok(version), Ok(tried)) => {
            let error_output = tried.stderr.lines().last().unwrap_or("no error output").to_owned();
            Check::warning(
                format!("{} does not work: {error_output}", version.stdout),
                why,
                "sysctl kernel.unprivileged_userns_clone, and AppArmor, may forbid it",
            )
        }
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {
            Check::warning("bwrap is not installed", why, "install bubblewrap")
        }
        (Err(error), _) | (_, Err(error)) => {
            Check::warning(format!("bwrap: {error}"), why, "bwrap --version")
        }
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::check::{Level, levels};

    #[test]
    fn only_a_bwrap_that_works_is_in_order() {
        let said = |is_ok| Ok(Reply { is_ok, stdout: "bubblewrap 0.8".to_owned(), stderr: "no".to_owned() });
        let missing = || Err(io::ErrorKind::NotFound.into());
        assert_eq!(levels(&judge(said(true), said(true))), [Level::Ok]);
        assert_eq!(levels(&judge(said(true), said(false))), [Level::Warning]);
        assert_eq!(levels(&judge(missing(), missing())), [Level::Warning]);
    }
}
