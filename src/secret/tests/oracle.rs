//! What redaction means, written as slowly and plainly as possible.

use std::collections::BTreeSet;

use crate::secret::MARK;
use crate::secret::fold::{MAX_GAP, is_break, is_indent};
use crate::secret::needle::{Needles, Owners};

/// Stands where a gap is too long to be stepped over.
const BARRIER: u16 = 256;

pub(super) struct Oracle(Needles);

impl Oracle {
    pub(super) fn new(values: &[&[u8]]) -> Oracle {
        let mut needles = Needles::default();
        for (place, value) in values.iter().enumerate() {
            needles.add(value, place);
        }
        Oracle(needles)
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
        let folded = live_from(&folded(text), &self.0.folded);
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
        let gap = if is_break(text[place]) {
            text[place..].iter().take_while(|byte| is_break(**byte) || is_indent(**byte)).count()
        } else {
            0
        };
        if gap > MAX_GAP {
            out.push((BARRIER, place));
        } else if gap == 0 {
            out.push((u16::from(text[place]), place));
        }
        place += gap.max(1);
    }
    out
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
