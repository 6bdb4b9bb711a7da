//! Bytes in hexadecimal digits, in lower case.

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    text.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
    text
}

/// Whether a text is so many digits and nothing else.
pub(crate) fn is_hex(text: &[u8], digits: usize) -> bool {
    text.len() == digits && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_two_digits_each_and_only_such_digits_count() {
        assert_eq!(hex(&[0, 0x0a, 0xff]), "000aff");
        assert!(is_hex(b"000aff", 6) && is_hex(b"", 0));
        for other in [&b"000af"[..], b"000afff", b"000aFF", b"000afg", b"0x0aff"] {
            assert!(!is_hex(other, 6));
        }
    }
}
