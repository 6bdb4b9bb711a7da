//! Passing over text in which no needle begins, without a step of the automata for each byte of it.
//!
//! While no three bytes in a row begin a needle, an automaton knows the last two at most: its state follows from them.
//! So the two automata need not walk. This says how far that is so; they walk again behind it.

use crate::secret::fold::{BACKSPACE, MAX_GAP, is_blank};
use crate::secret::needle::Owners;
use crate::secret::sequence::{ESCAPE, Next, Sequence};

/// The longest escape sequence that is passed over.
const MAX_LENGTH: usize = 64;

/// How many numbers two bytes have.
const NUMBERS: usize = 1 << 16;

/// Which bytes needles begin with.
pub(super) struct Beginnings {
    kinds: Vec<Kind>,
    /// Pairs that begin a needle.
    pairs: Numbers,
    /// The same, and all pairs whose second byte may be one of a gap.
    stops: Numbers,
    /// Three bytes that begin a needle, and others that have the same number.
    triples: Numbers,
}

/// Text that was passed over. It does not end in a gap.
pub(super) struct Passed {
    pub(super) end: usize,
    /// Its last bytes without gaps; before them nothing matters.
    pub(super) tail: Tail,
    /// Bytes of the gap before its last byte.
    pub(super) gap: usize,
}

/// The last three bytes, or fewer.
#[derive(Clone, Copy)]
pub(super) struct Tail {
    bytes: [u8; 3],
    count: usize,
}

impl Tail {
    #[inline]
    fn push(&mut self, byte: u8) {
        let [_, before, last] = self.bytes;
        self.bytes = [before, last, byte];
        self.count += 1;
    }

    /// The last byte, and those before it.
    pub(super) fn split(&self) -> (&[u8], u8) {
        let [.., last] = self.bytes;
        (self.bytes.get(3 - self.count.clamp(1, 3)..2).unwrap_or_default(), last)
    }
}

/// How a byte is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// At any place.
    Ordinary,
    Blank,
    Backspace,
    /// It may begin a sequence.
    Sequence,
}

impl Kind {
    fn of(byte: u8) -> Self {
        match byte {
            BACKSPACE => Self::Backspace,
            _ if Sequence::begin(byte).is_some() => Self::Sequence,
            _ if is_blank(byte) => Self::Blank,
            _ => Self::Ordinary,
        }
    }
}

/// A set of numbers below [`NUMBERS`].
#[derive(Clone)]
struct Numbers(Vec<u64>);

impl Numbers {
    fn add(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }

    #[inline]
    fn has(&self, number: usize) -> bool {
        self.0.get(number / 64).is_none_or(|word| word >> (number % 64) & 1 == 1)
    }
}

#[inline]
fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

#[inline]
fn triple(first: u8, second: u8, third: u8) -> usize {
    let number = u32::from_be_bytes([0, first, second, third]);
    (number.wrapping_mul(0x9e37_79b1) >> 16) as usize
}

impl Beginnings {
    /// What the needles of both automata begin with.
    pub(super) fn new(verbatim: &Owners, folded: &Owners) -> Self {
        let mut pairs = Numbers(vec![0; NUMBERS / 64]);
        let mut triples = pairs.clone();
        for needle in verbatim.keys().chain(folded.keys()) {
            // No needle has fewer bytes.
            if let [first, second, third, ..] = needle[..] {
                pairs.add(pair(first, second));
                triples.add(triple(first, second, third));
            }
        }
        let mut stops = pairs.clone();
        let kinds = (0..=u8::MAX).map(Kind::of).collect();
        for second in (0..=u8::MAX).filter(|byte| Kind::of(*byte) != Kind::Ordinary) {
            (0..=u8::MAX).for_each(|first| stops.add(pair(first, second)));
        }
        Self { kinds, pairs, stops, triples }
    }

    /// How far the text can be passed over from a place on. The automata have read the byte before that place, in no gap,
    /// and know at most that byte.
    pub(super) fn pass(&self, text: &[u8], from: usize) -> Option<Passed> {
        let mut last = *text.get(from.checked_sub(1)?)?;
        // A long run of one byte that may be a gap is walked: to look for its end at each of its bytes takes the square.
        if text.get(from) == Some(&last) && !self.is_ordinary(last) {
            return None;
        }
        let (mut tail, mut end, mut gap) = (Tail { bytes: [last; 3], count: 1 }, from, 0);
        loop {
            let run = text.get(end..)?;
            let length = self.length_of_run(run, last);
            let run = run.get(..length)?;
            run.get(length.saturating_sub(3)..)?.iter().for_each(|byte| tail.push(*byte));
            if length > 0 {
                (end, gap) = (end + length, 0);
            }
            last = run.last().copied().unwrap_or(last);
            let Some(behind) = self.behind_stop(text, end, last) else { break };
            last = *text.get(behind)?;
            tail.push(last);
            (gap, end) = (behind - end, behind + 1);
        }
        (end > from).then_some(Passed { end, tail, gap })
    }

