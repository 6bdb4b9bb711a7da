//! What a request says about who sends it.

use axum::http::{HeaderMap, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::git::is_git;
use crate::app::{Code, Problem};
use crate::config::is_user_name;
use crate::model::percent_decoded;

/// The name of the cookie of a session.
pub(super) const COOKIE: &str = "quire_session";

/// The header with the user of a proxy.
const REMOTE_USER: &str = "remote-user";

/// How every token begins.
const TOKEN_START: &str = "qt_";

/// Parameters of a query in which people send tokens. Addresses are logged, kept and shown.
const IN_QUERY: [&str; 8] = [
    "token",
    "access_token",
    "auth_token",
    "private_token",
    "api_token",
    "api_key",
    "bearer",
    "authorization",
];

/// What a request says about who sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    /// Nothing.
    None,
    Token(String),
    /// The user of a trusted proxy.
    User(String),
    /// The session of a browser.
    Session(String),
}

/// Reads who sends a request. `Remote-User` counts when a trusted proxy has sent it.
///
/// # Errors
/// When it says so in two ways, or where tokens must not be.
pub(super) fn read(uri: &Uri, headers: &HeaderMap, is_proxied: bool) -> Result<Credentials, Problem> {
    let query = uri.query().unwrap_or_default();
    if query.split(['&', ';']).any(is_token) {
        return Err(Problem::new(Code::TokenInQuery, "a token must not be in the address of a request")
            .hint("send it in a header: `Authorization: Bearer TOKEN`; revoke this one if the request was logged"));
    }
    let user = if is_proxied { only(headers, REMOTE_USER)? } else { None };
    if let Some(authorization) = only(headers, header::AUTHORIZATION.as_str())? {
        let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            return Ok(Credentials::Token(token.trim().to_owned()));
        }
        if scheme.eq_ignore_ascii_case("basic")
            && is_git(uri)
            && let Some(token) = token_of_basic(token)
        {
            return Ok(Credentials::Token(token));
        }
        // A proxy that asks for passwords passes them on; they say nothing here.
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(Problem::new(
                Code::TokenUnknown,
                "the header Authorization has another scheme than Bearer",
            )
            .hint("write it as `Authorization: Bearer TOKEN`"));
        }
    }
    match user {
        None | Some("") => Ok(session(headers).map_or(Credentials::None, Credentials::Session)),
        Some(user) if is_user_name(user) => Ok(Credentials::User(user.to_owned())),
        Some(_) => Err(invalid("the header Remote-User is not the name of a user")),
    }
}

/// The token that git sends as a password, or as the name of a user (RFC 7617). Another password is one of a proxy.
fn token_of_basic(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    [password, user].into_iter().find(|part| part.starts_with(TOKEN_START)).map(str::to_owned)
}

/// Whether a parameter of a query has a token in it.
fn is_token(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let name = percent_decoded(name).to_ascii_lowercase().replace('-', "_");
    IN_QUERY.contains(&name.as_str()) || percent_decoded(value).starts_with(TOKEN_START)
}

/// The only header of this name.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid(format!("the request has several headers {name}")));
    }
    value
        .to_str()
        .map(Some)
        .map_err(|_| invalid(format!("the header {name} has characters other than ASCII")))
}

fn invalid(text: impl std::fmt::Display) -> Problem {
    Problem::new(Code::RequestInvalid, text)
}

/// The session in the cookies. Of two, one was set by somebody else: then neither counts.
pub(super) fn session(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut named = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    let session = named.next()?.to_owned();
    named.next().is_none().then_some(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str, pairs: &[(&'static str, &str)], is_proxied: bool) -> Result<Credentials, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        read(&uri.parse().unwrap(), &headers, is_proxied).map_err(|problem| problem.code)
    }

    #[test]
    fn a_token_comes_before_a_user_and_a_user_before_a_session() {
        let token = |text: &str| Ok(Credentials::Token(text.to_owned()));
        let (user, session) = (("remote-user", "ada"), ("cookie", "a=b; quire_session=qs_x;c=d"));
        assert_eq!(of("/", &[], false), Ok(Credentials::None));
        for scheme in ["Bearer", "bearer", "BEARER"] {
            assert_eq!(
                of("/", &[("authorization", &format!("{scheme} qt_x")), user, session], true),
                token("qt_x")
            );
        }
        for empty in ["Bearer", "Bearer ", "Bearer   "] {
            assert_eq!(of("/", &[("authorization", empty), session], false), token(""));
        }
        assert_eq!(of("/", &[user, session], true), Ok(Credentials::User("ada".to_owned())));
        assert_eq!(of("/", &[user, session], false), Ok(Credentials::Session("qs_x".to_owned())));
        let basic = ("authorization", "Basic YTpi");
        assert_eq!(of("/", &[basic, user], true), Ok(Credentials::User("ada".to_owned())));
        assert_eq!(of("/", &[basic, user], false), Ok(Credentials::None));
        assert_eq!(of("/", &[("authorization", "Digest x"), user], true), Err(Code::TokenUnknown));
        assert_eq!(
            of("/", &[("remote-user", ""), session], true),
            Ok(Credentials::Session("qs_x".to_owned()))
        );
    }

    #[test]
    fn what_can_be_understood_in_two_ways_is_refused() {
        let twice = [("authorization", "Bearer qt_x"), ("authorization", "Bearer qt_x")];
        assert_eq!(of("/", &twice, false), Err(Code::RequestInvalid));
        assert_eq!(
            of("/", &[("remote-user", "ada"), ("remote-user", "ada")], true),
            Err(Code::RequestInvalid)
        );
        assert_eq!(of("/", &[("remote-user", "a b")], true), Err(Code::RequestInvalid));
        assert_eq!(of("/", &[("remote-user", "é")], true), Err(Code::RequestInvalid));
        assert_eq!(of("/", &[("authorization", "Bearer é")], false), Err(Code::RequestInvalid));
        let sessions = [("cookie", "quire_session=a; quire_session=b")];
        assert_eq!(of("/", &sessions, false), Ok(Credentials::None));
        let sessions = [("cookie", "quire_session=a"), ("cookie", "quire_session=a")];
        assert_eq!(of("/", &sessions, false), Ok(Credentials::None));
        assert_eq!(
            of("/", &[("cookie", "xquire_session=a; quire_session2=b")], false),
            Ok(Credentials::None)
        );
    }

    #[test]
    fn a_token_in_a_query_is_refused() {
        for query in [
            "token=x",
            "a=b&token=x",
            "access_token=x",
            "access%5Ftoken=x",
            "ACCESS_TOKEN=x",
            "token",
            "a=qt_x",
            "a=qt%5Fx",
            "tok%65n=x",
            "%74%6F%6B%65%6E",
            "a=%71t_x",
            "a;token=x",
            "api-key=x",
        ] {
            assert_eq!(of(&format!("/x?{query}"), &[], false), Err(Code::TokenInQuery), "{query}");
        }
        for query in ["", "a=token", "tokens=x", "link=ql_x", "repo=group%2Fapp"] {
            assert_eq!(of(&format!("/x?{query}"), &[], false), Ok(Credentials::None), "{query}");
        }
    }
}
