//! Webhooks for any program: JSON, and headers with an id, the time and a signature.

use ring::hmac;
use serde_json::{Value, json};

use crate::model::{Timestamp, hex};
use crate::notify::message::Message;

/// The headers that prove the origin and the time of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::notify) struct Signed {
    /// Seconds since 1970.
    pub(in crate::notify) timestamp: String,
    /// `sha256=` and hexadecimal digits.
    pub(in crate::notify) signature: Option<String>,
}

/// The body of the request.
pub(in crate::notify) fn webhook(message: &Message, id: &str) -> Value {
    json!({
        "v": message.v,
        "id": id,
        "event": message.event,
        "at": message.at,
        "repo": message.repo,
        "title": message.title(),
        "context": message.context,
        "reason": message.reason,
        "lines": message.lines,
        "url": message.url,
        "run": message.run,
    })
}

/// Signs the time of sending, a full stop, and the body.
pub(in crate::notify) fn sign(key: Option<&[u8]>, body: &[u8], now: Timestamp) -> Signed {
    let timestamp = (now.as_millis() / 1000).to_string();
    let signature = key.map(|key| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let tag = hmac::sign(&key, &[timestamp.as_bytes(), b".", body].concat());
        format!("sha256={}", hex(tag.as_ref()))
    });
    Signed { timestamp, signature }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_body_are_signed() {
        let now = Timestamp::from_millis(1_795_219_199_007);
        let signed = sign(Some(b"key"), b"{}", now);
        assert_eq!(signed.timestamp, "1795219199");
        let other = sign(Some(b"key"), b"{}", Timestamp::from_millis(1_795_219_200_000));
        assert_ne!(signed.signature, other.signature);
        assert_ne!(signed.signature, sign(Some(b"kez"), b"{}", now).signature);
        assert_eq!(signed.signature.as_ref().map(String::len), Some(7 + 64));
        assert_eq!(sign(None, b"{}", now).signature, None);
    }
}
