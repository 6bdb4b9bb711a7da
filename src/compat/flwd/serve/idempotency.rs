//! `Idempotency-Key`: a request that is sent again has the answer of the first, and is not done twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};
use serde::de::Error as _;
use serde_json::value::RawValue;

use super::FlwdState;
use super::problem::FlwdProblem;
use crate::app::{KnownKey, TakenKey, look_up_key};
use crate::http::{answer_again, keep_first};
use crate::model::hex;

const KEY: &str = "idempotency-key";
const SHA: &str = "idempotency-sha256";

/// The lengths that a key can have.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 20..=128;

/// The largest answer that is kept, in bytes.
const MAX_ANSWER: usize = 4 << 20;

/// How deeply a body may be nested, as for everything that is read.
const MAX_DEPTH: u8 = 128;

/// Marks an answer that is kept although the request was refused: it has left a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeftRun;

/// Requests whose keys are in use at this moment: a second one waits for the answer to the first.
#[derive(Debug, Clone, Default)]
pub(super) struct KeysInUse(Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>);

/// The key of a request, checked; nothing when it has none and needs none.
pub(super) fn key_of(headers: &HeaderMap, is_dev: bool) -> Result<Option<String>, FlwdProblem> {
    let mut given = headers.get_all(KEY).iter();
    let Some(key) = given.next() else {
        let missing = "send a key that is new for each run, of 20 to 128 letters, digits, - and _";
        return if is_dev { Ok(None) } else { Err(FlwdProblem::key_required(missing)) };
    };
    let key = key.to_str().unwrap_or_default();
    let is_key_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_valid = given.next().is_none() && KEY_LENGTH.contains(&key.len()) && key.bytes().all(is_key_byte);
    is_valid.then(|| Some(key.to_owned())).ok_or_else(|| {
        FlwdProblem::invalid_key("a key has 20 to 128 letters, digits, - and _, and there is one of it")
    })
}

/// The hash of a body: SHA-256 of its JSON with sorted keys, without spaces, and with its numbers as they are written.
pub(super) fn hash_of(headers: &HeaderMap, body: &[u8]) -> Result<String, FlwdProblem> {
    let canonical = canonical(body).map_err(|error| FlwdProblem::invalid_body(error.to_string()))?;
    let computed = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
    let Some(given) = headers.get(SHA) else { return Ok(computed) };
    let given = given.to_str().unwrap_or_default().to_ascii_lowercase();
    if given.len() != computed.len() || !given.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(FlwdProblem::invalid_sha256("it must be 64 hexadecimal digits"));
    }
    if given != computed {
        let problem = FlwdProblem::hash_mismatch("the body has another hash than the header says");
        return Err(problem.with("incoming_sha256", given).with("computed_sha256", computed));
    }
    Ok(computed)
}

/// Does what a key is for, once: `of` is the caller, the key, and the hash of the body.
pub(super) async fn once(
    flwd: &FlwdState,
    (caller, key, sha256): (&str, &str, String),
    request: impl Future<Output = Response>,
) -> Response {
    let actor = format!("flwd:{caller}");
    let in_use = flwd.keys.lock_of(&format!("{actor} {key}"));
    let _turn = in_use.lock().await;
    let known = look_up_key(&flwd.app, (&actor, key), sha256.clone().into_bytes());
    let answer = match flwd.metrics.persisted("idempotency_lookup", known).await {
        Ok(KnownKey::New) => {
            let taken = TakenKey::new(&actor, key);
            first(flwd, taken, request.await).await
        }
        Ok(KnownKey::Answered(kept)) => answer_again(kept),
        Ok(KnownKey::Other(stored)) => {
            let problem = FlwdProblem::key_conflict("another request had this key");
            let stored = String::from_utf8_lossy(&stored).into_owned();
            problem.with("stored_sha256", stored).with("incoming_sha256", sha256).into_response()
        }
        Ok(KnownKey::InProgress) => {
            FlwdProblem::key_conflict("the first request with this key was not answered").into_response()
        }
        Err(problem) => FlwdProblem::from(problem).into_response(),
    };
    flwd.keys.forget(&in_use);
    answer
}

