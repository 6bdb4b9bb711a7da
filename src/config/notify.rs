//! What `config.fnl` says about notifications: targets, and rules that say what goes to which.

use std::time::Duration;

use super::settings::SecretSource;
use crate::model::{JobId, RefName, RepoName};

/// What `:notify` says.
#[derive(Debug, Clone)]
pub struct NotifySettings {
    /// Where messages can go.
    pub(crate) targets: Vec<TargetDecl>,
    /// What goes where.
    pub(crate) rules: Vec<NotifyRule>,
    /// Addresses that would be refused, as `host:port` in lower case.
    pub(crate) allow: Vec<String>,
    /// How long a run may be queued, or run, before it counts as stuck.
    pub(crate) stuck_after: Duration,
}

/// A place that messages can go to.
#[derive(Debug, Clone)]
pub struct TargetDecl {
    pub(crate) name: String,
    /// What it is, and where.
    pub(crate) address: TargetAddress,
    /// The repositories whose own rules may name it.
    pub(crate) repos: Vec<RepoName>,
}

/// What a target is, and where. Addresses of the web are secrets by nature: who has one can write there.
#[derive(Debug, Clone)]
pub enum TargetAddress {
    /// An incoming webhook of Slack, or of a compatible service.
    Slack(SecretSource),
    /// A webhook of Discord.
    Discord(SecretSource),
    /// A webhook of Teams that takes an adaptive card.
    Teams(SecretSource),
    /// Any program: JSON over HTTP.
    Webhook {
        /// The address.
        url: SecretSource,
        /// The key of the signature.
        hmac: Option<SecretSource>,
    },
    /// The address of `CUSTOM_WEBHOOK_URL`: a title and a message in JSON.
    Plain(SecretSource),
    /// Mail.
    Mail(MailDecl),
}

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct MailDecl {
    /// Whether TLS is spoken from the first byte on (`smtps://`).
    pub(crate) is_tls: bool,
    /// The server.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Who sends.
    pub(crate) from: String,
    /// Who gets it.
    pub(crate) to: Vec<String>,
    /// The login, with where its password is.
    pub(crate) login: Option<(String, SecretSource)>,
}

/// Says which events go to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyRule {
    /// The name of the target.
    pub(crate) to: String,
    pub(crate) on: Vec<NotifyEvent>,
    /// The repositories, by their full names; all when empty.
    pub(crate) repos: Vec<RepoName>,
    /// The refs, by their full names; all when empty.
    pub(crate) refs: Vec<RefName>,
    /// The jobs; all when empty.
    pub(crate) jobs: Vec<JobId>,
}

/// The events that can be notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyEvent {
    /// A run failed, timed out, was interrupted or denied, or its pipeline is broken.
    Failed,
    /// A run passed after one that failed on the same ref.
    Fixed,
    /// A run passed.
    Passed,
    /// A person stopped a run.
    Cancelled,
    /// A run is queued or running for too long.
    Stuck,
    /// A watched remote did something that is not a run.
    Watch,
}

impl NotifyEvent {
    /// All events.
    pub(crate) const ALL: [Self; 6] =
        [Self::Failed, Self::Fixed, Self::Passed, Self::Cancelled, Self::Stuck, Self::Watch];

    /// The events of a rule that names none: what somebody has to look at, and that it is over.
    pub(crate) const DEFAULT: [Self; 3] = [Self::Failed, Self::Fixed, Self::Watch];

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Fixed => "fixed",
            Self::Passed => "passed",
            Self::Cancelled => "cancelled",
            Self::Stuck => "stuck",
            Self::Watch => "watch",
        }
    }

    /// The event with this word, if there is one.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }
}

impl Default for NotifySettings {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            rules: Vec::new(),
            allow: Vec::new(),
            stuck_after: Duration::from_secs(2 * 3600),
        }
    }
}

impl NotifySettings {
    /// The names of the targets that the rules of a repository itself may name.
    pub(crate) fn targets_of(&self, repo: &RepoName) -> Vec<&str> {
        let open = self.targets.iter().filter(|target| target.repos.contains(repo));
        open.map(|target| target.name.as_str()).collect()
    }
}
