//! Answers that are compressed while they are sent.

use std::io::Write as _;

use axum::http::{HeaderMap, HeaderValue, header};
use flate2::Compression;
use flate2::write::GzEncoder;

/// How an answer is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Not at all.
    None,
    /// By gzip.
    Gzip,
}

/// Codes an answer part by part.
pub(super) enum Encoder {
    /// Not at all.
    None,
    /// By gzip.
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

/// Whether a client takes gzip.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
}

impl Coding {
    /// What the head of the answer says.
    pub(super) fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if self == Self::Gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers
    }

    /// The end of a tag: the same answer in another coding has another tag.
    pub(super) fn suffix(self) -> &'static str {
        if self == Self::Gzip { "-gzip" } else { "" }
    }

    pub(super) fn encoder(self) -> Encoder {
        match self {
            Self::None => Encoder::None,
            Self::Gzip => Encoder::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::fast()))),
        }
    }
}

impl Encoder {
    /// Codes one more part; with `flush` the client can read all of it now.
    pub(super) fn push(mut self, part: Vec<u8>, flush: bool) -> (Self, Vec<u8>) {
        let coded = match &mut self {
            Self::None => part,
            Self::Gzip(encoder) => {
                // Memory takes all of it.
                let written = encoder.write_all(&part);
                let flushed = if flush { encoder.flush() } else { Ok(()) };
                debug_assert!(written.is_ok() && flushed.is_ok());
                std::mem::take(encoder.get_mut())
            }
        };
        (self, coded)
    }

    /// The end.
    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Gzip(encoder) => encoder.finish().unwrap_or_default(),
        }
    }
}
