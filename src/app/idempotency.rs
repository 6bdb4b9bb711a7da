//! Requests that may be sent twice: the second has the answer of the first.

use std::time::Duration;

use super::problem::{Code, Problem};
use super::state::AppState;
use crate::model::Timestamp;
use crate::store::{self, KeptAnswer};

pub use crate::store::KnownKey;
use crate::sys::clock;

/// How long an answer is kept.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);

/// The longest key, in characters.
const MAX_KEY: usize = 128;

/// A key that a request has taken.
#[derive(Debug)]
pub struct TakenKey {
    actor: String,
    key: String,
}

impl TakenKey {
    /// The key of a caller.
    pub(crate) fn new(actor: &str, key: &str) -> Self {
        Self { actor: actor.to_owned(), key: key.to_owned() }
    }
}

/// What a request with a key is to do.
#[derive(Debug)]
pub enum Keyed {
    /// It is done, and its answer is kept.
    First(TakenKey),
    /// It was done: this was the answer.
    Again(KeptAnswer),
}

/// Takes a key for a request, by the SHA-256 of all that the request is.
///
/// # Errors
/// When the key is invalid, another request has it, or the same one is under way.
pub async fn take_key(
    app: &AppState,
    (actor, key): (&str, &str),
    request: Vec<u8>,
) -> Result<Keyed, Problem> {
    if !(1..=MAX_KEY).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let text = format!("an Idempotency-Key is 1 to {MAX_KEY} visible characters, without spaces");
        return Err(Problem::new(Code::IdempotencyInvalid, text));
    }
    let taken = TakenKey::new(actor, key);
    match look_up_key(app, (actor, key), request).await? {
        KnownKey::New => Ok(Keyed::First(taken)),
        KnownKey::Answered(answer) => Ok(Keyed::Again(answer)),
        KnownKey::InProgress => {
            let text = "the first request with this Idempotency-Key is under way";
            Err(Problem::new(Code::IdempotencyInProgress, text).hint("ask again in a moment"))
        }
        KnownKey::Other(_) => {
            let text = "another request had this Idempotency-Key within 24 hours";
            Err(Problem::new(Code::IdempotencyConflict, text).hint("a new request has a new key"))
        }
    }
}

/// The same for any key; what is known of it.
///
/// # Errors
/// When the database cannot be written.
pub async fn look_up_key(
    app: &AppState,
    (actor, key): (&str, &str),
    request: Vec<u8>,
) -> Result<KnownKey, Problem> {
    let now = clock::now();
    let kept_for = i64::try_from(KEPT_FOR.as_millis()).unwrap_or(i64::MAX);
    let since = Timestamp::from_millis(now.as_millis().saturating_sub(kept_for));
    let (actor, key) = (actor.to_owned(), key.to_owned());
    let take = move |connection: &mut _| store::take_key(connection, (&actor, &key, &request), (now, since));
    Ok(app.writer()?.call(take).await??)
}

/// Keeps the answer to a request, or gives its key back when it was not done.
///
/// # Errors
/// When the database cannot be written.
pub async fn keep_answer(
    app: &AppState,
    TakenKey { actor, key }: TakenKey,
    answer: Option<KeptAnswer>,
) -> Result<(), Problem> {
    let keep = move |connection: &mut rusqlite::Connection| {
        store::keep_answer(connection, (&actor, &key), answer.as_ref())
    };
    Ok(app.writer()?.call(keep).await??)
}

/// Gives back the keys of requests that ended with the server before.
pub async fn forget_unanswered(app: AppState) {
    let now = clock::now();
    let forget = move |connection: &mut rusqlite::Connection| store::forget_unanswered(connection, now);
    if !matches!(app.store.call(forget).await, Ok(Ok(()))) {
        tracing::warn!("some Idempotency-Keys stay in use for a day");
    }
}
