//! Reading a text as if its white space, control characters, escape sequences and characters without a width were not
//! there.

use std::collections::VecDeque;

use crate::secret::automaton::{Automaton, State};
use crate::secret::beginnings::Passed;
use crate::secret::sequence::{MAX_SEQUENCE, Next, Sequence};

/// The longest gap that is stepped over. It bounds what a stream holds back.
pub(super) const MAX_GAP: usize = 128;

/// The backspace: it takes the character before it away, as old programs print bold letters.
pub(super) const BACKSPACE: u8 = 0x08;

/// Whether a byte is stepped over by itself: white space and control characters.
pub(super) fn is_blank(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

/// Whether a byte is read without a second look.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~')
}

/// The value without its gaps.
pub(super) fn gap_free(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [byte, tail @ ..] = rest {
        let length = sequence_length(rest);
        if length == 0 && !is_blank(*byte) {
            out.push(*byte);
        }
        rest = rest.get(length..).filter(|_| length > 0).unwrap_or(tail);
    }
    out
}

/// The length of the complete sequence that bytes begin with; 0 when they begin with none.
fn sequence_length(bytes: &[u8]) -> usize {
    let mut bytes = bytes.iter().take(MAX_SEQUENCE).zip(1..);
    let Some(mut sequence) = bytes.next().and_then(|(first, _)| Sequence::begin(*first)) else { return 0 };
    for (byte, length) in bytes {
        match sequence.next(*byte) {
            Next::Open(open) => sequence = open,
            Next::Complete => return length,
            Next::No => return 0,
        }
    }
    0
}

/// Where one stream stands in the automaton of the folded needles.
///
/// No folded needle has a gap in it. So a gap matters only inside a needle, and one that is too long ends every needle
/// that has begun. Whether bytes are a sequence is known at its end: until then they are read as they are, and at its end
/// the automaton goes back to where it was before.
#[derive(Default)]
pub(super) struct Folded {
    state: State,
    /// The state before the last byte that was read.
    before: State,
    /// Bytes of the text that the automaton has read.
    read: u64,
    /// Bytes of the text that were stepped over.
    skipped: u64,
    /// Bytes of the gap in which the stream is.
    gap: usize,
    /// The gaps since the longest needle in progress began, in order.
    gaps: VecDeque<Gap>,
    open: Option<Open>,
}

struct Gap {
    /// `Folded::read` at the gap.
    at: u64,
    /// `Folded::skipped` before it.
    before: u64,
}

/// A sequence that is not complete, and where the automaton was before it.
struct Open {
    sequence: Sequence,
    length: usize,
    state: State,
    before: State,
    read: u64,
    skipped: u64,
    gap: usize,
    gaps: usize,
}

impl Folded {
    /// Reads one byte and says in which state matches end with it, if any do.
    #[inline]
    pub(super) fn read(&mut self, automaton: &Automaton, byte: u8) -> Option<State> {
        let is_odd = !is_plain(byte) && (self.has_begun() || Sequence::begin(byte).is_some());
        if (is_odd || self.open.is_some()) && self.steps_over(automaton, byte) {
            return None;
        }
        self.gap = 0;
        self.read += 1;
        self.before = self.state;
        self.state = automaton.next(self.state, byte);
        self.state.has_match().then_some(self.state)
    }

    /// Whether the byte before was read, in no gap, and nothing before it matters.
    pub(super) fn is_calm(&self, automaton: &Automaton) -> bool {
        self.gap == 0 && self.open.is_none() && automaton.is_shallow(self.state)
    }

    /// Reads `count` bytes that were passed over.
    pub(super) fn pass(&mut self, automaton: &Automaton, count: u64, passed: &Passed) {
        // No needle has begun before the tail, so that it does not matter which bytes were in earlier gaps.
        let gap = passed.gap as u64;
        self.read += count - gap;
        self.gaps.clear();
        if gap > 0 {
            self.gaps.push_back(Gap { at: self.read - 1, before: self.skipped });
            self.skipped += gap;
        }
        (self.before, self.state) = automaton.after(passed.tail);
    }

    /// Where in the text the last `len` bytes that were read begin.
    pub(super) fn start_of(&self, len: usize) -> u64 {
        self.place_of(self.read.saturating_sub(len as u64))
    }

