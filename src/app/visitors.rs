//! Who has come over ssh: sshd says which key was used, the rules say what that opens.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::accounts::holder_of_key;
use super::caller::Caller;
use super::operation::Operation;
use super::problem::{Code, Problem};
use super::served_repo::{GitUse, served_repo};
use super::state::AppState;
use crate::config::Settings;
use crate::model::{May, Person, RepoName, UserName, everywhere};

/// How somebody who has come over ssh is known. The settings of sshd say so, or a line of `authorized_keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Visitor {
    /// By the number of a key.
    Key(i64),
    /// By a name that stands in `authorized_keys`.
    User(String),
}

/// Asks who a visitor is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentifyVisitor {
    pub(crate) visitor: Visitor,
}

/// Who a visitor is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IdentifiedVisitor {
    pub(crate) name: String,
    /// Whether the key is a deploy key.
    pub(crate) is_limited: bool,
    /// Whether the visitor administers every repository, and so the server.
    pub(crate) is_admin: bool,
}

/// A visitor fetches from a repository, or pushes to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VisitRepo {
    /// Who; nobody in particular for the account of the server.
    pub(crate) visitor: Option<Visitor>,
    /// The name of the repository.
    pub(crate) repo: String,
    /// Whether it is a push.
    pub(crate) push: bool,
}

/// The repository that is visited.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VisitedRepo {
    /// Its name now.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) path: PathBuf,
}

impl Visitor {
    /// The visitor as the value of a header of the Unix socket.
    pub(crate) fn to_header(&self) -> String {
        match self {
            Self::Key(id) => format!("key {id}"),
            Self::User(name) => format!("user {name}"),
        }
    }

    /// Reads such a value.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ')? {
            ("key", id) => id.parse().ok().map(Self::Key),
            ("user", name) => UserName::parse(name).ok().map(|name| Self::User(name.to_string())),
            _ => None,
        }
    }
}

/// A visitor as somebody who asks.
///
/// # Errors
/// When the key was removed, or the settings cannot be read.
pub(crate) async fn visitor_caller(app: &AppState, visitor: &Visitor) -> Result<Caller, Problem> {
    Ok(Caller::person(person(app, visitor).await?, settings(app).await?))
}

/// Somebody of this name, known by a key.
///
/// # Errors
/// When the name is invalid, or the settings cannot be read.
pub(crate) async fn named_caller(app: &AppState, name: &str) -> Result<Caller, Problem> {
    visitor_caller(app, &Visitor::User(name.to_owned())).await
}

async fn person(app: &AppState, visitor: &Visitor) -> Result<Person, Problem> {
    match visitor {
        Visitor::Key(id) => holder_of_key(app, *id).await?.ok_or_else(|| {
            Problem::new(Code::KeyNotFound, "the key of this connection was removed")
                .hint("whoever operates the server adds it again: quire key add USER FILE")
        }),
        Visitor::User(name) => {
            let name =
                UserName::parse(name).map_err(|error| Problem::caused_by(Code::RequestInvalid, &error))?;
            Ok(Person { name: name.to_string(), by_key: true, limit: None })
        }
    }
}

/// The settings as they are valid now. Without a server, those of a file that cannot be used open nothing.
async fn settings(app: &AppState) -> Result<Arc<Settings>, Problem> {
    let settings = Arc::clone(&app.settings);
    app.block(move || {
        settings.read().map_err(|_| {
            Problem::new(Code::ConfigInvalid, "config.fnl cannot be used, so nobody's rights are known")
                .hint("whoever operates the server sees the mistakes in the server's log")
        })
    })
    .await
}

impl Operation for IdentifyVisitor {
    type Answer = IdentifiedVisitor;

    const ROUTE: &'static str = "/visitors";

    async fn perform(self, app: &AppState) -> Result<IdentifiedVisitor, Problem> {
        let person = person(app, &self.visitor).await?;
        let is_admin = everywhere(&settings(app).await?.access, &person) == Some(May::Admin);
        Ok(IdentifiedVisitor { is_limited: person.limit.is_some(), is_admin, name: person.name })
    }
}

impl Operation for VisitRepo {
    type Answer = VisitedRepo;

    const ROUTE: &'static str = "/visits";

    async fn perform(self, app: &AppState) -> Result<VisitedRepo, Problem> {
        let name =
            RepoName::parse(&self.repo).map_err(|error| Problem::caused_by(Code::RequestInvalid, &error))?;
        let caller = match &self.visitor {
            Some(visitor) => visitor_caller(app, visitor).await?,
            None => Caller::socket(crate::sys::user::own_uid()),
        };
        let git_use = if self.push { GitUse::Push } else { GitUse::Fetch };
        let served = served_repo(app, &caller, (&name, git_use)).await?;
        Ok(VisitedRepo { name: served.name.to_string(), path: served.path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_survives_as_a_header_and_nothing_else_is_one() {
        for visitor in [Visitor::Key(7), Visitor::User("kim".to_owned())] {
            assert_eq!(Visitor::parse(&visitor.to_header()), Some(visitor));
        }
        for text in ["", "key", "key ", "key x", "user ", "user a b", "uid 0", "Key 1", "key  1"] {
            assert_eq!(Visitor::parse(text), None, "{text}");
        }
    }
}
