//! JSON Web Tokens, signed with HS256 (RFC 7519). The algorithm is ours, whatever a token says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::Deserialize;
use serde_json::Value;

use crate::model::Timestamp;

/// What a token says about who has it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) subject: Option<String>,
    /// The words of its scopes.
    pub(super) scopes: Vec<String>,
    /// When it ends.
    pub(super) expires_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Body {
    sub: Option<String>,
    /// Words with spaces between them.
    scope: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
}

/// Whether a token looks like one of these: three parts.
pub(super) fn is_jwt(token: &str) -> bool {
    token.split('.').count() == 3
}

/// Verifies a token.
///
/// # Errors
/// Why it does not count.
pub(super) fn verify(token: &str, key: &hmac::Key, now: Timestamp) -> Result<Claims, &'static str> {
    let malformed = "malformed token";
    let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
    let (head, body) = signed.split_once('.').ok_or(malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed);
    let signature = decode(signature)?;
    let head: Head = serde_json::from_slice(&decode(head)?).map_err(|_| malformed)?;
    if head.alg != "HS256" || head.crit.is_some() {
        return Err("unsupported algorithm");
    }
    // Compares in constant time.
    hmac::verify(key, signed.as_bytes(), &signature).map_err(|_| "invalid signature")?;
    let body: Body = serde_json::from_slice(&decode(body)?).map_err(|_| malformed)?;
    let now = std::time::Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or_default());
    if body.exp.is_some_and(|exp| now.as_secs_f64() >= exp) {
        return Err("token expired");
    }
    if body.nbf.is_some_and(|nbf| now.as_secs_f64() < nbf) {
        return Err("token not valid yet");
    }
    let scope = body.scope.unwrap_or_default();
    let scopes = scope.split_whitespace().map(str::to_owned).chain(body.scopes).collect();
    let at = |seconds: f64| std::time::Duration::try_from_secs_f64(seconds).ok().map(|at| at.as_millis());
    let expires_at = body.exp.and_then(at).and_then(|at| i64::try_from(at).ok()).map(Timestamp::from_millis);
    Ok(Claims { subject: body.sub, scopes, expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(head: &str, body: &str, key: &hmac::Key) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(body));
        let signature = hmac::sign(key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn a_token_counts_when_it_is_signed_with_hs256_and_its_time_is_now() {
        let (key, other) =
            (hmac::Key::new(hmac::HMAC_SHA256, b"secret"), hmac::Key::new(hmac::HMAC_SHA256, b"another"));
        let now = Timestamp::from_millis(1_000_000);
        let of = |head: &str, body: &str| verify(&token(head, body, &key), &key, now);
        let head = r#"{"alg":"HS256","typ":"JWT"}"#;
        let claims =
            of(head, r#"{"sub":"ada","scope":"a  b","scopes":["c"],"exp":1001,"nbf":999.5}"#).unwrap();
        assert_eq!(
            (claims.subject.as_deref(), claims.scopes),
            (Some("ada"), vec!["a".into(), "b".into(), "c".into()])
        );
        assert_eq!(of(head, "{}"), Ok(Claims::default()));
        for (head, body, why) in [
            (head, r#"{"exp":1000}"#, "token expired"),
            (head, r#"{"exp":1}"#, "token expired"),
            (head, r#"{"nbf":1001}"#, "token not valid yet"),
            (head, r#"{"exp":"soon"}"#, "malformed token"),
            (head, r#"{"scope":["a"]}"#, "malformed token"),
            (head, "", "malformed token"),
            (r#"{"alg":"none"}"#, "{}", "unsupported algorithm"),
            (r#"{"alg":"HS512"}"#, "{}", "unsupported algorithm"),
            (r#"{"alg":"HS256","crit":["exp"]}"#, "{}", "unsupported algorithm"),
            (r#"{"typ":"JWT"}"#, "{}", "malformed token"),
        ] {
            assert_eq!(of(head, body).unwrap_err(), why, "{head} {body}");
        }
        let whole = token(head, "{}", &key);
        assert_eq!(verify(&whole, &other, now).unwrap_err(), "invalid signature");
        let unsigned = format!("{}.", whole.rsplit_once('.').unwrap().0);
        assert_eq!(verify(&unsigned, &key, now).unwrap_err(), "invalid signature");
        for cut in [&whole[..whole.len() - 2], "a.b.c", "..", "", "a"] {
            assert!(verify(cut, &key, now).is_err(), "{cut}");
        }
        assert!(is_jwt(&whole) && is_jwt("..") && !is_jwt("a.b") && !is_jwt("jobs:read,runs:read"));
    }
}
