//! The OpenAPI document.

use std::sync::LazyLock;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};

use crate::http::problem::Problems;
use crate::model::hex;

/// The document as JSON, and its tag.
static DOCUMENT: LazyLock<(String, String)> = LazyLock::new(|| {
    let json = super::openapi().to_json().unwrap_or_default();
    let tag = hex(digest(&SHA256, json.as_bytes()).as_ref().get(..16).unwrap_or_default());
    (json, format!("\"{tag}\""))
});

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "getOpenapi",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value), (status = 304, description = "It has not changed"), Problems))]
pub(super) async fn openapi(headers: HeaderMap) -> Response {
    let (json, tag) = &*DOCUMENT;
    let kept = [(header::ETAG, tag.as_str()), (header::CACHE_CONTROL, "no-cache")];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    (kept, [(header::CONTENT_TYPE, "application/json")], json.as_str()).into_response()
}