impl KeysInUse {
    fn lock_of(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(keys.entry(name.to_owned()).or_default())
    }

    /// Forgets a key for which nobody else waits.
    fn forget(&self, key: &Arc<tokio::sync::Mutex<()>>) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One is here, and one in the map.
        keys.retain(|_, known| !Arc::ptr_eq(known, key) || Arc::strong_count(known) > 2);
    }
}

async fn first(flwd: &FlwdState, taken: TakenKey, done: Response) -> Response {
    let is_kept = done.status().is_success() || done.extensions().get::<LeftRun>().is_some();
    let kept = keep_first(&flwd.app, taken, (done, is_kept), MAX_ANSWER);
    let kept = flwd.metrics.persisted("idempotency_store", kept).await;
    kept.unwrap_or_else(|problem| FlwdProblem::from(problem).into_response())
}

/// The canonical form of a JSON text.
fn canonical(body: &[u8]) -> serde_json::Result<String> {
    let mut text = String::with_capacity(body.len());
    write_canonical(serde_json::from_slice(body)?, MAX_DEPTH, &mut text)?;
    Ok(text)
}

fn write_canonical(value: &RawValue, depth: u8, into: &mut String) -> serde_json::Result<()> {
    let raw = value.get();
    let below = depth.checked_sub(1).ok_or_else(|| serde_json::Error::custom("it is nested too deeply"))?;
    match raw.as_bytes().first() {
        Some(b'{') => {
            let members: HashMap<String, &RawValue> = serde_json::from_str(raw)?;
            let mut members: Vec<_> = members.into_iter().collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            let mut sign = '{';
            for (name, value) in members {
                into.push(sign);
                into.push_str(&serde_json::to_string(&name)?);
                into.push(':');
                write_canonical(value, below, into)?;
                sign = ',';
            }
            into.push_str(if sign == '{' { "{}" } else { "}" });
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw)?;
            into.push('[');
            for (number, item) in items.into_iter().enumerate() {
                if number > 0 {
                    into.push(',');
                }
                write_canonical(item, below, into)?;
            }
            into.push(']');
        }
        Some(b'"') => into.push_str(&serde_json::to_string(&serde_json::from_str::<String>(raw)?)?),
        _ => into.push_str(raw),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_form_sorts_keys_and_keeps_numbers() {
        let form = |text: &str| canonical(text.as_bytes()).ok();
        assert_eq!(
            form(r#" {"b": [1.0, 1e3 ,-0] , "a":{"d":null,"c":"x\u0041\n"}} "#).as_deref(),
            Some(r#"{"a":{"c":"xA\n","d":null},"b":[1.0,1e3,-0]}"#)
        );
        assert_eq!(form("{}").as_deref(), Some("{}"));
        assert_eq!(form("[ ]").as_deref(), Some("[]"));
        for wrong in ["", "{", "{\"a\":1,}", "nul", "{\"a\":01}"] {
            assert_eq!(form(wrong), None, "{wrong}");
        }
        assert!(form(&"[".repeat(10_000)).is_none(), "depth is bounded");
    }

    #[test]
    fn keys_and_hashes_are_checked() {
        let with = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            headers
        };
        let key = "abcdefghij_0123456-9";
        assert_eq!(key_of(&with(KEY, key), false).unwrap().as_deref(), Some(key));
        assert_eq!(key_of(&HeaderMap::new(), true).unwrap(), None);
        assert!(key_of(&HeaderMap::new(), false).is_err());
        for wrong in ["short", "abcdefghij 0123456789", "abcdefghij.0123456789", &"x".repeat(129)] {
            assert!(key_of(&with(KEY, wrong), true).is_err(), "{wrong}");
        }
        // printf '{"a":1}' | sha256sum
        let sha = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
        let body = br#"{ "a" : 1 }"#;
        assert_eq!(hash_of(&HeaderMap::new(), body).unwrap(), sha);
        assert!(hash_of(&with(SHA, &sha.to_uppercase()), body).is_ok());
        assert_eq!(hash_of(&with(SHA, &sha.replace('0', "1")), body).unwrap_err().status, 409);
        assert_eq!(hash_of(&with(SHA, "015abd"), body).unwrap_err().status, 400);
    }
}
