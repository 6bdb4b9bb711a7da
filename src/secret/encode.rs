//! Encodings of a whole value: base64, hexadecimal (also with separators between bytes), percent, `\x`, `\u`. Every byte is written differently.

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{GeneralPurpose, general_purpose::PAD};

/// The encodings that are sought for a value of any size.
pub(super) fn common(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = base64(value);
    forms.push(each(value, |byte| format!("{byte:02x}")));
    forms.push(each(value, |byte| format!("{byte:02X}")));
    forms
}

/// Those that make a value three to six times as long.
pub(super) fn long(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![
        each(value, |byte| format!("%{byte:02x}")),
        each(value, |byte| format!("%{byte:02X}")),
        each(value, |byte| format!("\\x{byte:02x}")),
        each(value, |byte| format!("\\x{byte:02X}")),
    ];
    for separator in [":", ",", ",0x"] {
        let upper: Vec<_> = value.iter().map(|byte| format!("{byte:02X}")).collect();
        forms.push(upper.join(separator).to_lowercase().into_bytes());
        forms.push(upper.join(separator).into_bytes());
    }
    if let Ok(text) = str::from_utf8(value) {
        forms.push(text.encode_utf16().flat_map(|unit| format!("\\u{unit:04x}").into_bytes()).collect());
        forms.push(text.encode_utf16().flat_map(|unit| format!("\\u{unit:04X}").into_bytes()).collect());
    }
    forms
}

fn each(value: &[u8], write: impl Fn(u8) -> String) -> Vec<u8> {
    value.iter().flat_map(|byte| write(*byte).into_bytes()).collect()
}

/// In both alphabets and at all three phases: the characters that depend on the value alone, and for a value that
/// ends the encoded text also its last character, with and without padding.
fn base64(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for phase in 0..3 {
        for alphabet in [&STANDARD, &URL_SAFE] {
            let last = base64_at(value, phase, alphabet);
            let own = (8 * (phase + value.len()) / 6).saturating_sub((8 * phase).div_ceil(6));
            let unpadded = last.iter().position(|byte| *byte == b'=').unwrap_or(last.len());
            forms.extend([own, unpadded, last.len()].map(|end| last.iter().copied().take(end).collect()));
        }
    }
    forms
}

/// The encoded text of `phase` unknown bytes and the value, without the characters that the unknown bytes touch.
fn base64_at(value: &[u8], phase: usize, alphabet: &Alphabet) -> Vec<u8> {
    let mut bytes = vec![0; phase];
    bytes.extend_from_slice(value);
    let encoded = GeneralPurpose::new(alphabet, PAD).encode(bytes);
    encoded.into_bytes().split_off((8 * phase).div_ceil(6))
}
