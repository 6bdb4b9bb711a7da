//! All forms of a value that must be found, and which of them are sought in the text without its gaps.

use std::collections::{BTreeMap, BTreeSet};

use crate::secret::encode;
use crate::secret::escape;
use crate::secret::fold;

/// The shortest value that is masked.
pub(super) const MIN_VALUE: usize = 4;

/// The shortest line and the shortest encoded form that is masked.
pub(super) const MIN_DERIVED: usize = 8;

/// The longest value that is also sought escaped and in the encodings that make it several times as long; a longer
/// one is sought as it is, in base64, in hexadecimal and line by line.
pub(super) const MAX_ESCAPED: usize = 64 * 1024;

/// The longest value that is also sought from each of its `%` on.
const MAX_FORMAT: usize = 512;

/// Needles, and the places of the secrets they belong to.
pub(super) type Owners = BTreeMap<Vec<u8>, BTreeSet<usize>>;

/// The needles of all secrets.
#[derive(Default)]
pub(super) struct Needles {
    /// Sought in the text as it is.
    pub(super) verbatim: Owners,
    /// Sought in the text without its gaps.
    pub(super) folded: Owners,
    /// Values and the places of their secrets; their parts are sought in dumps.
    pub(super) dumped: Vec<(Vec<u8>, usize)>,
}

impl Needles {
    /// Adds every form of a value. One with gaps in it is sought in the text as it is, and without them in the text
    /// without gaps.
    pub(super) fn add(&mut self, value: &[u8], owner: usize) {
        for form in forms(value) {
            let folded = fold::gap_free(&form);
            if folded.len() < MIN_DERIVED || folded != form {
                self.verbatim.entry(form).or_default().insert(owner);
            }
            if folded.len() >= MIN_DERIVED {
                self.folded.entry(folded).or_default().insert(owner);
            }
        }
        let values = wholes(value).into_iter().chain([with_line_feeds(value)]);
        self.dumped.extend(values.map(|value| (value, owner)));
    }
}

/// Every form of one value.
fn forms(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    if value.len() < MIN_VALUE {
        return forms;
    }
    for whole in wholes(value) {
        let mut encoded = encode::common(&whole);
        if whole.len() <= MAX_ESCAPED {
            encoded.extend(encode::long(&whole));
            forms.extend(escape::all(&whole));
        }
        forms.extend(encoded.into_iter().filter(|form| form.len() >= MIN_DERIVED));
        let case = [whole.to_ascii_uppercase(), whole.to_ascii_lowercase()];
        forms.extend(case.into_iter().filter(|form| form.len() >= MIN_DERIVED));
        forms.insert(whole);
    }
    if value.len() <= MAX_FORMAT {
        forms.extend(mistaken_formats(value).into_iter().filter(|form| form.len() >= MIN_DERIVED));
    }
    let value = with_line_feeds(value);
    let lines: Vec<&[u8]> = value.split(|byte| *byte == b'\n').map(without_return).collect();
    if lines.len() > 1 {
        let joined = [&b"\n"[..], b"\r\n", b" ", b"\\n", b"\\r\\n"].map(|with| lines.join(with));
        forms.extend(joined.into_iter().filter(|form| form.len() >= MIN_DERIVED));
        for line in lines.into_iter().map(<[u8]>::trim_ascii).filter(|line| is_telling(line)) {
            forms.extend(escape::all(line));
            forms.extend(encode::common(line).into_iter().filter(|form| form.len() >= MIN_DERIVED));
            forms.insert(line.to_vec());
        }
    }
    forms
}

/// The value; the value as it is after `$(cat file)`, which drops line feeds at the end, or without white space around
/// it; the value as a text, when it is not UTF-8 and the replacement characters leave enough of it.
fn wholes(value: &[u8]) -> Vec<Vec<u8>> {
    let mut wholes = vec![value.to_vec()];
    let trimmed = value.trim_ascii();
    if trimmed.len() != value.len() && trimmed.len() >= MIN_VALUE {
        wholes.push(trimmed.to_vec());
    }
    let text = String::from_utf8_lossy(value);
    let legible: usize = text.split(char::REPLACEMENT_CHARACTER).map(str::len).sum();
    if text.as_bytes() != value && legible >= MIN_DERIVED {
        wholes.push(text.into_owned().into_bytes());
    }
    wholes
}

/// What Lua quotes of a format that it does not understand: `os.date` from a `%` on, `string.format` up to the letter
/// after its flags and digits. And what `os.date` leaves of a value behind a `%`, whose first letter it takes.
fn mistaken_formats(value: &[u8]) -> Vec<Vec<u8>> {
    let places = value.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    let tails = places.filter_map(|(place, _)| value.get(place..));
    let parts = tails.flat_map(|tail| {
        let after = tail.iter().skip(1).take_while(|byte| b"-+ #.0123456789".contains(byte)).count();
        [Some(tail), tail.get(..after + 2)]
    });
    let taken = match value {
        [b'E' | b'O', _, rest @ ..] => [value.get(1..), Some(rest)],
        _ => [value.get(1..), None],
    };
    parts.flatten().chain(taken.into_iter().flatten()).map(<[u8]>::to_vec).collect()
}

/// The value with each written `\n` as a line feed: keys come so in one-line variables and inside JSON.
fn with_line_feeds(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    loop {
        rest = match rest {
            [b'\\', b'r', b'\\', b'n', rest @ ..] | [b'\\', b'n', rest @ ..] => {
                out.push(b'\n');
                rest
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
            [] => return out,
        }
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether a line is worth a mask by itself: `{`, `}` and `--------` are not.
fn is_telling(line: &[u8]) -> bool {
    line.len() >= MIN_DERIVED && line.iter().any(u8::is_ascii_alphanumeric)
}
