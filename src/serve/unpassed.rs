//! The variables of the server's environment that steps do not see, for somebody who expects that they see all of it.

use crate::config::Settings;
use crate::executor::INHERITED;
use crate::model::first_of;
use crate::notify::TARGET_VARIABLES;

/// The most names that are logged.
const MAX_NAMES: usize = 20;

/// Variables of a session or of a service manager, which are of no use to a step.
const USUAL: [&str; 22] = [
    "SHELL",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
    "TERM",
    "COLORTERM",
    "LOGNAME",
    "MAIL",
    "HOSTNAME",
    "LS_COLORS",
    "LESSOPEN",
    "LESSCLOSE",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID",
    "MANAGERPID",
    "MAINPID",
    "NOTIFY_SOCKET",
    "EDITOR",
    "PAGER",
    "DISPLAY",
];

/// How the names of others of them begin.
const USUAL_BEGINNINGS: [&str; 6] = ["XDG_", "DBUS_", "LC_", "QUIRE_", "MEMORY_PRESSURE_", "SSH_C"];

/// Logs their names, and how they are passed.
pub(super) fn log_unpassed(environment: &[(String, String)], settings: &Settings) {
    if let Some(line) = unpassed(environment.iter().map(|(name, _)| name.as_str()), &settings.pass_env) {
        tracing::info!("{line}");
    }
}

fn unpassed<'a>(names: impl Iterator<Item = &'a str>, passed: &[String]) -> Option<String> {
    let is_usual = |name: &str| {
        USUAL.contains(&name) || USUAL_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
    };
    let is_known = |name: &str| INHERITED.contains(&name) || TARGET_VARIABLES.contains(&name);
    let mut names: Vec<&str> = names
        .filter(|name| !is_known(name) && !is_usual(name) && !passed.iter().any(|p| p == name))
        .collect();
    names.sort_unstable();
    names.dedup();
    let first = names.first()?;
    Some(format!(
        "steps do not see these variables of the environment: {}; config.fnl passes them: {{:pass-env [\"{first}\"]}}",
        first_of(names.iter(), MAX_NAMES)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_step_might_miss_is_named() {
        let names = ["PATH", "TERM", "XDG_RUNTIME_DIR", "SLACK_WEBHOOK_URL", "PGHOST", "API_TOKEN", "PASSED"];
        let line = unpassed(names.into_iter(), &["PASSED".to_owned()]).unwrap();
        assert!(line.contains("environment: API_TOKEN, PGHOST; config.fnl"), "{line}");
        assert_eq!(unpassed(["PATH", "HOME"].into_iter(), &[]), None);
        let many: Vec<String> = (10..40).map(|number| format!("V{number}")).collect();
        assert!(unpassed(many.iter().map(String::as_str), &[]).unwrap().contains("V29 and 10 more;"));
    }
}
