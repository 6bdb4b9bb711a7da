//! Whom a secret is granted to. Full names, exact match; an empty list grants it to all.

use super::settings::SecretDecl;
use crate::model::{RefName, RepoName};

/// What can start a run, as `:events` of a secret names it.
pub(super) const EVENTS: [&str; 2] = ["push", WATCH_EVENT];

/// The event of a watched repository. Its code is somebody else's: it gets only what names it in `:repos`.
pub const WATCH_EVENT: &str = "watch";

/// A run that wants secrets.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Its repository; nothing for a working copy, which no `:repos` names.
    pub repo: Option<&'a RepoName>,
    /// Its ref.
    pub ref_name: &'a RefName,
    /// What started it.
    pub event: &'a str,
}

/// A grant that a run does not have: the key of the secret in `config.fnl`, and what would have to stand there.
pub type MissingGrant = (String, String);

impl SecretDecl {
    /// The grants that a run lacks; none when some job of it may have the secret.
    pub fn missing(&self, asker: Asker<'_>) -> Vec<MissingGrant> {
        let mut missing = Vec::new();
        let mut lacks = |key: &str, value: String| missing.push((key.to_owned(), value));
        let needs_name = !self.repos.is_empty() || asker.event == WATCH_EVENT;
        if needs_name && !asker.repo.is_some_and(|repo| self.repos.contains(repo)) {
            lacks("repos", asker.repo.map_or_else(|| "a working copy".to_owned(), ToString::to_string));
        }
        if !self.refs.is_empty() && !self.refs.contains(asker.ref_name) {
            lacks("refs", asker.ref_name.to_string());
        }
        if !self.events.is_empty() && !self.events.iter().any(|event| event == asker.event) {
            lacks("events", asker.event.to_owned());
        }
        missing
    }

    /// Whether anything but its declaration stands between a job and the secret.
    pub fn is_scoped(&self) -> bool {
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
        let asker = Asker { repo: Some(&watch), ref_name: &main, event: WATCH_EVENT };
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
            let ref_name = RefName::parse(name.as_bytes()).unwrap();
            let asker = Asker { repo: repo.as_ref(), ref_name: &ref_name, event };
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
            (None, "refs/heads/x", "watch", "repos a working copy, refs refs/heads/x, events watch"),
        ] {
            assert_eq!(lacks(repo, name, event), expected, "{repo:?} {name} {event}");
        }
    }
}
