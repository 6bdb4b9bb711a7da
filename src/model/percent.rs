//! Texts as parts of addresses.

/// A text as one part of a path, or the value of a query parameter: all but unreserved characters is percent-encoded
/// (RFC 3986, sections 2.1 and 2.3).
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_an_address_is_encoded() {
        assert_eq!(percent_encoded("group/näme#3 ?&"), "group%2Fn%C3%A4me%233%20%3F%26");
    }
}
