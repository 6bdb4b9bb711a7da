//! The tables of sessions and of login links.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::tokens::read_grant;
use crate::model::{Grant, Timestamp};
use crate::secret::CredentialHash;

/// The session of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionRow {
    /// Who has signed in.
    pub(crate) actor: String,
    /// What the session gives.
    pub(crate) grant: Grant,
    /// The number of the token that was signed in with: the session ends with it.
    pub(crate) token: Option<i64>,
    /// When the session ends.
    pub(crate) expires_at: Timestamp,
}

/// Adds a session, and removes those that are over and the oldest above `most`.
pub(crate) fn insert_session(
    connection: &mut Connection,
    hash: &CredentialHash,
    session: &SessionRow,
    (at, most): (Timestamp, u32),
) -> Result<()> {
    let transaction = connection.transaction()?;
    let repos = session.grant.repos.as_ref().map(|repos| serde_json::json!(repos).to_string());
    transaction.execute("DELETE FROM sessions WHERE expires_at <= ?1", [at.as_millis()])?;
    transaction.execute(
        "INSERT INTO sessions (hash, actor, scopes, repos, token, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            hash.as_bytes(),
            session.actor,
            session.grant.words(),
            repos,
            session.token,
            at.as_millis(),
            session.expires_at.as_millis()
        ],
    )?;
    transaction.execute(
        "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions ORDER BY expires_at DESC LIMIT -1 OFFSET ?1)",
        [most],
    )?;
    transaction.commit()
}

/// The session with this hash, unless it or its token is over.
pub(crate) fn find_session(
    connection: &Connection,
    hash: &CredentialHash,
    at: Timestamp,
) -> Result<Option<SessionRow>> {
    connection
        .prepare_cached(
            "SELECT s.actor, s.scopes, s.repos, s.token, s.expires_at
             FROM sessions s LEFT JOIN tokens t ON t.id = s.token
             WHERE s.hash = ?1 AND s.expires_at > ?2 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ?2)",
        )?
        .query_row(params![hash.as_bytes(), at.as_millis()], |row| {
            Ok(SessionRow {
                actor: row.get(0)?,
                grant: read_grant(row, 1)?,
                token: row.get(3)?,
                expires_at: Timestamp::from_millis(row.get(4)?),
            })
        })
        .optional()
}

/// Removes a session; false when it does not exist.
pub(crate) fn delete_session(connection: &Connection, hash: &CredentialHash) -> Result<bool> {
    Ok(connection.execute("DELETE FROM sessions WHERE hash = ?1", [hash.as_bytes()])? > 0)
}

/// Adds a link that signs in once with every scope, and removes those that are over.
pub(crate) fn insert_login_link(
    connection: &Connection,
    hash: &CredentialHash,
    actor: &str,
    (at, expires_at): (Timestamp, Timestamp),
) -> Result<()> {
    connection.execute("DELETE FROM login_links WHERE expires_at <= ?1", [at.as_millis()])?;
    connection.execute(
        "INSERT INTO login_links (hash, actor, scopes, expires_at) VALUES (?1, ?2, ?3, ?4)",
        params![hash.as_bytes(), actor, Grant::everything().words(), expires_at.as_millis()],
    )?;
    Ok(())
}

/// Uses a link: whom it signs in, and with what; nothing when it was used, is over, or is none.
pub(crate) fn use_login_link(
    connection: &Connection,
    hash: &CredentialHash,
    at: Timestamp,
) -> Result<Option<(String, Grant)>> {
    // One statement decides: of two browsers that use a link at once, one has it.
    connection
        .prepare_cached(
            "UPDATE login_links SET used_at = ?2 WHERE hash = ?1 AND used_at IS NULL AND expires_at > ?2
             RETURNING actor, scopes, NULL",
        )?
        .query_row(params![hash.as_bytes(), at.as_millis()], |row| Ok((row.get(0)?, read_grant(row, 1)?)))
        .optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TokenName;
    use crate::secret::{Credential, CredentialKind};
    use crate::store::{NewToken, insert_token, revoke_token};

    fn hash() -> CredentialHash {
        Credential::new(CredentialKind::Session).unwrap().hash()
    }

    #[test]
    fn a_session_ends_by_itself_and_with_its_token() {
        let mut db = crate::store::open_empty().unwrap();
        let at = Timestamp::from_millis;
        let token = |name: &str, expires_at| {
            let name = TokenName::parse(name).unwrap();
            let (created_by, grant) = ("uid:0".to_owned(), Grant::everything());
            let new = NewToken { name, hash: hash(), grant, created_by, created_at: at(1), expires_at };
            insert_token(&db, &new).unwrap()
        };
        let (revoked, expiring) = (token("revoked", None), token("expiring", Some(at(20))));
        let session = |token, expires_at| SessionRow {
            actor: "token:x".to_owned(),
            grant: Grant { repos: Some(vec!["r1".to_owned()]), ..Grant::everything() },
            token,
            expires_at: at(expires_at),
        };
        let sessions = [session(None, 30), session(revoked, 90), session(expiring, 90)].map(|session| {
            let hash = hash();
            insert_session(&mut db, &hash, &session, (at(5), 3)).unwrap();
            (hash, session)
        });
        let found = |db: &Connection, now| {
            sessions.each_ref().map(|(hash, _)| find_session(db, hash, at(now)).unwrap())
        };
        assert_eq!(found(&db, 10), sessions.each_ref().map(|(_, session)| Some(session.clone())));
        revoke_token(&db, &TokenName::parse("revoked").unwrap(), at(11)).unwrap();
        assert_eq!(found(&db, 19).map(|session| session.is_some()), [true, false, true]);
        assert_eq!(found(&db, 20).map(|session| session.is_some()), [true, false, false]);
        assert_eq!(found(&db, 30).map(|session| session.is_some()), [false; 3]);
        // The oldest above the limit goes, and what is over.
        insert_session(&mut db, &hash(), &session(None, 99), (at(12), 3)).unwrap();
        assert_eq!(found(&db, 13)[0], None);
        insert_session(&mut db, &hash(), &session(None, 99), (at(90), 9)).unwrap();
        let left: i64 = db.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 2);
    }

    #[test]
    fn a_link_signs_in_once_and_in_time() {
        let db = crate::store::open_empty().unwrap();
        let at = Timestamp::from_millis;
        let (used, late) = (hash(), hash());
        for link in [&used, &late] {
            insert_login_link(&db, link, "uid:0", (at(1), at(10))).unwrap();
        }
        let signed_in = Some(("uid:0".to_owned(), Grant::everything()));
        assert_eq!(use_login_link(&db, &used, at(9)).unwrap(), signed_in);
        assert_eq!(use_login_link(&db, &used, at(9)).unwrap(), None);
        assert_eq!(use_login_link(&db, &late, at(10)).unwrap(), None);
        assert_eq!(use_login_link(&db, &hash(), at(2)).unwrap(), None);
        insert_login_link(&db, &hash(), "uid:0", (at(10), at(20))).unwrap();
        let left: i64 = db.query_row("SELECT count(*) FROM login_links", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 1);
    }
}
