//! Which container engine there is: podman, else docker; and its runtime.

use std::io;
use std::time::Duration;

use super::check::Check;
use crate::config::DataDir;
use crate::sys::tool::{self, Said};

/// How long an engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked of each engine: version, runtime.
const ENGINES: [(&str, [&str; 3]); 2] = [
    ("podman", ["info", "--format", "{{.Version.Version}} {{.Host.OCIRuntime.Name}}"]),
    ("docker", ["info", "--format", "{{.ServerVersion}} {{.DefaultRuntime}}"]),
];

pub(super) fn check(_: &DataDir) -> Vec<Check> {
    judge(ENGINES.map(|(engine, question)| (engine, tool::ask(engine, &question, PATIENCE))))
}

/// The first engine that answers counts; those that are there and do not are named.
fn judge<const N: usize>(asked: [(&str, io::Result<Said>); N]) -> Vec<Check> {
    let why = "`container` is for a later version, and will need one";
    let mut checks = Vec::new();
    for (engine, said) in asked {
        match said {
            Ok(said) if said.is_ok => {
                let (version, runtime) = said.output.split_once(' ').unwrap_or((said.output.as_str(), ""));
                checks.push(judge_runtime(engine, version, runtime.trim()));
                return checks;
            }
            Ok(said) => {
                let complaint = said.complaint.lines().last().unwrap_or("it does not say why").to_owned();
                checks.push(Check::warning(
                    format!("{engine} does not work: {complaint}"),
                    why,
                    format!("{engine} info"),
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                checks.push(Check::warning(format!("{engine}: {error}"), why, format!("{engine} info")))
            }
        }
    }
    if checks.is_empty() {
        checks.push(Check::warning("there is no container engine", why, "install podman and crun"));
    }
    checks
}

fn judge_runtime(engine: &str, version: &str, runtime: &str) -> Check {
    if runtime.is_empty() {
        let what = format!("{engine} {version} has no OCI runtime");
        return Check::warning(what, "it starts no container", "install crun or runc");
    }
    Check::ok(format!("{engine} {version} with {runtime}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::{Level, levels};

    #[test]
    fn the_first_engine_that_answers_counts() {
        let said = |is_ok, output: &str| {
            Ok(Said { is_ok, output: output.to_owned(), complaint: "a\nno".to_owned() })
        };
        let missing = || Err(io::ErrorKind::NotFound.into());
        let both = |podman, docker| judge([("podman", podman), ("docker", docker)]);
        assert_eq!(levels(&both(said(true, "4.3.1 crun"), missing())), [Level::Ok]);
        assert_eq!(levels(&both(missing(), said(true, "27.0 runc"))), [Level::Ok]);
        assert_eq!(levels(&both(said(false, ""), said(true, "27.0 runc"))), [Level::Warning, Level::Ok]);
        assert_eq!(levels(&both(said(true, "4.3.1"), missing())), [Level::Warning]);
        let none = both(missing(), missing());
        assert_eq!(levels(&none), [Level::Warning]);
        assert!(none[0].what.contains("no container engine"));
    }
}
