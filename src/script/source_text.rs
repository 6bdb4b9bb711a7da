//! The bytes of a user's file as text: UTF-8, lines ended by LF, of a limited size.

use crate::model::{Diagnostic, Span};

/// The longest file that is read, in bytes.
pub(crate) const MAX_SOURCE: usize = 1024 * 1024;

/// A byte order mark in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Turns the bytes of a file into text, without a byte order mark and with LF as the only line end.
///
/// # Errors
/// Says which of these it is: too long, compiled Lua, UTF-16, a zero byte, or not UTF-8, with the place.
pub(crate) fn source_text(file: &str, bytes: &[u8]) -> Result<String, Diagnostic> {
    if bytes.len() > MAX_SOURCE {
        let message = format!("the file has {} bytes, and at most {MAX_SOURCE} are read", bytes.len());
        return Err(Diagnostic::error(file, message).help("keep data in files of their own"));
    }
    if bytes.starts_with(b"\x1bLua") {
        return Err(Diagnostic::error(file, "the file is compiled Lua, and only source text is read"));
    }
    if is_utf16(bytes) {
        return Err(Diagnostic::error(file, "the file is UTF-16 text").help("save it as UTF-8"));
    }
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let read = bytes.get(..error.valid_up_to()).unwrap_or_default();
        Diagnostic::error(file, "the file is not UTF-8 text")
            .at(place_after(read), &String::from_utf8_lossy(bytes))
            .help("save it as UTF-8")
    })?;
    if let Some((read, _)) = text.split_once('\0') {
        return Err(
            Diagnostic::error(file, "the file holds a zero byte").at(place_after(read.as_bytes()), text)
        );
    }
    Ok(text.replace("\r\n", "\n"))
}

/// Whether the bytes begin as UTF-16 does, with a mark or with an ASCII character.
fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=0x7f, ..] | [1..=0x7f, 0, ..])
}

/// The place of the byte that follows these.
fn place_after(read: &[u8]) -> Span {
    let line = read.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = read.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Span::point(number(line), number(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_line_ends_of_other_systems_are_handled() {
        assert_eq!(source_text("f", b"\xef\xbb\xbf(a)\r\n(b)\r\n").unwrap(), "(a)\n(b)\n");
        assert_eq!(source_text("f", b"").unwrap(), "");
        assert_eq!(source_text("f", "é".as_bytes()).unwrap(), "é");
        assert!(source_text("f", &vec![b' '; MAX_SOURCE]).is_ok());
    }

    #[test]
    fn what_is_not_text_is_named() {
        let long = vec![b' '; MAX_SOURCE + 1];
        for (bytes, expected) in [
            (&b"\xff\xfe(\0a\0"[..], "UTF-16"),
            (b"\xfe\xff\0(", "UTF-16"),
            (b"(\0a\0)\0", "UTF-16"),
            (b"\x1bLuaT\0\x19\x93", "compiled Lua"),
            (b"(a)\n(b \xe9)\n", "not UTF-8"),
            (b"(a)\n \0", "zero byte"),
            (&long, "at most 1048576"),
        ] {
            let problem = source_text(".quire/ci.fnl", bytes).unwrap_err();
            assert!(problem.message.contains(expected), "{problem:?}");
        }
        let latin1 = source_text("f", b"(a)\n(b \xe9)\n").unwrap_err();
        assert_eq!(latin1.place(), "f:2:4");
    }
}
