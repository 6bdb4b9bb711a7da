//! What is looked at, when the server starts, of what stands between steps and this machine.

use std::ffi::OsStr;

use crate::config::{DataDir, Settings};
use crate::executor::find_bwrap;
use crate::model::Diagnostic;

/// Refuses a user that steps cannot have; says that there is no sandbox, which refuses runs and not the server, and what
/// the scopes of secrets cannot do.
///
/// # Errors
/// The mistake, with its place.
pub(super) fn check(settings: &Settings, data: &DataDir, path: Option<&str>) -> Result<(), Vec<Diagnostic>> {
    if let Some(user) = &settings.steps.user {
        user.account(data.path()).map_err(|wrong| vec![wrong])?;
    }
    let bwrap = || find_bwrap(path.map(OsStr::new)).is_some();
    if let Some(missing) = settings.steps.missing_sandbox(bwrap) {
        tracing::error!("no run can go on:\n{}", missing.render());
    }
    if is_open(settings) {
        tracing::warn!(
            "config.fnl scopes secrets: that binds (secret …), but not a step, which runs with the account of this server \
             and can read its files; :steps {{:user …}} or :steps {{:sandbox :bwrap}} would stand in between"
        );
    }
    Ok(())
}

/// Says that the code of watched repositories, which others may write, can read what the server can. `count` is how many
/// there are.
pub(super) fn warn_of_watches(settings: &Settings, count: usize) {
    if !has_wall(settings) && count > 0 {
        let are = if count == 1 { "1 repository is" } else { &format!("{count} repositories are") };
        tracing::warn!(
            "{are} watched: their steps run with the account of this server and can read its files; :steps {{:user …}} or \
             :steps {{:sandbox :bwrap}} would stand in between"
        );
    }
}

fn has_wall(settings: &Settings) -> bool {
    settings.steps.user.is_some() || settings.steps.sandbox.is_some()
}

/// Whether scopes promise what steps can get round.
fn is_open(settings: &Settings) -> bool {
    !has_wall(settings) && settings.secrets.iter().any(|secret| secret.is_scoped())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    #[test]
    fn scopes_without_a_wall_are_warned_of() {
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
