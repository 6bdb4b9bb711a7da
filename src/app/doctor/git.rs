//! Which git there is.

use std::io;
use std::time::Duration;

use super::check::Check;
use crate::config::DataDir;
use crate::sys::program::Program;

/// The oldest git that quire works with.
const MINIMUM: (u32, u32) = (2, 39);

/// How long git may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn check(_: &DataDir) -> Vec<Check> {
    let said = Program::new("git").args(["--version"]).ask(PATIENCE);
    judge(said.map(|said| said.stdout))
}

fn judge(said: io::Result<String>) -> Vec<Check> {
    let (major, minor) = MINIMUM;
    let hint = format!("install git {major}.{minor} or newer");
    let said = match said {
        Ok(said) => said,
        Err(error) => {
            let what = format!("git cannot be started: {error}");
            return vec![Check::problem(what, "no repository can be made or pushed to", hint)];
        }
    };
    let version = said.split_whitespace().nth(2).unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let found = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if found < MINIMUM {
        let why = format!("quire needs git {major}.{minor} or newer");
        return vec![Check::problem(format!("`{said}`"), why, hint)];
    }
    vec![Check::ok(said)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::check::{Level, levels};

    #[test]
    fn old_and_missing_gits_are_problems() {
        for (said, level) in [
            ("git version 2.39.0", Level::Ok),
            ("git version 2.47.3 (Apple Git-1)", Level::Ok),
            ("git version 3.0", Level::Ok),
            ("git version 2.38.9", Level::Problem),
            ("git version 1.99", Level::Problem),
            ("what?", Level::Problem),
        ] {
            assert_eq!(levels(&judge(Ok(said.to_owned()))), [level], "{said}");
        }
        assert_eq!(levels(&judge(Err(io::ErrorKind::NotFound.into()))), [Level::Problem]);
    }
}
