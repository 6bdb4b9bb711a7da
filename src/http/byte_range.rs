//! One range of bytes of an answer (RFC 9110, section 14).

use axum::http::{HeaderMap, header};

/// A range that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteRange {
    /// From this byte to that one, or to the end.
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Last(u64),
}

impl ByteRange {
    /// The range of a request for what has this tag. One that is malformed, several at once, and one of another version
    /// count as none.
    pub(super) fn of(headers: &HeaderMap, tag: &str) -> Option<Self> {
        if headers.get(header::IF_RANGE).is_some_and(|known| known.as_bytes() != tag.as_bytes()) {
            return None;
        }
        let range = headers.get(header::RANGE)?.to_str().ok()?.trim();
        let (first, last) = range.strip_prefix("bytes=")?.trim().split_once('-')?;
        let number = |text: &str| -> Option<u64> {
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
        };
        match (first, last) {
            ("", last) => Some(Self::Last(number(last)?)),
            (first, "") => Some(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    /// The first byte and the one behind the last, of so many; nothing when there are none.
    pub(super) fn within(self, total: u64) -> Option<(u64, u64)> {
        let (begin, end) = match self {
            Self::From(first, last) => (first, last.map_or(total, |last| last.saturating_add(1).min(total))),
            Self::Last(count) => (total.saturating_sub(count), total),
        };
        (begin < end).then_some((begin, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(value: &'static str) -> Option<ByteRange> {
        let headers = HeaderMap::from_iter([(header::RANGE, value.parse().unwrap())]);
        ByteRange::of(&headers, "\"t\"")
    }

    #[test]
    fn a_range_is_cut_to_what_is_there() {
        for (value, expected) in [
            ("bytes=0-0", Some((0, 1))),
            ("bytes=5-14", Some((5, 15))),
            ("bytes=-10", Some((90, 100))),
            ("bytes=-1000", Some((0, 100))),
            ("bytes=20-", Some((20, 100))),
            ("bytes=99-18446744073709551615", Some((99, 100))),
            ("bytes=100-", None),
            ("bytes=-0", None),
        ] {
            assert_eq!(range(value).unwrap().within(100), expected, "{value}");
        }
        assert_eq!(ByteRange::Last(1).within(0), None);
    }

    #[test]
    fn anything_but_a_single_range_is_ignored() {
        for value in
            ["bytes=", "bytes=-", "bytes=5-4", "bytes=1-2,4-5", "lines=1-2", "bytes=+1-2", "bytes=a-"]
        {
            assert_eq!(range(value), None, "{value}");
        }
    }
}
