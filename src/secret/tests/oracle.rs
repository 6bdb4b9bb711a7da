//! What redaction means, written as slowly and plainly as possible.

use std::collections::BTreeSet;

use crate::secret::MARK;
use crate::secret::fold::{MAX_GAP, is_blank};
use crate::secret::needle::{Needles, Owners};

/// Stands where a gap is too long to be stepped over.
const BARRIER: u16 = 256;

pub(super) struct Oracle(Needles);

impl Oracle {
    pub(super) fn new(values: &[&[u8]]) -> Self {
        let mut needles = Needles::default();
        for (place, value) in values.iter().enumerate() {
            needles.add(value, place);
        }
        Self(needles)
    }

    pub(super) fn redact(&self, text: &[u8]) -> Vec<u8> {
        self.redact_with_silences(text, &[]).0
    }

    /// The redacted text and the places of the secrets in it, when there was a silence after each of some bytes.
    pub(super) fn redact_with_silences(&self, text: &[u8], silences: &[usize]) -> (Vec<u8>, BTreeSet<usize>) {
        let shown: Vec<_> =
            silences.iter().map(|silence| (*silence, self.shown_at(&text[..*silence]))).collect();
        let mut masked = vec![false; text.len()];
        let mut found = BTreeSet::new();
        for (needles, text) in [(&self.0.verbatim, unfolded(text)), (&self.0.folded, folded(text))] {
            for (needle, owners) in needles {
                for window in text.windows(needle.len()).filter(|window| spells(window, needle)) {
                    let (first, last) = (window[0].1, window[needle.len() - 1].1);
                    let before = shown.iter().filter(|(silence, _)| *silence <= last);
                    let shown = before.map(|(_, shown)| *shown).max().unwrap_or(0);
                    masked[first.max(shown)..=last].fill(true);
                    found.extend(owners);
                }
            }
        }
        let ends = [(&self.0.verbatim, unfolded(text)), (&self.0.folded, folded(text))];
        let cut = ends.iter().filter_map(|(needles, text)| cut_from(text, needles)).min();
        if let Some(cut) = cut {
            let shown = shown.iter().map(|(_, shown)| *shown).max().unwrap_or(0);
            masked[cut.max(shown)..].fill(true);
        }
        let mut out = Vec::new();
        for (place, byte) in text.iter().enumerate() {
            if !masked[place] {
                out.push(*byte);
            } else if place == 0 || !masked[place - 1] {
                out.extend_from_slice(MARK.as_bytes());
            }
        }
        (out, found)
    }

    /// What a silence after a text shows of it at least.
    fn shown_at(&self, text: &[u8]) -> usize {
        let verbatim = live_from(&unfolded(text), &self.0.verbatim);
        let folded = folded(text);
        // A backspace may take the last byte away.
        let taken_back =
            folded.split_last().filter(|((_, last), _)| *last + 1 == text.len()).map(|(_, rest)| rest);
        let places = [Some(&*folded), taken_back].into_iter().flatten();
        let folded = places.filter_map(|text| live_from(text, &self.0.folded));
        verbatim.into_iter().chain(folded).min().unwrap_or(text.len())
    }
}

fn unfolded(text: &[u8]) -> Vec<(u16, usize)> {
    text.iter().map(|byte| u16::from(*byte)).zip(0..).collect()
}

/// The text without its gaps; each byte with its place.
fn folded(text: &[u8]) -> Vec<(u16, usize)> {
    let mut out = Vec::new();
    let mut place = 0;
    while place < text.len() {
        let mut gap = 0;
        while let length @ 1.. = step(&text[place + gap..]) {
            gap += length;
        }
        if gap > MAX_GAP {
            out.push((BARRIER, place));
        } else if gap == 0 {
            out.push((u16::from(text[place]), place));
        }
        place += gap.max(1);
    }
    out
}

/// What the tests put into values in addition to white space.
pub(super) const SEQUENCES: [&str; 8] = [
    "\x1b[01;31m\x1b[K",
    "\x1b[m",
    "\x1b]8;;x\x1b\\",
    "\x1b]0;t\x07",
    "\x1b(B",
    "\u{200b}",
    "\u{ad}",
    "\u{feff}",
];

/// How many bytes of a gap a text begins with; what may become a sequence at its end counts as one.
fn step(text: &[u8]) -> usize {
    let parts = ["\x1b[01;31m", "\x1b[K"].into_iter().chain(SEQUENCES);
    let known = parts.map(str::as_bytes).find(|part| text.starts_with(part)).map(<[u8]>::len);
    let begun =
        SEQUENCES.iter().any(|part| !text.is_empty() && text.len() < 12 && part.as_bytes().starts_with(text));
    let begun = begun || (!text.is_empty() && b"\x1b[K".starts_with(text));
    known.unwrap_or(match text {
        _ if begun => text.len(),
        [byte, ..] if is_blank(*byte) => 1,
        _ => 0,
    })
}

fn spells(window: &[(u16, usize)], needle: &[u8]) -> bool {
    window.iter().zip(needle).all(|((symbol, _), byte)| *symbol == u16::from(*byte))
}

/// The same at the end of a text, unless it is one symbol in a row.
fn cut_from(text: &[(u16, usize)], needles: &Owners) -> Option<usize> {
    let start = live_from(text, needles)?;
    let tail = text.iter().filter(|(_, place)| *place >= start).map(|(symbol, _)| *symbol);
    let symbols: BTreeSet<u16> = tail.collect();
    (symbols.len() > 1).then_some(start)
}

/// Where the longest beginning of an incomplete needle starts with which a text ends, if it has 4 bytes or more.
fn live_from(text: &[(u16, usize)], needles: &Owners) -> Option<usize> {
    let begins = |tail: &[(u16, usize)]| {
        needles.keys().any(|needle| needle.len() > tail.len() && spells(tail, needle))
    };
    let start = (0..text.len()).find(|start| begins(&text[*start..]))?;
    (text.len() - start >= 4).then(|| text[start].1)
}
