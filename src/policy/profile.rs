//! Which profile holds for a run, and who said so.

use serde::{Deserialize, Serialize};

use super::decision::{DENIED, Decision, PolicyPoint, Verdict};
use super::hint::config_line;
use crate::config::PolicySettings;
use crate::model::Profile;

/// Who chose a profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileSource {
    /// Nobody: it is the default.
    #[default]
    Default,
    /// `:profile` in `config.fnl`.
    Config,
    /// `--profile`.
    Flag,
    /// The variable `QUIRE_PROFILE`.
    Environment,
    /// The pipeline.
    Request,
}

/// Chooses: what the pipeline requests, otherwise the environment, otherwise the flag, otherwise `config.fnl`, otherwise `secure`. A pipeline may
/// always ask for a stricter profile than the operator's, and for a laxer one only when `may_request` lists it.
///
/// # Errors
/// Gives the denial, whose subject is `profile`.
pub fn choose(
    request: Option<Profile>,
    env: Option<Profile>,
    flag: Option<Profile>,
    config: Option<Profile>,
    may_request: &[Profile],
) -> Result<(Profile, ProfileSource), Decision> {
    let said =
        [(env, ProfileSource::Environment), (flag, ProfileSource::Flag), (config, ProfileSource::Config)];
    let operators = said.into_iter().find_map(|(profile, source)| Some((profile?, source)));
    let operators = operators.unwrap_or_default();
    let Some(requested) = request else { return Ok(operators) };
    if requested <= operators.0 || may_request.contains(&requested) {
        return Ok((requested, ProfileSource::Request));
    }
    let mut requests = may_request.to_vec();
    requests.push(requested);
    let open = PolicySettings { profile: config, requests, ..PolicySettings::default() };
    Err(Decision {
        subject: "profile".to_owned(),
        point: PolicyPoint::Profile,
        verdict: Verdict::Deny,
        code: DENIED,
        reason: format!(
            "the profile `{requested}` is laxer than `{}`, and a push cannot request it",
            operators.0
        ),
        hint: Some(config_line(&open)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECURE: Option<Profile> = Some(Profile::Secure);
    const PERMISSIVE: Option<Profile> = Some(Profile::Permissive);
    const DISABLED: Option<Profile> = Some(Profile::Disabled);

    #[test]
    fn the_first_message_chooses() {
        let chosen = |request, env, flag, config| choose(request, env, flag, config, &[]);
        let cases = [
            (chosen(None, None, None, None), Profile::Secure, ProfileSource::Default),
            (chosen(None, None, None, DISABLED), Profile::Disabled, ProfileSource::Config),
            (chosen(None, None, PERMISSIVE, DISABLED), Profile::Permissive, ProfileSource::Flag),
            (chosen(None, SECURE, PERMISSIVE, DISABLED), Profile::Secure, ProfileSource::Environment),
            (chosen(SECURE, DISABLED, PERMISSIVE, None), Profile::Secure, ProfileSource::Request),
            (chosen(PERMISSIVE, DISABLED, None, None), Profile::Permissive, ProfileSource::Request),
            (chosen(SECURE, None, None, None), Profile::Secure, ProfileSource::Request),
        ];
        for (index, (found, profile, source)) in cases.into_iter().enumerate() {
            assert_eq!(found, Ok((profile, source)), "{index}");
        }
    }

    #[test]
    fn a_laxer_profile_needs_the_operators_leave() {
        let denied = choose(PERMISSIVE, None, None, SECURE, &[]).unwrap_err();
        assert_eq!((denied.code, denied.verdict), (DENIED, Verdict::Deny));
        assert_eq!(
            denied.hint.as_deref(),
            Some("in config.fnl: {:policy {:profile :secure :requests [:permissive]}}")
        );
        assert!(choose(PERMISSIVE, None, None, SECURE, &[Profile::Permissive]).is_ok());
        let denied = choose(DISABLED, None, None, None, &[Profile::Permissive]).unwrap_err();
        assert!(denied.hint.unwrap().contains("{:requests [:permissive :disabled]}"));
        // The operator's strict variable is not undone by a laxer file.
        assert!(choose(DISABLED, SECURE, None, DISABLED, &[]).is_err());
    }

    #[test]
    fn the_hint_of_a_denial_allows_what_was_denied() {
        for config in [None, SECURE, PERMISSIVE] {
            for requested in [Profile::Permissive, Profile::Disabled] {
                let Err(denied) = choose(Some(requested), None, None, config, &[]) else { continue };
                let table = crate::policy::hint::tests::table_of(denied.hint.as_deref().unwrap());
                let read = crate::config::read(table.as_bytes()).unwrap().policy;
                let again = choose(Some(requested), None, None, read.profile, &read.requests);
                assert_eq!(again, Ok((requested, ProfileSource::Request)), "{table}");
            }
        }
    }
}
