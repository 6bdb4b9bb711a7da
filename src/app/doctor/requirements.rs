//! Whether this machine has what `config.fnl` requires: the user of steps, the sandbox, what it shows, the policy bundle.

use super::Examined;
use super::check::Check;
use crate::app::requirements::{Requirement, missing_requirements};
use crate::config::load;
use crate::model::render_all;

pub(super) fn check(Examined { data, path }: Examined<'_>) -> Vec<Check> {
    let Ok(settings) = load(&data.config()) else { return Vec::new() };
    judge(missing_requirements(&settings, data, path))
}

fn judge(missing: Vec<Requirement>) -> Vec<Check> {
    if missing.is_empty() {
        return vec![Check::ok("everything config.fnl requires is available")];
    }
    let check = |Requirement { mistake, details, why, .. }: Requirement| {
        let what = format!("{}: {}\n{}", mistake.place(), mistake.message, render_all(&details));
        Check::problem(what.trim_end(), why, mistake.help.unwrap_or_else(|| "correct these".to_owned()))
    };
    missing.into_iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::check::{Level, levels};
    use crate::config::DataDir;

    #[test]
    fn a_missing_requirement_has_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path());
        assert_eq!(levels(&check(Examined { data: &data, path: None })), [Level::Ok]);
        let text = r#"{:steps {:user "no-such-user" :sandbox :bwrap :read ["/usr" "/no/such"]}
 :policy {:bundle "rules.yaml"}}"#;
        std::fs::write(data.config(), text).unwrap();
        let settings = load(&data.config()).unwrap();
        let places = |path| {
            let missing = missing_requirements(&settings, &data, path);
            missing.iter().map(|missing| missing.mistake.place()).collect::<Vec<_>>()
        };
        let here = ["config.fnl:1:16", "config.fnl:1:40", "config.fnl:1:61", "config.fnl:2:19"];
        assert_eq!(places(Some("/no/such")), here);
        std::fs::write(folder.path().join("rules.yaml"), "ceiling: 1\nalso: 2\n").unwrap();
        let checks = check(Examined { data: &data, path: None });
        let wrong: String = checks.iter().map(|check| check.what.as_str()).collect();
        assert!(wrong.contains("config.fnl:2:19: the policy bundle cannot be used\nerror: rules.yaml:1:1: unknown option `ceiling` of a bundle"));
        assert!(levels(&checks).iter().all(|level| *level == Level::Problem));
    }
}
