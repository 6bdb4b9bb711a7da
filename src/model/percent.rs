//! Texts as parts of addresses.

/// A text as one part of a path, or the value of a query parameter: all but unreserved characters is percent-encoded
/// (RFC 3986, sections 2.1 and 2.3).
pub(crate) fn percent_encoded(text: &str) -> String {
    encoded(text.as_bytes(), b"")
}

/// The path of a file or the name of a ref, as a part of an address: its slashes stay.
pub(crate) fn percent_encoded_path(path: &[u8]) -> String {
    encoded(path, b"/")
}

fn encoded(bytes: &[u8], also_plain: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte));
            }
            byte if also_plain.contains(byte) => out.push(char::from(*byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The text behind the percent-encoding of a part of an address. What is no code stays.
pub(crate) fn percent_decoded(part: &str) -> String {
    String::from_utf8_lossy(&percent_decoded_bytes(part)).into_owned()
}

/// The bytes behind the percent-encoding of a part of an address: the name of a file may be none of UTF-8.
pub(crate) fn percent_decoded_bytes(part: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'%').then(|| std::str::from_utf8(after.get(..2)?).ok()).flatten();
        let decoded = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(decoded.unwrap_or(byte));
        rest = after.get(if decoded.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_an_address_is_encoded() {
        assert_eq!(percent_encoded("group/näme#3 ?&"), "group%2Fn%C3%A4me%233%20%3F%26");
        assert_eq!(percent_decoded("group%2Fn%C3%a4me%233%20%3F%26"), "group/näme#3 ?&");
        for plain in ["", "%", "%2", "%zz", "a%2", "%%", "ä"] {
            assert_eq!(percent_decoded(plain), plain);
        }
        assert_eq!(percent_decoded("%%41%ff"), "%A\u{fffd}");
        assert_eq!(percent_encoded_path(b"a/\xff b"), "a/%FF%20b");
        assert_eq!(percent_decoded_bytes("a/%FF%20b"), b"a/\xff b");
    }
}
