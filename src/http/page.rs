//! Pages of lists: how many items, and where the next page begins.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::Serialize;

use crate::app::{Code, Problem};
use crate::model::InstanceId;

/// The most items of a page, and how many there are when nothing is said.
pub(super) const MAX_LIMIT: u16 = 200;
const DEFAULT_LIMIT: u16 = 50;

/// The bytes of a cursor: a row, and what proves that the server gave it for this list.
const ROW: usize = 8;
const PROOF: usize = 12;

/// The place in a list that a request names.
#[derive(Debug)]
pub(super) struct Page {
    /// At most this many items.
    pub(super) limit: usize,
    /// Only items before this row.
    pub(super) before: Option<i64>,
    /// The list and its filters.
    list: Vec<u8>,
}

impl Page {
    /// Reads `limit` and `cursor` of a request for the list at `uri`.
    ///
    /// # Errors
    /// When the limit is out of range, or the cursor is not one of this list.
    pub(super) fn new(
        instance: &InstanceId,
        uri: &Uri,
        (limit, cursor): (Option<u16>, Option<&str>),
    ) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            let text = format!("in the query: limit: {limit} is not between 1 and {MAX_LIMIT}");
            return Err(Problem::new(Code::RequestInvalid, text));
        }
        let list = [instance.to_string(), uri.path().to_owned(), filters(uri)].join("\n").into_bytes();
        let mut page = Self { limit: usize::from(limit), before: None, list };
        if let Some(cursor) = cursor {
            page.before = Some(page.row_of(cursor).ok_or_else(|| {
                Problem::new(Code::CursorInvalid, "the cursor is not one of this list")
                    .hint("take the address of the next page from the Link header of an answer, unchanged")
            })?);
        }
        Ok(page)
    }

    /// The answer: the items, and the address of the next page when one begins before the row `next`.
    pub(super) fn answer<T: Serialize>(&self, uri: &Uri, items: Vec<T>, next: Option<i64>) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(next) = next {
            let link = format!("<{}>; rel=\"next\"", self.next_address(uri, next));
            headers.extend(HeaderValue::from_str(&link).map(|link| (header::LINK, link)));
        }
        (headers, Json(items)).into_response()
    }

    /// The address of the page that begins before the row `next`.
    pub(super) fn next_address(&self, uri: &Uri, next: i64) -> String {
        let filters = filters(uri);
        let and = if filters.is_empty() { "" } else { "&" };
        format!("{}?{filters}{and}limit={}&cursor={}", uri.path(), self.limit, self.cursor_of(next))
    }

    fn proof(&self, row: [u8; ROW]) -> Vec<u8> {
        let whole = digest(&SHA256, &[self.list.as_slice(), &row].concat());
        whole.as_ref().iter().copied().take(PROOF).collect()
    }

    fn cursor_of(&self, row: i64) -> String {
        let row = row.to_be_bytes();
        URL_SAFE_NO_PAD.encode([row.as_slice(), &self.proof(row)].concat())
    }

    fn row_of(&self, cursor: &str) -> Option<i64> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (row, proof) = bytes.split_first_chunk::<ROW>()?;
        (proof == self.proof(*row)).then(|| i64::from_be_bytes(*row))
    }
}

/// The query of a list without what names a page.
fn filters(uri: &Uri) -> String {
    let parts = uri.query().unwrap_or_default().split('&');
    let is_filter =
        |part: &&str| !part.is_empty() && !part.starts_with("limit=") && !part.starts_with("cursor=");
    parts.filter(is_filter).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::random;

    #[test]
    fn a_cursor_holds_for_its_list_only() {
        let instance = random::instance_id();
        let page = |uri: &str, cursor: Option<&str>| {
            Page::new(&instance, &uri.parse().unwrap(), (None, cursor)).map(|page| page.before)
        };
        let uri: Uri = "/runs?repo=a".parse().unwrap();
        let given = Page::new(&instance, &uri, (Some(3), None)).unwrap();
        let cursor = given.cursor_of(77);
        assert_eq!(page("/runs?repo=a", Some(&cursor)).unwrap(), Some(77));
        assert_eq!(page("/runs?limit=9&repo=a&cursor=x", Some(&cursor)).unwrap(), Some(77));
        let reversed: String = cursor.chars().rev().collect();
        for (uri, cursor) in [
            ("/runs?repo=b", cursor.as_str()),
            ("/runs", &cursor),
            ("/audit?repo=a", &cursor),
            ("/runs?repo=a", &reversed),
            ("/runs?repo=a", &cursor[1..]),
            ("/runs?repo=a", ""),
            ("/runs?repo=a", "ü"),
        ] {
            assert_eq!(page(uri, Some(cursor)).unwrap_err().code, Code::CursorInvalid, "{uri} {cursor}");
        }
        for limit in [0, 201, u16::MAX] {
            assert!(Page::new(&instance, &uri, (Some(limit), None)).is_err());
        }
        let link = given.answer(&uri, vec![1], Some(77)).headers()["link"].to_str().unwrap().to_owned();
        assert_eq!(link, format!("</runs?repo=a&limit=3&cursor={cursor}>; rel=\"next\""));
    }
}
