//! Whether `config.fnl` can be used.

use super::check::Check;
use crate::config::{ConfigError, DataDir, Settings, load};
use crate::model::{chain, render_all};

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    judge(data.config().exists(), load(&data.config()))
}

fn judge(is_there: bool, loaded: Result<Settings, ConfigError>) -> Vec<Check> {
    let why = "a server that runs keeps the last good one; none starts";
    vec![match loaded {
        Ok(_) if is_there => Check::ok("config.fnl has no mistakes"),
        Ok(_) => Check::ok("config.fnl does not exist: all settings have their defaults"),
        Err(ConfigError::Wrong(wrong)) => Check::problem(render_all(&wrong), why, "correct these"),
        Err(error) => Check::problem(chain(&error), why, "make it readable for the server"),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::check::{Level, levels};

    #[test]
    fn mistakes_are_shown_all_at_once() {
        assert_eq!(levels(&judge(false, Ok(Settings::default()))), [Level::Ok]);
        let wrong = crate::config::read(b"{:limits {:runs 0} :pass-env 1}").unwrap_err();
        let checks = judge(true, Err(ConfigError::Wrong(wrong)));
        assert_eq!(levels(&checks), [Level::Problem]);
        assert!(checks[0].what.contains("pass-env") && checks[0].what.contains("runs"), "{checks:?}");
    }
}
