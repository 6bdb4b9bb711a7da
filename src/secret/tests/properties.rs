//! Properties: equal to the oracle, whatever the chunks; nothing of a needle left by the real encoders.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::collection::vec;
use proptest::prelude::*;

use super::oracle::{Oracle, SEQUENCES};
use super::{name, redactor};
use crate::secret::{MARK, Redactor};

fn in_chunks<'a>(redactor: &Redactor, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut stream = redactor.stream();
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend(stream.push(chunk).into_bytes());
    }
    out.extend(stream.finish().into_bytes());
    assert_eq!(stream.pending(), 0);
    out
}

/// Values over a nasty alphabet, some of which extend others.
fn values() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let value = vec(prop::sample::select(b"aaab\n ".to_vec()), 0..14);
    let extended =
        vec((any::<prop::sample::Index>(), vec(prop::sample::select(b"ab\n".to_vec()), 1..5)), 0..3);
    (vec(value, 1..4), extended).prop_map(|(mut values, extended)| {
        for (which, tail) in extended {
            let longer = [which.get(&values).as_slice(), &tail].concat();
            values.push(longer);
        }
        values
    })
}

/// A text made of values, their beginnings and ends, wrapped forms, letters and long gaps.
fn text_of(values: Vec<Vec<u8>>) -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<u8>)> {
    let piece = (any::<prop::sample::Index>(), 0..11u8, any::<prop::sample::Index>(), 1..160usize);
    let text = vec(piece, 0..9).prop_map({
        let values = values.clone();
        move |pieces| {
            let mut text = Vec::new();
            for (which, kind, at, count) in pieces {
                let value = which.get(&values);
                let cut = at.index(value.len() + 1);
                match kind {
                    0 | 1 => text.extend_from_slice(value),
                    2 => text.extend_from_slice(&value[..cut]),
                    3 => text.extend_from_slice(&value[cut..]),
                    4 => text.extend([&value[..cut], b"\n  ", &value[cut..]].concat()),
                    5 => text.extend(STANDARD.encode(value).into_bytes()),
                    6 => text.extend(b"\r\n ".iter().cycle().take(count)),
                    9 => {
                        let sequence = SEQUENCES[count % SEQUENCES.len()].as_bytes();
                        text.extend([&value[..cut], sequence, &value[cut..]].concat());
                    }
                    10 => {
                        let sequence = SEQUENCES[count % SEQUENCES.len()].as_bytes();
                        value.iter().for_each(|byte| text.extend([sequence, &[*byte]].concat()));
                    }
                    7 => text.extend(b"ab".iter().cycle().skip(cut).take(3)),
                    _ => text.push(b"ab\n \xff"[cut % 5]),
                }
            }
            text
        }
    });
    (Just(values), text)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cut_gives_what_the_oracle_gives((values, text) in values().prop_flat_map(text_of), sizes in vec(1..7usize, 1..20)) {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let redactor = redactor(&values);
        let expected = Oracle::new(&values).redact(&text);
        prop_assert_eq!(&redactor.bytes(&text).into_bytes(), &expected);
        for cut in 0..=text.len() {
            let (before, after) = text.split_at(cut);
            prop_assert_eq!(&in_chunks(&redactor, [before, after]), &expected);
        }
        prop_assert_eq!(&in_chunks(&redactor, text.chunks(1)), &expected);
        let mut rest = &text[..];
        let chunks = sizes.iter().cycle().map_while(|size| rest.split_off(..(*size).min(rest.len())).filter(|chunk| !chunk.is_empty()));
        prop_assert_eq!(&in_chunks(&redactor, chunks), &expected);
    }

    #[test]
    fn a_silence_shows_three_bytes_of_a_needle_at_most((values, text) in values().prop_flat_map(text_of), silences in vec(any::<prop::sample::Index>(), 0..6)) {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let mut silences: Vec<usize> = silences.iter().map(|silence| silence.index(text.len() + 1)).collect();
        silences.sort_unstable();
        let mut stream = redactor(&values).stream();
        let (mut out, mut from) = (Vec::new(), 0);
        for silence in &silences {
            out.extend(stream.push(&text[from..*silence]).into_bytes());
            out.extend(stream.flush_safe().into_bytes());
            from = *silence;
        }
        out.extend(stream.push(&text[from..]).into_bytes());
        out.extend(stream.finish().into_bytes());
        let (expected, found) = Oracle::new(&values).redact_with_silences(&text, &silences);
        prop_assert_eq!(&out, &expected);
        prop_assert_eq!(stream.found(), &found.into_iter().map(name).collect());
        for value in values.iter().filter(|value| value.len() >= 4) {
            prop_assert!(!out.windows(value.len()).any(|window| window == *value));
        }
    }

    #[test]
    fn base64_of_a_longer_text_shows_nothing(before in vec(any::<u8>(), 0..200), value in vec(any::<u8>(), 7..90), after in vec(any::<u8>(), 0..120), wrap in 0..5usize) {
        let redactor = redactor(&[&value]);
        let text = [&before[..], &value, &after].concat();
        let left = (8 * before.len()).div_ceil(6);
        let right = 8 * (before.len() + value.len()) / 6;
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&text);
            let wrapped = match wrap {
                0 => encoded.clone(),
                1 => wrapped(&encoded, 76, "\n"),
                2 => wrapped(&encoded, 76, "\r\n"),
                3 => wrapped(&encoded, 64, "\n    "),
                _ => wrapped(&encoded, 1, "\n"),
            };
            let mut out = in_chunks(&redactor, wrapped.as_bytes().chunks(11));
            out.retain(|byte| !b"\r\n ".contains(byte));
            let expect = |tail: usize| [&encoded[..left], MARK, encoded.get(tail..).unwrap_or("")].concat().into_bytes();
            if after.is_empty() {
                prop_assert_eq!(out, expect(encoded.len()));
            } else {
                prop_assert!(out == expect(right) || out == expect(right + 1), "{}", String::from_utf8_lossy(&out));
            }
        }
    }

    #[test]
    fn every_escape_of_a_text_is_one_mark(value in "[a-z<>&\"'\\\\/ \u{e9}\u{1f600}$%=+\t\n]{8,40}", before in "[0-9 ]{0,9}") {
        let redactor = redactor(&[value.as_bytes()]);
        let json = serde_json::to_string(&value).unwrap();
        let json = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        let percent: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let units: String = value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let slash = json.replace('/', "\\/");
        let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;");
        for form in [&*value, json, &slash, &hex, &hex.to_uppercase(), &percent, &percent.to_lowercase(), &units, &html] {
            let text = format!("{before}|{form}|");
            let out = redactor.text(&text);
            prop_assert!(out.ends_with("<redacted>|") || value.ends_with(|c: char| c.is_ascii_whitespace()), "{form:?}: {out:?}");
            prop_assert!(!out.contains(form), "{form:?}: {out:?}");
        }
    }
}

fn wrapped(text: &str, columns: usize, with: &str) -> String {
    let lines: Vec<_> = text.as_bytes().chunks(columns).map(|line| str::from_utf8(line).unwrap()).collect();
    lines.join(with)
}
