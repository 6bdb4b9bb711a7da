//! Who may do what with which repository, by the operator's rules: one decision for ssh, HTTP and commands.

use super::{Quoted, RepoName, RepoNameError, Visibility};

/// What somebody may do with a repository; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum May {
    /// Clone it, see its runs and their logs.
    Read,
    /// Push to it, start, cancel and repeat runs.
    Write,
    /// Rename, describe and remove it, and make one of such a name.
    Admin,
}

impl May {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// What a word means.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|may| may.as_str() == word)
    }
}

/// Repositories by their names: `site`, `group/*`, or `*` for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepoPattern {
    /// Every repository.
    All,
    /// Every repository of a group.
    Group(String),
    /// One repository.
    One(RepoName),
}

/// Why a text is not a pattern of repositories.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepoPatternError {
    /// A `*` stands where none can.
    #[error("{0} is not a pattern: write `name`, `group/name`, `group/*` or `*`")]
    Star(Quoted),
    /// It is not a name.
    #[error(transparent)]
    Name(#[from] RepoNameError),
}

impl RepoPattern {
    /// Reads `name`, `group/name`, `group/*` or `*`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, RepoPatternError> {
        let star = || RepoPatternError::Star(Quoted::new(text));
        match text.strip_suffix('*') {
            Some("") => Ok(Self::All),
            Some(group) => {
                let group = group.strip_suffix('/').filter(|group| !group.contains(['*', '/']));
                let name = RepoName::parse(group.ok_or_else(star)?)?;
                Ok(Self::Group(name.as_str().to_owned()))
            }
            None if text.contains('*') => Err(star()),
            None => Ok(Self::One(RepoName::parse(text)?)),
        }
    }

    /// Whether a repository is meant.
    pub fn matches(&self, repo: &RepoName) -> bool {
        match self {
            Self::All => true,
            Self::Group(group) => repo.as_str().split_once('/').is_some_and(|(of, _)| of == group),
            Self::One(name) => name == repo,
        }
    }
}

/// Whom a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A user, by whatever way: an ssh key, or a proxy that names the user.
    User(String),
    /// A user who has come with an ssh key.
    KeyOf(String),
}

/// One rule of `:access`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRule {
    /// Whom it is about.
    pub subject: Subject,
    /// The repositories.
    pub repos: Vec<RepoPattern>,
    /// What it allows.
    pub may: May,
}

/// Somebody who has said who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// Whether an ssh key has proved it.
    pub by_key: bool,
    /// What the key is limited to, if it is.
    pub limit: Option<KeyLimit>,
}

/// What a deploy key opens, whatever the rules say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLimit {
    /// The ids of the repositories; every one that its user may use when absent.
    pub repos: Option<Vec<String>>,
    /// The most that it may.
    pub may: May,
}

/// A repository that is asked for: its id, if it exists, and its name.
#[derive(Debug, Clone, Copy)]
pub struct AskedRepo<'a> {
    /// The id.
    pub id: &'a str,
    /// The name.
    pub name: &'a RepoName,
}

/// What somebody may do, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The most that is allowed; nothing at all when absent.
    pub may: Option<May>,
    /// Why.
    pub because: Because,
}

/// Why somebody may do what is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// This rule of `:access`, counted from 1.
    Rule(usize),
    /// The deploy key.
    Key,
    /// Everybody may read it.
    Visibility(&'static str),
    /// No rule is about this.
    NoRule,
}

/// Decides what somebody may do with a repository of this visibility.
pub fn decide(
    rules: &[AccessRule],
    person: &Person,
    repo: AskedRepo<'_>,
    visibility: Visibility,
) -> Decision {
    let by_rules = || strongest(rules, person, |rule| rule.covers(repo.name));
    let given = match &person.limit {
        Some(KeyLimit { repos: Some(repos), may }) => {
            repos.iter().any(|id| id == repo.id).then_some((*may, Because::Key))
        }
        Some(KeyLimit { repos: None, may }) => {
            by_rules().map(|(given, why)| if given > *may { (*may, Because::Key) } else { (given, why) })
        }
        None => by_rules(),
    };
    match given {
        Some((may, because)) => Decision { may: Some(may), because },
        None if visibility != Visibility::Private => {
            Decision { may: Some(May::Read), because: Because::Visibility(visibility.as_str()) }
        }
        None => Decision { may: None, because: Because::NoRule },
    }
}

/// What somebody may do with every repository, which is what concerns the whole server.
pub fn everywhere(rules: &[AccessRule], person: &Person) -> Option<May> {
    if person.limit.is_some() {
        return None;
    }
    strongest(rules, person, |rule| rule.repos.contains(&RepoPattern::All)).map(|(may, _)| may)
}

