//! Tokens: made, listed, revoked.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::operation::Operation;
use super::problem::{Code, Problem};
use super::state::AppState;
use crate::model::{
    AuditAction, Grant, Quoted, RepoName, Scope, Timestamp, TokenName, suggest, suggest_among,
};
use crate::secret::{Credential, CredentialKind};
use crate::store::{self, AuditEntry, NewToken, TokenRow};
use crate::sys::clock;

/// Other words that people have for scopes.
const KNOWN_AS: &[(&str, &str)] = &[
    ("read", "repos:read"),
    ("repo", "repos:read"),
    ("write", "repos:write"),
    ("runs", "runs:read"),
    ("logs", "logs:read"),
    ("all", "admin"),
    ("root", "admin"),
    ("watches:read", "sources:read"),
    ("watches:write", "sources:write"),
];

/// Scopes that hold for the whole server: a token for some repositories cannot have them.
const SERVER_SCOPES: [Scope; 3] = [Scope::SourcesRead, Scope::SourcesWrite, Scope::Admin];

/// A token is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateToken {
    pub(crate) name: String,
    /// The words of its scopes.
    pub(crate) scopes: Vec<String>,
    /// The repositories that it holds for; all when empty.
    pub(crate) repos: Vec<String>,
    /// When it ends by itself.
    pub(crate) expires_at: Option<String>,
    /// Who makes it.
    pub(crate) by: String,
}

/// A token that was made: what it is, and the token itself, which is shown only now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct CreatedToken {
    /// The token.
    pub(crate) token: String,
    /// What it is.
    pub(crate) view: TokenView,
}

/// A token is revoked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeToken {
    pub(crate) name: String,
    /// Who revokes it.
    pub(crate) by: String,
}

/// A token, without what is secret of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenView {
    /// Its name.
    pub(crate) name: String,
    /// The words of its scopes.
    pub(crate) scopes: Vec<String>,
    /// The names of the repositories that it holds for; nothing for all.
    pub(crate) repos: Option<Vec<String>>,
    /// Who made it.
    pub(crate) created_by: String,
    /// When.
    pub(crate) created_at: String,
    /// When it ends by itself.
    pub(crate) expires_at: Option<String>,
    /// Whether it has ended by itself.
    pub(crate) expired: bool,
    /// When it was last used, to a minute.
    pub(crate) last_used_at: Option<String>,
}

impl Operation for CreateToken {
    type Answer = CreatedToken;

    const ROUTE: &'static str = "/tokens";

    async fn perform(self, app: &AppState) -> Result<CreatedToken, Problem> {
        let name = parse_name(&self.name)?;
        let scopes = parse_scopes(&self.scopes)?;
        let server_scope = scopes.iter().find(|scope| SERVER_SCOPES.contains(scope));
        if let Some(scope) = server_scope.filter(|_| !self.repos.is_empty()) {
            let text = format!("the scope `{}` holds for the whole server", scope.as_str());
            return Err(invalid(text).hint("leave out --repo, or make another token for it"));
        }
        let now = clock::now();
        let expires_at = self.expires_at.as_deref().map(|text| parse_expiry(text, now)).transpose()?;
        let repos = repositories(app, &self.repos).await?;
        let token = Credential::new(CredentialKind::Token).map_err(|error| Problem::failed(&error))?;
        let new = NewToken {
            name: name.clone(),
            hash: token.hash(),
            grant: Grant { scopes, repos: (!repos.is_empty()).then(|| repos.keys().cloned().collect()) },
            created_by: self.by,
            created_at: now,
            expires_at,
        };
        let insert = move |connection: &mut Connection| -> Result<TokenView, Problem> {
            let transaction = connection.transaction()?;
            let id = store::insert_token(&transaction, &new)?.ok_or_else(|| {
                Problem::new(Code::TokenExists, format!("the token `{}` already exists", new.name))
                    .hint(format!("revoke it first, or choose another name: quire token revoke {}", new.name))
            })?;
            let row = TokenRow { id, made: new, revoked_at: None, last_used_at: None };
            let view = view(&transaction, &row, now)?;
            AuditEntry::new(&view.created_by, AuditAction::TokenCreate)
                .on(&view.name)
                .with("scopes", view.scopes.clone())
                .with("repos", view.repos.clone())
                .with("expires_at", view.expires_at.clone())
                .insert(&transaction)?;
            transaction.commit()?;
            Ok(view)
        };
        let view = app.writer()?.call(insert).await??;
        tracing::info!("token {name} created by {}", view.created_by);
        Ok(CreatedToken { token: token.reveal().to_owned(), view })
    }
}

impl Operation for RevokeToken {
    type Answer = ();

