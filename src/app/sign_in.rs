//! Who is behind a token, a session or a link; signing in and out.

use std::time::Duration;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Pass};
use super::operation::Operation;
use super::problem::{Code, Problem};
use super::state::AppState;
use crate::model::{AuditAction, Grant, Timestamp};
use crate::secret::{Credential, CredentialHash, CredentialKind};
use crate::store::{self, AuditEntry, SessionRow, Store, TokenRow};
use crate::sys::clock;

/// How long a browser stays signed in.
pub(crate) const MAX_SESSION_LIFE: Duration = Duration::from_secs(7 * 86_400);

/// How long a link of `quire login` can be used.
const LINK_LIFE: Duration = Duration::from_secs(5 * 60);

/// How many browsers are signed in at the same time; the one that signed in first is signed out.
const MAX_SESSIONS: u32 = 1000;

/// How exact the time is at which a token was last used: no more than one write for it in this time.
const USE_INTERVAL: Duration = Duration::from_secs(60);

/// A link is made that signs a browser in once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateLoginLink {
    /// Whom it signs in.
    pub(crate) by: String,
}

/// A link that signs a browser in once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LoginLink {
    /// Its address.
    pub(crate) url: String,
    /// Until when it can be used.
    pub(crate) expires_at: String,
}

impl Operation for CreateLoginLink {
    type Answer = LoginLink;

    const ROUTE: &'static str = "/login-links";

    async fn perform(self, app: &AppState) -> Result<LoginLink, Problem> {
        if app.local.is_some() {
            return Err(Problem::new(Code::ServerSilent, "no server answers").hint("start it: quire serve"));
        }
        let base = app.url.as_deref().ok_or_else(|| {
            Problem::new(Code::ServerSilent, "the server answers nowhere over TCP")
                .hint("start it with an address: quire serve --bind 127.0.0.1:7878")
        })?;
        let link = new_credential(CredentialKind::LoginLink)?;
        let (hash, now) = (link.hash(), clock::now());
        let expires_at = after(now, LINK_LIFE);
        let entry = AuditEntry::new(&self.by, AuditAction::LinkCreate);
        let insert = move |connection: &mut Connection| {
            store::insert_login_link(connection, &hash, &self.by, (now, expires_at))
        };
        app.store.call(insert).await??;
        app.audit(entry);
        let url = format!("{base}/login?link={}", link.reveal());
        Ok(LoginLink { url, expires_at: expires_at.to_string() })
    }
}

/// The caller with this token.
///
/// # Errors
/// When the token is unknown, has expired or was revoked.
pub(crate) async fn token_caller(app: &AppState, token: &str) -> Result<Caller, Problem> {
    let hash = token_hash(token)?;
    let token = live_token(app, hash).await?;
    Ok(caller(format!("token:{}", token.made.name), token.made.grant).with_pass(Pass::Token(hash)))
}

/// The caller with this session; nobody when it is over.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn session_caller(app: &AppState, session: &str) -> Result<Option<Caller>, Problem> {
    let Some(hash) = Credential::hash_of(CredentialKind::Session, session) else { return Ok(None) };
    let found = app.store.read(move |connection| store::find_session(connection, &hash, clock::now()));
    Ok(found.await??.map(|session| caller(session.actor, session.grant).with_pass(Pass::Session(hash))))
}

