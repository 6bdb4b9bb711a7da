//! The policy of one run: the operator's settings, and what the push asked for.

use std::path::Path;

use super::decision::Decision;
use super::hint::config_line;
use super::policy::Policy;
use super::profile::choose;
use crate::config::PolicySettings;
use crate::model::Profile;

/// How the push option begins that asks for a profile.
const REQUEST: &str = "ci.profile=";

/// The profiles that the operator chose where quire was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StartProfiles {
    /// The variable `QUIRE_PROFILE`.
    pub(crate) environment: Option<Profile>,
    /// `--profile`.
    pub(crate) flag: Option<Profile>,
}

/// The policy of a run whose push had these options; reads the bundle. Blocking.
///
/// With what was asked for and is not granted, the denial comes with the policy that holds without the request.
pub fn policy_of_run(
    settings: &PolicySettings,
    data_dir: &Path,
    start: StartProfiles,
    push_options: &[String],
) -> (Policy, Option<Decision>) {
    let asked = push_options.iter().rev().find_map(|option| option.strip_prefix(REQUEST));
    let (environment, flag, config) = (start.environment, start.flag, settings.profile);
    let loaded = Policy::load(settings, data_dir, Default::default());
    let of_bundle = loaded.rules().map(|bundle| bundle.requests.as_slice()).unwrap_or_default();
    let may_request = [settings.requests.as_slice(), of_bundle].concat();
    let choose = |request| choose(request, environment, flag, config, &may_request);
    let chosen = match asked.map(Profile::parse).transpose() {
        Ok(request) => choose(request),
        Err(error) => Err(super::decision::invalid_profile(error.to_string())),
    };
    let (chosen, denied) = match chosen {
        Ok(chosen) => (chosen, None),
        Err(denied) => (choose(None).unwrap_or_default(), Some(with_all_settings(denied, settings, asked))),
    };
    (Policy { profile: chosen.0, source: chosen.1, ..loaded }, denied)
}

/// The denial of a profile with a hint that keeps what the operator has written.
fn with_all_settings(denied: Decision, settings: &PolicySettings, asked: Option<&str>) -> Decision {
    let requested = asked.and_then(|name| Profile::parse(name).ok()).filter(|_| denied.hint.is_some());
    let Some(requested) = requested else { return denied };
    let mut settings = settings.clone();
    settings.requests.push(requested);
    Decision { hint: Some(config_line(&settings)), ..denied }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_of_a_refused_profile_keeps_what_is_written() {
        let settings = PolicySettings { network: vec!["bridge".into()], ..PolicySettings::default() };
        let folder = tempfile::tempdir().unwrap();
        let options = ["ci.profile=disabled".to_owned()];
        let (_, denied) = policy_of_run(&settings, folder.path(), StartProfiles::default(), &options);
        let hint = denied.and_then(|denied| denied.hint).unwrap();
        assert_eq!(hint, "in config.fnl: {:policy {:requests [:disabled] :network [\"bridge\"]}}");
    }

    #[test]
    fn a_bundle_may_open_what_a_run_asks_for() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rules.yaml"), "requests: [permissive]\n").unwrap();
        let settings = PolicySettings { bundle: Some("rules.yaml".into()), ..PolicySettings::default() };
        let of = |profile: &str| {
            let options = [format!("ci.profile={profile}")];
            let (policy, denied) =
                policy_of_run(&settings, folder.path(), StartProfiles::default(), &options);
            (policy.profile, denied.map(|denied| denied.code))
        };
        assert_eq!(of("permissive"), (Profile::Permissive, None));
        assert_eq!(of("disabled"), (Profile::Secure, Some("policy.denied")));
    }

    #[test]
    fn a_push_asks_and_the_operator_answers() {
        let folder = tempfile::tempdir().unwrap();
        let with = |requests: &[Profile], options: &[&str]| {
            let settings = PolicySettings { requests: requests.to_vec(), ..PolicySettings::default() };
            let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
            let (policy, denied) =
                policy_of_run(&settings, folder.path(), StartProfiles::default(), &options);
            (policy.profile, denied.map(|denied| denied.code))
        };
        assert_eq!(with(&[], &["ci.wait"]), (Profile::Secure, None));
        assert_eq!(with(&[], &["ci.profile=disabled"]), (Profile::Secure, Some("policy.denied")));
        assert_eq!(with(&[Profile::Disabled], &["ci.profile=disabled"]), (Profile::Disabled, None));
        assert_eq!(with(&[], &["ci.profile=lax"]), (Profile::Secure, Some("request.invalid")));
        assert_eq!(with(&[], &["ci.profile=disabled", "ci.profile=secure"]), (Profile::Secure, None));
    }
}