    /// Where the longest beginning of a needle starts of which `min` bytes or more were read, also one that ended with the
    /// last byte: a backspace may take that byte away.
    pub(super) fn live_from(&self, automaton: &Automaton, min: usize) -> Option<u64> {
        let taken_back = (self.gap == 0).then(|| (self.before, self.read.saturating_sub(1)));
        self.from(taken_back, min, |state| automaton.live(state))
    }

    /// The same for a text that has ended; see [`Automaton::pending`].
    pub(super) fn pending_from(&self, automaton: &Automaton, min: usize) -> Option<u64> {
        self.from(None, min, |state| automaton.pending(state))
    }

    fn from(
        &self,
        taken_back: Option<(State, u64)>,
        min: usize,
        live: impl Fn(State) -> usize,
    ) -> Option<u64> {
        let behind = self.open.as_ref().map(|open| (open.state, open.read));
        let places = [Some((self.state, self.read)), behind, taken_back].into_iter().flatten();
        let starts = places.filter_map(|(state, read)| {
            let live = live(state);
            (live >= min).then(|| self.place_of(read.saturating_sub(live as u64)))
        });
        starts.min()
    }

    fn place_of(&self, first: u64) -> u64 {
        let next_gap = self.gaps.partition_point(|gap| gap.at <= first);
        first + self.gaps.get(next_gap).map_or(self.skipped, |gap| gap.before)
    }

    /// Whether a byte belongs to a gap, as far as is known.
    fn steps_over(&mut self, automaton: &Automaton, byte: u8) -> bool {
        if let Some(mut open) = self.open.take() {
            open.length += 1;
            match open.sequence.next(byte) {
                Next::Open(sequence) if open.length < MAX_SEQUENCE => {
                    open.sequence = sequence;
                    self.open = Some(open);
                    return is_blank(byte) && !self.state.is_start() && self.skip(automaton, 1);
                }
                Next::Complete => {
                    self.go_back(&open);
                    return self.skip(automaton, open.length);
                }
                Next::Open(_) | Next::No => {}
            }
        }
        if let Some(sequence) = Sequence::begin(byte) {
            self.open = Some(Open {
                sequence,
                length: 1,
                state: self.state,
                before: self.before,
                read: self.read,
                skipped: self.skipped,
                gap: self.gap,
                gaps: self.gaps.len(),
            });
        }
        if !self.has_begun() {
            return false;
        }
        if byte == BACKSPACE && self.gap == 0 {
            self.read = self.read.saturating_sub(1);
            self.state = self.before;
            return self.skip(automaton, 2);
        }
        is_blank(byte) && !self.state.is_start() && self.skip(automaton, 1)
    }

    /// Whether a needle has begun, or would have without the last byte that was read.
    fn has_begun(&self) -> bool {
        !self.state.is_start() || (self.gap == 0 && !self.before.is_start())
    }

    fn go_back(&mut self, open: &Open) {
        (self.state, self.before) = (open.state, open.before);
        (self.read, self.skipped, self.gap) = (open.read, open.skipped, open.gap);
        self.gaps.truncate(open.gaps);
    }

    /// Steps over bytes; when the gap is too long, everything that has begun is over, and they count as read.
    fn skip(&mut self, automaton: &Automaton, count: usize) -> bool {
        if self.gap + count > MAX_GAP {
            (self.state, self.before) = (State::default(), State::default());
            self.gaps.clear();
            if let Some(open) = &mut self.open {
                (open.state, open.before, open.gaps) = (State::default(), State::default(), 0);
            }
            // The last of them is read by who asked.
            self.read += count as u64 - 1;
            self.gap = 0;
            return false;
        }
        if self.gap == 0 {
            if self.open.is_none() {
                let live_from = self.read.saturating_sub(automaton.live(self.state) as u64);
                let settled = self.gaps.partition_point(|gap| gap.at <= live_from);
                drop(self.gaps.drain(..settled));
            }
            if self.gaps.back().is_none_or(|last| last.at < self.read) {
                self.gaps.push_back(Gap { at: self.read, before: self.skipped });
            }
        }
        self.gap += count;
        self.skipped += count as u64;
        true
    }
}