    const ROUTE: &'static str = "/tokens/revoke";

    async fn perform(self, app: &AppState) -> Result<(), Problem> {
        let name = parse_name(&self.name)?;
        let (revoked, by) = (name.clone(), self.by.clone());
        let revoke = move |connection: &mut Connection| -> Result<(), Problem> {
            let transaction = connection.transaction()?;
            if store::revoke_token(&transaction, &revoked, clock::now())? {
                AuditEntry::new(by, AuditAction::TokenRevoke).on(&revoked).insert(&transaction)?;
                return Ok(transaction.commit()?);
            }
            let live = store::live_tokens(&transaction)?;
            let near = suggest(revoked.as_str(), live.iter().map(|token| token.made.name.as_str()));
            let hint = near.map_or_else(
                || "quire token list lists them".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            Err(Problem::new(Code::TokenNotFound, format!("the token `{revoked}` does not exist")).hint(hint))
        };
        app.writer()?.call(revoke).await??;
        app.passes.notify_waiters();
        tracing::info!("token {name} revoked by {}", self.by);
        Ok(())
    }
}

/// Lists the tokens that were not revoked, oldest first.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn list_tokens(app: &AppState) -> Result<Vec<TokenView>, Problem> {
    let list = |connection: &mut Connection| -> Result<Vec<TokenView>, Problem> {
        let now = clock::now();
        store::live_tokens(connection)?.iter().map(|token| view(connection, token, now)).collect()
    };
    app.store.call(list).await?
}

fn view(connection: &Connection, token: &TokenRow, now: Timestamp) -> Result<TokenView, Problem> {
    // A repository that was removed for good is shown by its id.
    let name = |id: &String| -> Result<String, Problem> {
        Ok(store::recorded_name(connection, id)?.map_or_else(|| id.clone(), |name| name.to_string()))
    };
    let repos = token.made.grant.repos.as_ref().map(|repos| repos.iter().map(name).collect::<Result<_, _>>());
    Ok(TokenView {
        name: token.made.name.to_string(),
        scopes: token.made.grant.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        repos: repos.transpose()?,
        created_by: token.made.created_by.clone(),
        created_at: token.made.created_at.to_string(),
        expires_at: token.made.expires_at.map(|time| time.to_string()),
        expired: token.made.expires_at.is_some_and(|time| time <= now),
        last_used_at: token.last_used_at.map(|time| time.to_string()),
    })
}

fn invalid(text: impl std::fmt::Display) -> Problem {
    Problem::new(Code::RequestInvalid, text)
}

fn parse_name(text: &str) -> Result<TokenName, Problem> {
    TokenName::parse(text).map_err(invalid)
}

fn parse_scopes(words: &[String]) -> Result<Vec<Scope>, Problem> {
    let all = || Scope::ALL.iter().map(|scope| scope.as_str());
    let list = || format!("the scopes are {}", all().collect::<Vec<_>>().join(", "));
    if words.is_empty() {
        return Err(invalid("a token needs a scope").hint(list()));
    }
    Grant::parse_scopes(words.iter().map(String::as_str)).map_err(|word| {
        let near = suggest_among(word, KNOWN_AS, all());
        let hint = near.map_or_else(list, |near| format!("did you mean `{near}`? {}", list()));
        invalid(format!("{} is not a scope", Quoted::new(word))).hint(hint)
    })
}

fn parse_expiry(text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    let time = Timestamp::parse(text)
        .ok_or_else(|| invalid(format!("{} is not a time of RFC 3339", Quoted::new(text))))?;
    if time <= now {
        return Err(invalid(format!("the token would have expired at {time}")).hint("name a time to come"));
    }
    Ok(time)
}

/// The repositories of some names, by id.
pub(super) async fn repositories(
    app: &AppState,
    names: &[String],
) -> Result<BTreeMap<String, RepoName>, Problem> {
    let mut found = BTreeMap::new();
    if names.is_empty() {
        return Ok(found);
    }
    let writing = AppState { store: app.writer()?, ..app.clone() };
    for name in names {
        let name = RepoName::parse(name).map_err(|error| Problem::caused_by(Code::RequestInvalid, &error))?;
        let asked = name.clone();
        let recorded = writing.store.call(move |connection| store::find_repo(connection, &asked)).await??;
        let repo = match recorded {
            Some(repo) => Some(repo),
            None => writing.repo(name.clone()).await?,
        };
        let missing = || {
            Problem::new(Code::RepoNotFound, format!("the repository {name} does not exist"))
                .hint("quire repo list lists them")
        };
        found.insert(repo.ok_or_else(missing)?.id, name);
    }
    Ok(found)
}
