//! Problems in that program's shape: a title from its table, a status, and what belongs to them.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::app::{Code, Problem};
use crate::compat::flwd::facts::members;

const PROBLEM_JSON: &str = "application/problem+json";

/// Who asks for a token.
const CHALLENGE: &str = "Bearer realm=\"flowd\"";

/// A problem.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FlwdProblem {
    pub(super) status: StatusCode,
    document: Map<String, Value>,
}

/// Declares the problems that this interface has of its own: name, status, title, address.
macro_rules! problems {
    ($($name:ident $status:ident $title:literal $kind:expr;)*) => {
        impl FlwdProblem {
            $(
                #[doc = concat!("`", $title, "`.")]
                pub(super) fn $name(detail: impl Into<String>) -> Self {
                    let kind: Option<&str> = $kind;
                    let problem = Self::new(StatusCode::$status, $title, detail);
                    kind.into_iter().fold(problem, |problem, kind| problem.with("type", kind))
                }
            )*
        }
    };
}

problems! {
    invalid_body         BAD_REQUEST           "invalid request body"                    None;
    invalid_request      BAD_REQUEST           "invalid request"                         None;
    invalid_pagination   BAD_REQUEST           "invalid pagination"                      None;
    invalid_last_event   BAD_REQUEST           "invalid Last-Event-ID"                   None;
    invalid_key          BAD_REQUEST           "invalid Idempotency-Key header"          None;
    invalid_sha256       BAD_REQUEST           "invalid Idempotency-SHA256 header"       None;
    key_required         BAD_REQUEST           "Idempotency-Key header required"         None;
    unauthorized         UNAUTHORIZED          "unauthorized"                            None;
    forbidden            FORBIDDEN             "forbidden"                               None;
    run_not_found        NOT_FOUND             "run not found"                           None;
    not_found            NOT_FOUND             "not found"                               None;
    unsupported          NOT_FOUND             "extension unsupported"                   Some("about:blank#extension-unsupported");
    method_not_allowed   METHOD_NOT_ALLOWED    "method not allowed"                      None;
    key_conflict         CONFLICT              "idempotency key conflict"                Some("https://flowd.dev/problems/idempotency-key-conflict");
    hash_mismatch        CONFLICT              "idempotency hash mismatch"               Some("https://flowd.dev/problems/idempotency-key-conflict");
    cursor_expired       GONE                  "cursor expired"                          Some("https://flowd.dev/problems/cursor-expired");
    too_large            PAYLOAD_TOO_LARGE     "request body too large"                  None;
    head_too_large       REQUEST_HEADER_FIELDS_TOO_LARGE "request head too large"        None;
    misdirected          MISDIRECTED_REQUEST   "misdirected request"                     None;
    too_many_requests    TOO_MANY_REQUESTS     "too many requests"                       None;
    quota_exceeded       TOO_MANY_REQUESTS     "storage quota exceeded"                  Some("https://flowd.dev/problems/storage-quota-exceeded");
    degraded             SERVICE_UNAVAILABLE   "storage degraded"                        Some("https://flowd.dev/problems/storage-degraded");
    not_ready            SERVICE_UNAVAILABLE   "not ready"                               Some("https://flowd.dev/problems/not-ready");
}

impl FlwdProblem {
    /// A problem with a title of another part.
    pub(super) fn new(status: StatusCode, title: impl Into<String>, detail: impl Into<String>) -> Self {
        let (title, detail): (String, String) = (title.into(), detail.into());
        let detail = if detail.is_empty() { Value::Null } else { detail.into() };
        let of_all = [("title", title.into()), ("status", status.as_u16().into()), ("detail", detail)];
        Self { status, document: members(of_all) }
    }

    /// The same with one more member.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.document.insert(name.to_owned(), value.into());
        self
    }
}

impl IntoResponse for FlwdProblem {
    fn into_response(self) -> Response {
        let head = [(header::CONTENT_TYPE, PROBLEM_JSON), (header::CACHE_CONTROL, "no-store")];
        let mut answer = (self.status, head, Value::Object(self.document).to_string()).into_response();
        let more = match self.status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, CHALLENGE)),
            StatusCode::TOO_MANY_REQUESTS => Some((header::RETRY_AFTER, "60")),
            _ => None,
        };
        if let Some((name, value)) = more {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        answer
    }
}

impl From<Problem> for FlwdProblem {
    /// A problem of an operation, under the title that this interface has for it.
    fn from(problem: Problem) -> Self {
        let detail = match &problem.hint {
            Some(hint) => format!("{}; {hint}", problem.text),
            None => problem.text.clone(),
        };
        let code = problem.code;
        let has = |codes: &[Code]| codes.contains(&code);
        if has(&[Code::TokenUnknown, Code::TokenExpired, Code::TokenRevoked, Code::CredentialsMissing]) {
            return Self::unauthorized(problem.text);
        }
        if has(&[Code::CursorAhead, Code::CursorExpired]) {
            return Self::cursor_expired(problem.text);
        }
        if has(&[Code::DataFull]) {
            return Self::quota_exceeded(problem.text);
        }
        if has(&[Code::RequestTooLarge]) {
            return Self::too_large(problem.text);
        }
        if has(&[Code::RequestHeadTooLarge]) {
            return Self::head_too_large(problem.text);
        }
        if has(&[Code::RequestInvalid]) {
            return Self::invalid_request(detail);
        }
        if has(&[Code::RunNotFound]) {
            return Self::run_not_found(problem.text);
        }
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let title = status.canonical_reason().unwrap_or("error").to_ascii_lowercase();
        Self::new(status, title, detail).with("code", code.as_str())
    }
}