/// What somebody may do with a repository of this name that does not exist yet.
pub fn for_new(rules: &[AccessRule], person: &Person, name: &RepoName) -> Option<May> {
    if person.limit.is_some() {
        return None;
    }
    strongest(rules, person, |rule| rule.covers(name)).map(|(may, _)| may)
}

impl AccessRule {
    fn covers(&self, repo: &RepoName) -> bool {
        self.repos.iter().any(|pattern| pattern.matches(repo))
    }

    fn is_about(&self, person: &Person) -> bool {
        match &self.subject {
            Subject::User(name) => *name == person.name,
            Subject::KeyOf(name) => person.by_key && *name == person.name,
        }
    }
}

/// The rule that allows most, the first of several.
fn strongest(
    rules: &[AccessRule],
    person: &Person,
    fits: impl Fn(&AccessRule) -> bool,
) -> Option<(May, Because)> {
    let fitting = rules.iter().enumerate().filter(|(_, rule)| rule.is_about(person) && fits(rule));
    fitting
        .max_by_key(|(place, rule)| (rule.may, std::cmp::Reverse(*place)))
        .map(|(place, rule)| (rule.may, Because::Rule(place + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(subject: Subject, repos: &[&str], may: May) -> AccessRule {
        let repos = repos.iter().map(|text| RepoPattern::parse(text).unwrap()).collect();
        AccessRule { subject, repos, may }
    }

    #[test]
    fn the_strongest_rule_decides_and_a_deploy_key_opens_its_repositories_only() {
        let user = |name: &str| Subject::User(name.to_owned());
        let rules = [
            rule(user("kim"), &["*"], May::Read),
            rule(user("kim"), &["site", "group/*"], May::Write),
            rule(Subject::KeyOf("ada".to_owned()), &["site"], May::Admin),
        ];
        let person = |name: &str, by_key| Person { name: name.to_owned(), by_key, limit: None };
        let of = |person: &Person, repo: &str, visibility| {
            let name = RepoName::parse(repo).unwrap();
            let decision = decide(&rules, person, AskedRepo { id: repo, name: &name }, visibility);
            (decision.may, decision.because)
        };
        let private = |person: &Person, repo: &str| of(person, repo, Visibility::Private);
        let (kim, ada) = (person("kim", true), person("ada", true));
        assert_eq!(private(&kim, "site"), (Some(May::Write), Because::Rule(2)));
        assert_eq!(private(&kim, "group/x"), (Some(May::Write), Because::Rule(2)));
        for other in ["other", "groups/x", "group"] {
            assert_eq!(private(&kim, other), (Some(May::Read), Because::Rule(1)), "{other}");
        }
        assert_eq!(private(&ada, "site"), (Some(May::Admin), Because::Rule(3)));
        assert_eq!(private(&person("ada", false), "site"), (None, Because::NoRule));
        assert_eq!(private(&person("Kim", true), "site"), (None, Because::NoRule));
        assert_eq!(
            of(&person("eve", true), "site", Visibility::Unlisted),
            (Some(May::Read), Because::Visibility("unlisted"))
        );
        let deploy = |repos: Option<&[&str]>, may| {
            let repos = repos.map(|repos| repos.iter().map(|id| (*id).to_owned()).collect());
            Person { limit: Some(KeyLimit { repos, may }), ..kim.clone() }
        };
        assert_eq!(private(&deploy(Some(&["other"]), May::Read), "site"), (None, Because::NoRule));
        assert_eq!(private(&deploy(Some(&["other"]), May::Write), "other"), (Some(May::Write), Because::Key));
        assert_eq!(private(&deploy(None, May::Read), "site"), (Some(May::Read), Because::Key));
        assert_eq!((everywhere(&rules, &kim), everywhere(&rules, &ada)), (Some(May::Read), None));
        assert_eq!(everywhere(&rules, &deploy(None, May::Write)), None);
        assert_eq!(for_new(&rules, &kim, &RepoName::parse("group/new").unwrap()), Some(May::Write));
    }

    #[test]
    fn patterns_are_names_with_a_star_in_one_place() {
        assert_eq!(RepoPattern::parse("*").unwrap(), RepoPattern::All);
        assert_eq!(RepoPattern::parse("group/*").unwrap(), RepoPattern::Group("group".to_owned()));
        assert!(RepoPattern::parse("site.git").unwrap().matches(&RepoName::parse("site").unwrap()));
        for text in ["", "**", "a*", "*/a", "a/b/*", "/*", "../*", "a/**", "a/*/b", "-x"] {
            assert!(RepoPattern::parse(text).is_err(), "{text}");
        }
    }
}
