//! The table of tokens.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::damaged::damaged;
use crate::model::{Grant, Timestamp, TokenName};
use crate::secret::CredentialHash;

/// A token to be kept.
#[derive(Debug, Clone)]
pub(crate) struct NewToken {
    pub(crate) name: TokenName,
    pub(crate) hash: CredentialHash,
    /// What it gives.
    pub(crate) grant: Grant,
    /// Who made it.
    pub(crate) created_by: String,
    /// When.
    pub(crate) created_at: Timestamp,
    /// When it ends by itself.
    pub(crate) expires_at: Option<Timestamp>,
}

/// A token that is kept.
#[derive(Debug, Clone)]
pub(crate) struct TokenRow {
    /// Its number.
    pub(crate) id: i64,
    /// What it was made with.
    pub(crate) made: NewToken,
    /// When it was revoked.
    pub(crate) revoked_at: Option<Timestamp>,
    /// When it was last used, to a minute.
    pub(crate) last_used_at: Option<Timestamp>,
}

/// Adds a token; its number, or nothing when one of this name exists.
pub(crate) fn insert_token(connection: &Connection, token: &NewToken) -> Result<Option<i64>> {
    let repos = token.grant.repos.as_ref().map(|repos| serde_json::json!(repos).to_string());
    let inserted = connection
        .prepare_cached(
            "INSERT INTO tokens (name, hash, scopes, repos, created_by, created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            token.name.as_str(),
            token.hash.as_bytes(),
            token.grant.words(),
            repos,
            token.created_by,
            token.created_at.as_millis(),
            token.expires_at.map(Timestamp::as_millis)
        ])?;
    Ok((inserted > 0).then(|| connection.last_insert_rowid()))
}

/// The tokens that were not revoked, oldest first.
pub(crate) fn live_tokens(connection: &Connection) -> Result<Vec<TokenRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name, hash, scopes, repos, created_by, created_at, expires_at, revoked_at, last_used_at
         FROM tokens WHERE revoked_at IS NULL ORDER BY id",
    )?;
    let rows = statement.query_map([], read_token)?;
    rows.collect()
}

/// The token with this hash, also a revoked one.
pub(crate) fn find_token(connection: &Connection, hash: &CredentialHash) -> Result<Option<TokenRow>> {
    let found = connection
        .prepare_cached(
            "SELECT id, name, hash, scopes, repos, created_by, created_at, expires_at, revoked_at, last_used_at
             FROM tokens WHERE hash = ?1",
        )?
        .query_row([hash.as_bytes()], read_token);
    Ok(found.optional()?.filter(|token| token.made.hash == *hash))
}

/// Revokes the token of this name; false when there is none.
pub(crate) fn revoke_token(connection: &Connection, name: &TokenName, at: Timestamp) -> Result<bool> {
    let revoked = connection
        .prepare_cached("UPDATE tokens SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL")?
        .execute(params![name.as_str(), at.as_millis()])?;
    Ok(revoked > 0)
}

/// Records that a token was used.
pub(crate) fn touch_token(connection: &Connection, id: i64, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE tokens SET last_used_at = ?2 WHERE id = ?1")?
        .execute(params![id, at.as_millis()])?;
    Ok(())
}

fn read_token(row: &Row<'_>) -> Result<TokenRow> {
    let text = |column: usize| row.get::<_, String>(column);
    let time = |column: usize| row.get::<_, Option<i64>>(column);
    let name = text(1)?;
    let hash = CredentialHash::from_bytes(row.get_ref(2)?.as_blob()?);
    Ok(TokenRow {
        id: row.get(0)?,
        made: NewToken {
            name: TokenName::parse(&name).map_err(|_| damaged(1, "name of a token", &name))?,
            hash: hash.ok_or_else(|| damaged(2, "hash of a token", &name))?,
            grant: read_grant(row, 3)?,
            created_by: text(5)?,
            created_at: Timestamp::from_millis(row.get(6)?),
            expires_at: time(7)?.map(Timestamp::from_millis),
        },
        revoked_at: time(8)?.map(Timestamp::from_millis),
        last_used_at: time(9)?.map(Timestamp::from_millis),
    })
}

/// The scopes of a column, and the repositories of the next one.
pub(super) fn read_grant(row: &Row<'_>, column: usize) -> Result<Grant> {
    let scopes: String = row.get(column)?;
    let repos: Option<String> = row.get(column + 1)?;
    let read_repos = |repos: &String| {
        serde_json::from_str(repos).map_err(|_| damaged(column + 1, "list of repositories", repos))
    };
    Ok(Grant {
        scopes: Grant::parse_scopes(scopes.split_ascii_whitespace())
            .map_err(|word| damaged(column, "scope", word))?,
        repos: repos.as_ref().map(read_repos).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Credential, CredentialKind};

    #[test]
    fn a_token_is_found_by_its_hash_and_its_name_is_free_when_it_was_revoked() {
        let db = crate::store::open_empty().unwrap();
        let at = Timestamp::from_millis;
        let new = |repos: Option<Vec<String>>| NewToken {
            name: TokenName::parse("ci").unwrap(),
            hash: Credential::new(CredentialKind::Token).unwrap().hash(),
            grant: Grant { repos, ..Grant::everything() },
            created_by: "uid:0".to_owned(),
            created_at: at(5),
            expires_at: Some(at(9)),
        };
        let (first, second) = (new(None), new(Some(vec!["r\"1".to_owned()])));
        let id = insert_token(&db, &first).unwrap().unwrap();
        assert_eq!(insert_token(&db, &second).unwrap(), None, "the name is taken");
        assert!(find_token(&db, &second.hash).unwrap().is_none());
        touch_token(&db, id, at(6)).unwrap();
        let found = find_token(&db, &first.hash).unwrap().unwrap();
        assert_eq!(
            (found.made.grant, found.last_used_at, found.made.expires_at),
            (first.grant, Some(at(6)), Some(at(9)))
        );
        assert!(revoke_token(&db, &first.name, at(7)).unwrap());
        assert!(!revoke_token(&db, &first.name, at(8)).unwrap());
        assert_eq!(find_token(&db, &first.hash).unwrap().unwrap().revoked_at, Some(at(7)));
        assert!(insert_token(&db, &second).unwrap().is_some());
        let live = live_tokens(&db).unwrap();
        assert_eq!(live.len(), 1);
        assert_eq!(live[0].made.grant, second.grant);
        db.execute("UPDATE tokens SET scopes = 'repos:read everything'", []).unwrap();
        assert!(live_tokens(&db).unwrap_err().to_string().contains("everything"));
    }
}
