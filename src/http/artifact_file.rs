//! An artifact as an answer: whole or a part, as a download that no browser runs.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::byte_range::ByteRange;
use super::etag::is_known;
use super::problem::answer;
use super::stream::{BodyParts, streamed};
use crate::app::{Code, Problem};
use crate::model::percent_encoded;
use crate::view::ArtifactShape;

/// What is read before the client has taken it, in bytes.
const PART: usize = 128 << 10;

/// The answer to a request with these headers.
pub(super) fn artifact_answer(headers: &HeaderMap, artifact: &ArtifactShape, file: File) -> Response {
    let (tag, total) = (format!("\"{}\"", artifact.sha256), artifact.size_bytes);
    if is_known(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let head = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox; frame-ancestors 'none'".to_owned()),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin".to_owned()),
        (HeaderName::from_static("x-robots-tag"), "noindex".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, tag.clone()),
    ];
    let name = [(header::CONTENT_DISPOSITION, disposition(&artifact.path))];
    let length = |bytes: u64| [(header::CONTENT_LENGTH, bytes.to_string())];
    let Some(range) = ByteRange::of(headers, &tag) else {
        return (head, name, length(total), body(file, (0, total))).into_response();
    };
    let Some((begin, end)) = range.within(total) else {
        let refused =
            answer(&Problem::new(Code::RangeUnsatisfiable, format!("the artifact has {total} bytes")));
        return ([(header::CONTENT_RANGE, format!("bytes */{total}"))], refused).into_response();
    };
    let part = [(header::CONTENT_RANGE, format!("bytes {begin}-{}/{total}", end - 1))];
    (StatusCode::PARTIAL_CONTENT, head, name, part, length(end - begin), body(file, (begin, end)))
        .into_response()
}

/// How a browser names the file (RFC 6266): the last part of its path, in ASCII for old clients, and as it is.
fn disposition(path: &str) -> HeaderValue {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "._-+ ()".contains(c);
    let plain: String = name.chars().map(|c| if is_safe(c) { c } else { '_' }).collect();
    let text = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", percent_encoded(name));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

fn body(file: File, window: (u64, u64)) -> Body {
    streamed(move |parts| async move {
        if let Err(problem) = send(&parts, file, window).await {
            parts.fail(&problem).await;
        }
    })
}

/// Sends the bytes from the first to before the last. A client that does not read has one part in memory.
async fn send(parts: &BodyParts, mut file: File, (mut at, end): (u64, u64)) -> Result<(), Problem> {
    while at < end {
        let read = tokio::task::spawn_blocking(move || {
            let most = usize::try_from(end - at).unwrap_or(PART).min(PART);
            let mut bytes = vec![0; most];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut bytes)?;
            Ok::<_, std::io::Error>((file, bytes))
        });
        let read = read.await.map_err(|error| Problem::failed(&error))?;
        let (back, bytes) = read.map_err(|error| Problem::failed(&error))?;
        (file, at) = (back, at + bytes.len() as u64);
        if !parts.send(Bytes::from(bytes)).await {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_change_the_header() {
        for (path, expected) in [
            ("dist/a b.tar", "attachment; filename=\"a b.tar\"; filename*=UTF-8''a%20b.tar"),
            (
                "x\";filename=y",
                "attachment; filename=\"x__filename_y\"; filename*=UTF-8''x%22%3Bfilename%3Dy",
            ),
            ("é", "attachment; filename=\"_\"; filename*=UTF-8''%C3%A9"),
            (
                "a\r\nSet-Cookie: x",
                "attachment; filename=\"a__Set-Cookie_ x\"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x",
            ),
        ] {
            assert_eq!(disposition(path), expected, "{path:?}");
        }
    }
}
