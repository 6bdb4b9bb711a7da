//! Messages of Lua without what says nothing to a user: addresses, and names of chunks that are texts.

use std::borrow::Cow;

/// What Lua puts before an address.
const KINDS: [&str; 5] = ["table: 0x", "function: 0x", "userdata: 0x", "thread: 0x", "builtin: 0x"];

/// How the name of a chunk that was loaded from a text begins.
const CHUNK: &str = "[string \"";

/// The message without addresses and without `[string "…"]:1: `.
pub(super) fn plain_message(text: &str) -> Cow<'_, str> {
    if !text.contains("0x") && !text.contains(CHUNK) {
        return Cow::Borrowed(text);
    }
    let mut plain = text.to_owned();
    for kind in KINDS {
        while let Some(at) = plain.find(kind) {
            let address = at + kind.len();
            let digits = plain.get(address..).unwrap_or_default();
            let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
            plain.replace_range(at + kind.len() - ": 0x".len()..address + end, "");
        }
    }
    while let Some(at) = plain.find(CHUNK) {
        let Some(end) = plain.get(at..).and_then(|rest| rest.find("\"]")) else { break };
        let end = at + end + "\"]".len();
        let place = plain.get(end..).unwrap_or_default();
        let is_place = |c: char| c == ':' || c == ' ' || c.is_ascii_digit();
        let length = place.find(|c: char| !is_place(c)).unwrap_or(place.len());
        plain.replace_range(at..end + length, "");
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_of_chunks_are_left_out() {
        for (text, expected) in [
            ("xtable: 0x9ed15f0 and function: 0x55aa.", "xtable and function."),
            ("[string \"local x\"]:1: unexpected symbol", "unexpected symbol"),
            ("[string \"open", "[string \"open"),
            ("mode 0x1f", "mode 0x1f"),
        ] {
            assert_eq!(plain_message(text), expected);
        }
    }
}
