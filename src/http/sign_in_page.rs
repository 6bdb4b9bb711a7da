//! The pages of signing in, in HTML without scripts.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

/// How the pages look: large enough, in the colours of the reader.
const STYLE: &str = ":root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1rem}\
    label,input,button{display:block;font:inherit;box-sizing:border-box}input{width:100%;padding:.5rem;margin:.3rem 0 1rem}\
    button{padding:.5rem 1.2rem}.problem{border-left:.3rem solid #c33;padding-left:.8rem}";

/// Nothing is active in the pages, and their forms lead to this server.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).ok()
});

/// The form that takes a token, with what is wrong.
pub(super) fn form(status: StatusCode, problem: Option<&str>) -> Response {
    let problem = problem
        .map(|text| format!("<p class=\"problem\" role=\"alert\">{}</p>\n", escaped(text)))
        .unwrap_or_default();
    page(
        status,
        "Sign in",
        &format!(
            "{problem}<form method=\"post\" action=\"/login\">\n\
             <label for=\"token\">Token</label>\n\
             <input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"current-password\" required autofocus>\n\
             <button>Sign in</button>\n</form>\n\
             <p><code>quire token new NAME --scope SCOPE</code> makes a token on the server; \
             <code>quire login</code> prints a link that needs none.</p>\n"
        ),
    )
}

/// Who is signed in, and the way out.
pub(super) fn signed_in(actor: &str) -> Response {
    let actor = escaped(actor);
    let form = format!(
        "<p>You are signed in as <strong>{actor}</strong>.</p>\n\
         <form method=\"post\" action=\"/logout\"><button>Sign out</button></form>\n"
    );
    page(StatusCode::OK, "Signed in", &form)
}

fn page(status: StatusCode, title: &str, content: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title} – quire</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{content}</main>\n</body>\n</html>\n"
    );
    let mut answer = (status, Html(html)).into_response();
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    // Without the policy there is no style, and nothing else is missing.
    if let Some(policy) = &*POLICY {
        answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    }
    answer
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_quotes_is_text() {
        assert_eq!(escaped("<a href=\"x\">'&'"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;");
    }
}