    fn is_ordinary(&self, byte: u8) -> bool {
        self.kinds.get(usize::from(byte)) == Some(&Kind::Ordinary)
    }

    /// How many bytes follow the last one of which no two may be more.
    #[inline]
    fn length_of_run(&self, text: &[u8], mut last: u8) -> usize {
        let mut length = 0;
        for byte in text {
            if self.stops.has(pair(last, *byte)) {
                break;
            }
            last = *byte;
            length += 1;
        }
        length
    }

    /// The place of the next byte to pass over where a pair stands that may be more.
    fn behind_stop(&self, text: &[u8], at: usize, last: u8) -> Option<usize> {
        let byte = *text.get(at)?;
        if !self.is_ordinary(byte) {
            return self.behind_gap(text, at, last);
        }
        let third = *text.get(at + 1)?;
        (self.is_ordinary(third) && !self.triples.has(triple(last, byte, third))).then_some(at)
    }

    /// The place of the first byte behind a gap, when neither the gap nor this byte lets a needle continue.
    fn behind_gap(&self, text: &[u8], begin: usize, last: u8) -> Option<usize> {
        let (mut at, mut previous) = (begin, last);
        let byte = loop {
            let byte = *text.get(at)?;
            let kind = self.kinds.get(usize::from(byte))?;
            let length = match kind {
                Kind::Blank if self.pairs.has(pair(previous, byte)) => return None,
                Kind::Blank => 1,
                Kind::Ordinary => break byte,
                Kind::Backspace => return None,
                Kind::Sequence => self.sequence_length(text.get(at - 1..)?, last)?,
            };
            if length == 0 {
                break byte;
            }
            at += length;
            if at - begin > MAX_GAP {
                return None;
            }
            previous = *text.get(at - 1)?;
        };
        let is_begun = self.pairs.has(pair(previous, byte)) || self.pairs.has(pair(last, byte));
        (!is_begun).then_some(at)
    }

    /// The length of a complete sequence, which the second byte of a text begins; 0 when none exists and its first
    /// byte is read as any other; none when it is not passed over. Until it is complete, its bytes are read as they are.
    fn sequence_length(&self, text: &[u8], last: u8) -> Option<usize> {
        let length = match text {
            // Colours: nearly all there are.
            [_, ESCAPE, b'[', rest @ ..] => {
                let parameters = rest.iter().position(|byte| !matches!(byte, 0x20..=0x3f))?;
                matches!(rest.get(parameters)?, 0x40..=0x7e).then_some(parameters + 3)?
            }
            [_, rest @ ..] => length_of(rest)?,
            [] => return None,
        };
        let bytes = text.get(..=length).filter(|_| length < MAX_LENGTH)?;
        (!self.may_begin_in(bytes, last)).then_some(length)
    }

    /// Whether a needle may begin in a sequence, or with the last byte before it and continue in it.
    fn may_begin_in(&self, sequence: &[u8], mut last: u8) -> bool {
        let mut rest = sequence;
        while let [previous, byte, after @ ..] = rest {
            let is_pair = self.pairs.has(pair(*previous, *byte))
                || (!is_blank(*byte) && self.pairs.has(pair(last, *byte)));
            let is_triple = after.first().is_none_or(|third| {
                last != *previous || is_blank(*third) || self.triples.has(triple(last, *byte, *third))
            });
            if is_pair && is_triple {
                return true;
            }
            if !is_blank(*byte) {
                last = *byte;
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        false
    }
}

/// The length of a complete sequence that a text begins with; 0 when it begins with a character that has a width.
fn length_of(text: &[u8]) -> Option<usize> {
    let mut sequence = Sequence::begin(*text.first()?)?;
    let is_character = matches!(sequence, Sequence::Character(..));
    for (byte, length) in text.iter().zip(1..).skip(1) {
        match sequence.next(*byte) {
            Next::Open(open) if length < MAX_LENGTH => sequence = open,
            Next::Complete => return Some(length),
            Next::No if is_character => return Some(0),
            Next::Open(_) | Next::No => return None,
        }
    }
    None
}
