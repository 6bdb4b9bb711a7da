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

/// What stands in the output of programs, most of it without any value.
const OUTPUT: [&str; 26] = [
    "   Compiling serde v1.0.228\n",
    "warning: unused variable: `y`\n",
    "  12 34  56\n",
    "\x1b[0m\x1b[1m\x1b[38;5;12m",
    "\x1b[32m",
    "Größe “überschritten” – 中文字\n",
    "\u{200b}",
    "\u{ad}",
    "\x1b]8;;https://example.org/a b\x07",
    "\x1b]0;t",
    "\x1b(B",
    "                    ",
    "\n\n",
    "\r\n",
    "\x08",
    "x\x08x",
    "\x00\x01\x02",
    "\u{1f600}",
    "dist/app.js  ",
    "\x1b",
    "\u{80}",
    "0123456789abcdef",
    "0000010 67 68 70 5f 31 36 43 37\n",
    "00000000: 6768 705f 3136  ghp_16\n",
    "    a   b\n",
    "*\n",
];

/// Values that have beginnings with usual text in common.
const USUAL: [&str; 8] = [
    "ghp_16C7e42F292c",
    "warning: no",
    "0123456789",
    "dist x",
    "Größe–中文字",
    "\x1b[32mgreen\x1b[0m",
    "a\n  bcdefgh\nc",
    "[0m[1m[3",
];

/// Output with whole values and parts of them in a few forms.
fn output() -> impl Strategy<Value = Vec<u8>> {
    let value = (prop::sample::select(&USUAL[..]), 0..40usize, 0..5u8).prop_map(|(value, cut, form)| {
        let part = &value.as_bytes()[..cut.min(value.len())];
        match form {
            0 => STANDARD.encode(part).into_bytes(),
            1 => part.iter().flat_map(|byte| format!("{byte:02x} ").into_bytes()).collect(),
            2 => part.iter().flat_map(|byte| [b"\x1b[31m", &[*byte][..]].concat()).collect(),
            3 => value.as_bytes().to_vec(),
            _ => part.to_vec(),
        }
    });
    let other = prop::sample::select(&OUTPUT[..]).prop_map(|text| text.as_bytes().to_vec());
    let random = vec(any::<u8>(), 0..20);
    vec(prop_oneof![4 => other, 3 => value, 1 => random], 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_that_is_passed_over_counts_as_if_each_byte_were_read(
        text in output(), chosen in prop::sample::subsequence(&USUAL[..], 1..4), sizes in vec(1..90usize, 1..6), silences in any::<bool>(),
    ) {
        let values: Vec<&[u8]> = chosen.iter().map(|value| value.as_bytes()).collect();
        let redactor = redactor(&values);
        let (mut whole, mut single) = (redactor.stream(), redactor.stream());
        let (mut shown, mut shown_single) = (Vec::new(), Vec::new());
        let mut rest = &text[..];
        for size in sizes.iter().cycle() {
            let Some(chunk) = rest.split_off(..(*size).min(rest.len())).filter(|chunk| !chunk.is_empty()) else { break };
            shown.extend(whole.push(chunk).into_bytes());
            // No byte is passed over when each comes by itself.
            chunk.chunks(1).for_each(|byte| shown_single.extend(single.push(byte).into_bytes()));
            prop_assert_eq!(&shown, &shown_single);
            prop_assert_eq!(whole.cut_value(), single.cut_value());
            if silences {
                shown.extend(whole.flush_safe().into_bytes());
                shown_single.extend(single.flush_safe().into_bytes());
            }
        }
        shown.extend(whole.finish().into_bytes());
        shown_single.extend(single.finish().into_bytes());
        prop_assert_eq!(shown, shown_single);
        prop_assert_eq!(whole.found(), single.found());
    }
}

fn wrapped(text: &str, columns: usize, with: &str) -> String {
    let lines: Vec<_> = text.as_bytes().chunks(columns).map(|line| str::from_utf8(line).unwrap()).collect();
    lines.join(with)
}
