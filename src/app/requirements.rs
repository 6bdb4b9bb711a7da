//! What `config.fnl` requires of this machine, checked when the server starts and by the doctor.

use std::ffi::OsStr;

use crate::config::{DataDir, SecretDecl, Settings};
use crate::executor::find_bwrap;
use crate::model::{Diagnostic, render_all};
use crate::policy::bundle_problems;

/// Something of `config.fnl` that this machine does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirement {
    /// What it is, with its place.
    pub(crate) mistake: Diagnostic,
    /// The mistakes in another file that it consists of.
    pub(crate) details: Vec<Diagnostic>,
    /// What follows.
    pub(crate) why: &'static str,
    /// Whether no server starts with it.
    is_fatal: bool,
}

/// Everything that `config.fnl` requires of this machine and that is missing: the user of steps, the sandbox, what it
/// shows, the policy bundle. `path` is where programs are looked for. Blocking.
pub(crate) fn missing_requirements(
    settings: &Settings,
    data: &DataDir,
    path: Option<&str>,
) -> Vec<Requirement> {
    let steps = &settings.steps;
    let missing = |mistake, why| Requirement { mistake, details: Vec::new(), why, is_fatal: false };
    let refused = steps.user.as_ref().and_then(|user| user.account(data.path()).err());
    let user = refused.map(|mistake| Requirement { is_fatal: true, ..missing(mistake, "no server starts") });
    let bwrap = || find_bwrap(path.map(OsStr::new)).is_some();
    let sandbox = steps.missing_sandbox(bwrap).map(|mistake| missing(mistake, "no run can continue"));
    let shown = steps.missing_paths().into_iter();
    let shown = shown.map(|mistake| missing(mistake, "sandboxed steps cannot start"));
    let details = bundle_problems(&settings.policy, data.path());
    let bundle = settings.bundle.as_ref().filter(|_| !details.is_empty());
    let bundle = bundle.map(|node| {
        let mistake = node.error("the policy bundle cannot be used");
        Requirement { details, ..missing(mistake, "every container is denied") }
    });
    user.into_iter().chain(sandbox).chain(shown).chain(bundle).collect()
}

/// Refuses a user that steps cannot have; says what else is not there, which refuses runs and not the server, and what
/// the scopes of secrets cannot do.
///
/// # Errors
/// The mistake, with its place.
pub(crate) fn check_requirements(
    settings: &Settings,
    data: &DataDir,
    path: Option<&str>,
) -> Result<(), Vec<Diagnostic>> {
    let (fatal, others): (Vec<Requirement>, Vec<Requirement>) =
        missing_requirements(settings, data, path).into_iter().partition(|requirement| requirement.is_fatal);
    if !fatal.is_empty() {
        return Err(fatal.into_iter().map(|requirement| requirement.mistake).collect());
    }
    for requirement in others {
        tracing::error!(
            "{}:\n{}{}",
            requirement.why,
            requirement.mistake.render(),
            render_all(&requirement.details)
        );
    }
    if is_open(settings) {
        tracing::warn!(
            "config.fnl scopes secrets: that binds (secret …), but not a step, which runs with the account of this server \
             and can read its files; :steps {{:user …}} or :steps {{:sandbox :bwrap}} would prevent it"
        );
    }
    Ok(())
}

/// How the steps of a watched repository are isolated from this machine, and which secrets its jobs get: one line.
pub(crate) fn watch_note(settings: &Settings) -> String {
    let secrets = "its jobs get no secrets but those whose :repos name it";
    if is_isolated(settings) { secrets.to_owned() } else { format!("its steps {OPEN_TO_STEPS}; {secrets}") }
}

/// What holds for steps without isolation.
const OPEN_TO_STEPS: &str = "run with the account of the server and can read its files; :steps {:user …} or \
                             :steps {:sandbox :bwrap} would prevent it";

/// Reports that the code of watched repositories, which others may write, can read what the server can. `count` is how many
/// there are.
pub(crate) fn warn_of_watches(settings: &Settings, count: usize) {
    if !is_isolated(settings) && count > 0 {
        let are = if count == 1 { "1 repository is" } else { &format!("{count} repositories are") };
        tracing::warn!("{are} watched: their steps {OPEN_TO_STEPS}");
    }
}

fn is_isolated(settings: &Settings) -> bool {
    settings.steps.user.is_some() || settings.steps.sandbox.is_some()
}

/// Whether scopes promise what steps can get round.
fn is_open(settings: &Settings) -> bool {
    !is_isolated(settings) && settings.secrets.iter().any(SecretDecl::is_scoped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    #[test]
    fn scopes_without_isolation_are_warned_of() {
        let scopes = [":repos [\"a\"]", ":refs [\"refs/heads/main\"]", ":events [\"push\"]", ":jobs [\"a\"]"];
        for scope in scopes {
            let is_open = |steps: &str| {
                let text = format!("{{:secrets {{:a {{:file \"/a\" {scope}}}}} :steps {{{steps}}}}}");
                super::is_open(&read(text.as_bytes()).unwrap())
            };
            assert!(is_open("") && is_open(":network true"), "{scope}");
            assert!(!is_open(":sandbox :bwrap") && !is_open(":user \"nobody\""), "{scope}");
        }
        assert!(!is_open(&read(b"{:secrets {:a {:file \"/a\"} :b \"x\"}}").unwrap()));
    }
}
