//! Requests that may be sent twice, and the answers to them.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::damaged::damaged;
use super::run_event::{from_json, json};
use crate::model::Timestamp;

/// An answer that is given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    pub(crate) status: u16,
    /// Its headers that matter, by name.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownKey {
    /// Nothing was: it is this request's now.
    New,
    /// The first request with it is under way.
    InProgress,
    /// Another request had it, with this hash.
    Other(Vec<u8>),
    /// The same request had it, with this answer.
    Answered(KeptAnswer),
}

/// Takes a key of `actor` for a request, by its hash. Keys from before `since` are forgotten.
pub fn take_key(
    connection: &mut Connection,
    (actor, key, request): (&str, &str, &[u8]),
    (now, since): (Timestamp, Timestamp),
) -> Result<KnownKey> {
    let transaction = connection.transaction()?;
    transaction.prepare_cached("DELETE FROM idempotency WHERE at < ?1")?.execute([since.as_millis()])?;
    let known = transaction
        .prepare_cached(
            "SELECT request, status, headers, body FROM idempotency WHERE actor = ?1 AND key = ?2",
        )?
        .query_row([actor, key], |row| {
            let taken_for: Vec<u8> = row.get(0)?;
            let same = taken_for == request;
            let Some(status) = row.get::<_, Option<u16>>(1)? else {
                return Ok(if same { KnownKey::InProgress } else { KnownKey::Other(taken_for) });
            };
            if !same {
                return Ok(KnownKey::Other(taken_for));
            }
            let headers: Option<String> = row.get(2)?;
            let headers = headers.ok_or_else(|| damaged(2, "answer", "without headers"))?;
            Ok(KnownKey::Answered(KeptAnswer { status, headers: from_json(2, &headers)?, body: row.get(3)? }))
        })
        .optional()?;
    let known = match known {
        Some(known) => known,
        None => {
            transaction
                .prepare_cached("INSERT INTO idempotency (actor, key, request, at) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![actor, key, request, now.as_millis()])?;
            KnownKey::New
        }
    };
    transaction.commit()?;
    Ok(known)
}

/// Keeps the answer to the request that took a key, or gives the key back when there is none to keep.
pub fn keep_answer(
    connection: &Connection,
    (actor, key): (&str, &str),
    answer: Option<&KeptAnswer>,
) -> Result<()> {
    match answer {
        None => connection
            .prepare_cached("DELETE FROM idempotency WHERE actor = ?1 AND key = ?2 AND status IS NULL")?
            .execute([actor, key])?,
        Some(answer) => connection
            .prepare_cached(
                "UPDATE idempotency SET status = ?3, headers = ?4, body = ?5 WHERE actor = ?1 AND key = ?2",
            )?
            .execute(params![actor, key, answer.status, json(&answer.headers)?, answer.body])?,
    };
    Ok(())
}

/// Gives back the keys of requests that had no answer before `until`.
pub fn forget_unanswered(connection: &Connection, until: Timestamp) -> Result<()> {
    connection.execute("DELETE FROM idempotency WHERE status IS NULL AND at < ?1", [until.as_millis()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_request_of_one_caller_for_a_day() {
        let mut db = crate::store::open_empty().unwrap();
        let at = Timestamp::from_millis;
        let mut take = |actor: &str, request: &[u8], now: i64| {
            take_key(&mut db, (actor, "k", request), (at(now), at(now - 100))).unwrap()
        };
        assert_eq!(take("a", b"1", 1000), KnownKey::New);
        assert_eq!(take("a", b"1", 1001), KnownKey::InProgress);
        assert_eq!(take("a", b"2", 1001), KnownKey::Other(b"1".to_vec()));
        assert_eq!(take("b", b"2", 1001), KnownKey::New);
        let answer = KeptAnswer {
            status: 201,
            headers: vec![("location".to_owned(), "/x".to_owned())],
            body: b"{}".to_vec(),
        };
        keep_answer(&db, ("a", "k"), Some(&answer)).unwrap();
        keep_answer(&db, ("b", "k"), None).unwrap();
        let mut take = |actor: &str, request: &[u8], now: i64| {
            take_key(&mut db, (actor, "k", request), (at(now), at(now - 100))).unwrap()
        };
        assert_eq!(take("a", b"1", 1050), KnownKey::Answered(answer));
        assert_eq!(take("a", b"2", 1050), KnownKey::Other(b"1".to_vec()));
        assert_eq!(take("b", b"1", 1050), KnownKey::New);
        assert_eq!(take("a", b"2", 1101), KnownKey::New);
        forget_unanswered(&db, at(1051)).unwrap();
        let left: i64 = db.query_row("SELECT count(*) FROM idempotency", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 1, "the one that was taken last");
    }
}
