//! Answers that a client has already (RFC 9110, section 13.1.2).

use axum::http::{HeaderMap, header};

/// Whether the client has the answer with this tag already.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let is_it = |part: &str| part == "*" || part.trim_start_matches("W/") == tag;
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).any(|part| is_it(part.trim()))
}
