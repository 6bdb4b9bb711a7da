//! Whether this machine has what `config.fnl` demands of it: the user of steps, the sandbox, what it shows, the policy bundle.

use super::check::Check;
use crate::cli::place::variable;
use crate::config::{DataDir, load};
use crate::model::render_all;
use crate::serve::{Gap, gaps};

pub(super) fn check(data: &DataDir) -> Vec<Check> {
    let Ok(settings) = load(&data.config()) else { return Vec::new() };
    let path = variable("PATH");
    judge(gaps(&settings, data, path.as_deref()))
}

fn judge(gaps: Vec<Gap>) -> Vec<Check> {
    if gaps.is_empty() {
        return vec![Check::ok("what config.fnl demands of this machine is there")];
    }
    let check = |Gap { mistake, details, why, .. }: Gap| {
        let what = format!("{}: {}\n{}", mistake.place(), mistake.message, render_all(&details));
        Check::problem(what.trim_end(), why, mistake.help.unwrap_or_else(|| "correct these".to_owned()))
    };
    gaps.into_iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::{Level, levels};

    #[test]
    fn what_is_demanded_and_not_there_has_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path());
        assert_eq!(levels(&check(&data)), [Level::Ok]);
        let text = r#"{:steps {:user "no-such-user" :sandbox :bwrap :read ["/usr" "/no/such"]}
 :policy {:bundle "rules.yaml"}}"#;
        std::fs::write(data.config(), text).unwrap();
        let settings = load(&data.config()).unwrap();
        let places = |path| {
            let gaps = gaps(&settings, &data, path);
            gaps.iter().map(|gap| gap.mistake.place()).collect::<Vec<_>>()
        };
        let here = ["config.fnl:1:16", "config.fnl:1:40", "config.fnl:1:61", "config.fnl:2:19"];
        assert_eq!(places(Some("/no/such")), here);
        std::fs::write(folder.path().join("rules.yaml"), "ceiling: 1\nalso: 2\n").unwrap();
        let checks = check(&data);
        let wrong: String = checks.iter().map(|check| check.what.as_str()).collect();
        assert!(wrong.contains("config.fnl:2:19: the policy bundle cannot be used\nerror: rules.yaml:1:1: there is no key `ceiling` here"));
        assert!(levels(&checks).iter().all(|level| *level == Level::Problem));
    }
}
