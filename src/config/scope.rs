//! Whom a secret is granted to. Full names, exact match; an empty list grants it to all.

use super::settings::SecretDecl;
use crate::event::Trigger;
use crate::model::{RefName, RepoName};

/// The events that `:events` of a secret may name in this version.
pub(super) const EVENTS: [Trigger; 3] = [Trigger::Push, Trigger::Watch, Trigger::Manual];

/// A run that requests secrets.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Its repository; nothing for a working copy, which no `:repos` names.
    pub repo: Option<&'a RepoName>,
    /// Its ref; nothing for a run that is about none, which no `:refs` name.
    pub ref_name: Option<&'a RefName>,
    /// What started it. The code of a watched repository is somebody else's: it gets only what names it in `:repos`.
    pub event: Trigger,
}

/// A grant that a run does not have: the key of the secret in `config.fnl`, and what would have to stand there.
pub type MissingGrant = (String, String);

impl SecretDecl {
    /// The grants that a run lacks; none when some job of it may have the secret.
    pub(crate) fn missing(&self, asker: Asker<'_>) -> Vec<MissingGrant> {
        let mut missing = Vec::new();
        let mut lacks = |key: &str, value: String| missing.push((key.to_owned(), value));
        let needs_name = !self.repos.is_empty() || asker.event == Trigger::Watch;
        if needs_name && !asker.repo.is_some_and(|repo| self.repos.contains(repo)) {
            lacks("repos", asker.repo.map_or_else(|| "a working copy".to_owned(), ToString::to_string));
        }
        if !self.refs.is_empty() && !asker.ref_name.is_some_and(|name| self.refs.contains(name)) {
            lacks(
                "refs",
                asker.ref_name.map_or_else(|| "a run without a ref".to_owned(), ToString::to_string),
            );
        }
        if !self.events.is_empty() && !self.events.contains(&asker.event) {
            lacks("events", asker.event.as_str().to_owned());
        }
        missing
    }

    /// Whether anything but its declaration limits which jobs get the secret.
    pub(crate) fn is_scoped(&self) -> bool {
        !(self.repos.is_empty() && self.refs.is_empty() && self.events.is_empty() && self.jobs.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    #[test]
    fn a_watched_repository_gets_what_names_it_and_nothing_else() {
        let settings =
            read(br#"{:secrets {:all "hunter22" :named {:file "/k" :repos ["mirror"]}}}"#).unwrap();
        let (watch, main) = (RepoName::parse("mirror").unwrap(), RefName::parse(b"refs/heads/main").unwrap());
        let asker = Asker { repo: Some(&watch), ref_name: Some(&main), event: Trigger::Watch };
        let missing: Vec<_> = settings.secrets.iter().map(|secret| secret.missing(asker)).collect();
        assert_eq!(missing, [vec![("repos".to_owned(), "mirror".to_owned())], Vec::new()]);
    }

    #[test]
    fn a_grant_is_a_full_name_and_nothing_near_it() {
        let text =
            r#"{:secrets {:key {:file "/k" :repos ["site"] :refs ["refs/heads/main"] :events [:push]}}}"#;
        let settings = read(text.as_bytes()).unwrap();
        let lacks = |repo: Option<&str>, name: &str, event: &str| {
            let repo = repo.map(|repo| RepoName::parse(repo).unwrap());
            let ref_name = RefName::parse(name.as_bytes()).ok();
            let event = Trigger::parse(event).unwrap();
            let asker = Asker { repo: repo.as_ref(), ref_name: ref_name.as_ref(), event };
            let missing = settings.secrets[0].missing(asker);
            missing.into_iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
        };
        for (repo, name, event, expected) in [
            (Some("site"), "refs/heads/main", "push", ""),
            (Some("site"), "refs/heads/Main", "push", "refs refs/heads/Main"),
            (Some("site"), "refs/tags/main", "push", "refs refs/tags/main"),
            (Some("site"), "refs/heads/refs/heads/main", "push", "refs refs/heads/refs/heads/main"),
            (Some("site"), "refs/heads/main2", "push", "refs refs/heads/main2"),
            (Some("group/site"), "refs/heads/main", "push", "repos group/site"),
            (Some("Site"), "refs/heads/main", "push", "repos Site"),
            (Some("site"), "refs/heads/main", "manual", "events manual"),
            (Some("site"), "refs/heads/main", "watch", "events watch"),
            (Some("site"), "", "push", "refs a run without a ref"),
            (None, "refs/heads/x", "watch", "repos a working copy, refs refs/heads/x, events watch"),
        ] {
            assert_eq!(lacks(repo, name, event), expected, "{repo:?} {name} {event}");
        }
    }
}