/// Waits until a caller would be refused with what it came in with: a token that was revoked or has expired, a session that is
/// over. Never ends for a caller that came in with neither.
pub(crate) async fn until_refused(app: &AppState, caller: &Caller) -> Problem {
    let Some(pass) = caller.pass() else { return std::future::pending().await };
    loop {
        let mut changed = std::pin::pin!(app.passes.notified());
        // Listened first, then looked: no change in between is missed.
        changed.as_mut().enable();
        let expires_at = match expiry_of(app, pass).await {
            Ok(expires_at) => expires_at,
            Err(problem) => return problem,
        };
        let expired = async {
            match expires_at {
                Some(at) => tokio::time::sleep(until(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed => {}
            () = expired => {}
        }
    }
}

/// When what a caller came in with ends by itself.
async fn expiry_of(app: &AppState, pass: Pass) -> Result<Option<Timestamp>, Problem> {
    match pass {
        Pass::Token(hash) => Ok(live_token(app, hash).await?.made.expires_at),
        Pass::Session(hash) => {
            let found =
                app.store.read(move |connection| store::find_session(connection, &hash, clock::now()));
            let over = || Problem::new(Code::CredentialsMissing, "the session is over").hint("sign in again");
            Ok(Some(found.await??.ok_or_else(over)?.expires_at))
        }
    }
}

/// How long it is until a time, and a moment more.
fn until(at: Timestamp) -> Duration {
    let left = at.as_millis().saturating_sub(clock::now().as_millis());
    Duration::from_millis(u64::try_from(left).unwrap_or_default().saturating_add(1))
}

/// Signs a browser in with a token: the secret of its session.
///
/// # Errors
/// When the token is unknown, has expired or was revoked.
pub(crate) async fn sign_in_with_token(app: &AppState, token: &str) -> Result<Credential, Problem> {
    let token = live_token(app, token_hash(token)?).await?;
    let life = after(clock::now(), MAX_SESSION_LIFE);
    let session = SessionRow {
        actor: format!("token:{}", token.made.name),
        grant: token.made.grant,
        token: Some(token.id),
        expires_at: token.made.expires_at.map_or(life, |expiry| expiry.min(life)),
    };
    sign_in(app, session).await
}

/// Signs a browser in with a link: the secret of its session.
///
/// # Errors
/// When the link was used or is over.
pub(crate) async fn sign_in_with_link(app: &AppState, link: &str) -> Result<Credential, Problem> {
    let over = || {
        Problem::new(Code::LoginOver, "this link was used before, or has expired")
            .hint("quire login prints another one")
    };
    let hash = Credential::hash_of(CredentialKind::LoginLink, link).ok_or_else(over)?;
    let now = clock::now();
    let used = app.store.call(move |connection| store::use_login_link(connection, &hash, now)).await??;
    let (actor, grant) = used.ok_or_else(over)?;
    sign_in(app, SessionRow { actor, grant, token: None, expires_at: after(now, MAX_SESSION_LIFE) }).await
}

/// Ends a session.
///
/// # Errors
/// When the database cannot be written.
pub(crate) async fn sign_out(app: &AppState, session: &str) -> Result<(), Problem> {
    let Some(hash) = Credential::hash_of(CredentialKind::Session, session) else { return Ok(()) };
    let delete = move |connection: &mut Connection| -> rusqlite::Result<Option<SessionRow>> {
        let session = store::find_session(connection, &hash, clock::now())?;
        store::delete_session(connection, &hash)?;
        Ok(session)
    };
    if let Some(session) = app.store.call(delete).await?? {
        app.passes.notify_waiters();
        app.audit(AuditEntry::new(session.actor, AuditAction::SignOut));
    }
    Ok(())
}

async fn sign_in(app: &AppState, session: SessionRow) -> Result<Credential, Problem> {
    let secret = new_credential(CredentialKind::Session)?;
    let (hash, actor) = (secret.hash(), session.actor.clone());
    let insert = move |connection: &mut Connection| {
        store::insert_session(connection, &hash, &session, (clock::now(), MAX_SESSIONS))
    };
    app.store.call(insert).await??;
    tracing::info!("{actor} signed in");
    app.audit(AuditEntry::new(actor, AuditAction::SignIn));
    Ok(secret)
}

/// The hash of a text that may be a token.
fn token_hash(text: &str) -> Result<CredentialHash, Problem> {
    Credential::hash_of(CredentialKind::Token, text).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::new(Code::TokenUnknown, "the token is unknown").hint("is it complete?")
}

/// The token with a hash, if it can be used now.
async fn live_token(app: &AppState, hash: CredentialHash) -> Result<TokenRow, Problem> {
    let now = clock::now();
    let token = used_token(&app.store, hash, now).await?;
    let renew = format!("quire token new NAME --scope {}", token.made.grant.words().replace(' ', ","));
    if token.revoked_at.is_some() {
        return Err(Problem::new(Code::TokenRevoked, format!("the token {} was revoked", token.made.name))
            .hint(renew));
    }
    match token.made.expires_at {
        Some(expiry) if expiry <= now => {
            let text = format!("the token {} expired at {expiry}", token.made.name);
            Err(Problem::new(Code::TokenExpired, text).hint(renew))
        }
        Some(_) | None => Ok(token),
    }
}

/// Finds a token, and records that it is used unless that was recorded a moment ago.
async fn used_token(database: &Store, hash: CredentialHash, now: Timestamp) -> Result<TokenRow, Problem> {
    let found = database.read(move |connection| store::find_token(connection, &hash)).await??;
    let token = found.ok_or_else(unknown)?;
    let id = token.id;
    if token.last_used_at.is_none_or(|last| after(last, USE_INTERVAL) <= now) {
        // A token can be used while nothing can be written: for reading.
        if let Err(error) = database.call(move |connection| store::touch_token(connection, id, now)).await? {
            tracing::debug!(%error, "the use of a token was not recorded");
        }
    }
    Ok(token)
}

fn caller(actor: String, grant: Grant) -> Caller {
    Caller::with_scopes(actor, grant.scopes, grant.repos)
}

fn new_credential(kind: CredentialKind) -> Result<Credential, Problem> {
    Credential::new(kind).map_err(|error| Problem::failed(&error))
}

fn after(time: Timestamp, duration: Duration) -> Timestamp {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.as_millis().saturating_add(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TokenName;
    use crate::store::{NewToken, insert_token};

    #[tokio::test]
    async fn the_use_of_a_token_is_written_once_a_minute() {
        let db = store::open_empty().unwrap();
        let at = Timestamp::from_millis;
        let hash = Credential::new(CredentialKind::Token).unwrap().hash();
        let (name, grant) = (TokenName::parse("ci").unwrap(), Grant::everything());
        let (created_by, created_at) = ("uid:0".to_owned(), at(0));
        insert_token(&db, &NewToken { name, hash, grant, created_by, created_at, expires_at: None }).unwrap();
        let (database, _) = Store::start(db);
        for (now, recorded) in [(5, 5), (60_004, 5), (60_005, 60_005), (60_006, 60_005)] {
            used_token(&database, hash, at(now)).await.unwrap();
            let found = database.read(move |db| store::find_token(db, &hash)).await;
            let token = found.unwrap().unwrap().unwrap();
            assert_eq!(token.last_used_at, Some(at(recorded)), "{now}");
        }
    }
}
