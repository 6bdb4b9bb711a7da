//! Reading a text as if its line breaks, and the indentation after each, were not there.

use std::collections::VecDeque;

use crate::secret::automaton::{Automaton, State};

/// The longest run of line breaks and indentation that is stepped over. It bounds what a stream holds back.
pub(super) const MAX_GAP: usize = 32;

/// Whether a byte begins a gap.
pub(super) fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Whether a byte goes on with a gap.
pub(super) fn is_indent(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The value without line breaks and what indents its lines.
pub(super) fn without_gaps(value: &[u8]) -> Vec<u8> {
    let mut in_gap = false;
    let mut out = Vec::with_capacity(value.len());
    for byte in value {
        in_gap = is_break(*byte) || in_gap && is_indent(*byte);
        if !in_gap {
            out.push(*byte);
        }
    }
    out
}

/// Where one stream stands in the automaton of the folded needles.
///
/// No folded needle has a line break or begins with white space. So a gap matters only inside a needle, and one that
/// is too long ends every needle that has begun.
#[derive(Default)]
pub(super) struct Folded {
    state: State,
    /// Bytes of the text that the automaton has read.
    read: u64,
    /// Bytes of the text that were stepped over.
    skipped: u64,
    /// Bytes of the gap in which the stream is.
    gap: usize,
    /// The gaps since the longest needle that is going on began, in order.
    gaps: VecDeque<Gap>,
}

struct Gap {
    /// `Folded::read` at the gap.
    at: u64,
    /// `Folded::skipped` before it.
    before: u64,
}

impl Folded {
    /// Reads one byte and says in which state matches end with it, if any do.
    pub(super) fn read(&mut self, automaton: &Automaton, byte: u8) -> Option<State> {
        if byte <= b' ' && !self.state.is_start() && self.steps_over(automaton, byte) {
            return None;
        }
        self.gap = 0;
        self.read += 1;
        self.state = automaton.next(self.state, byte);
        self.state.has_match().then_some(self.state)
    }

    /// Where in the text the last `len` bytes that were read begin.
    pub(super) fn start_of(&self, len: usize) -> u64 {
        let first = self.read.saturating_sub(len as u64);
        let next_gap = self.gaps.partition_point(|gap| gap.at <= first);
        first + self.gaps.get(next_gap).map_or(self.skipped, |gap| gap.before)
    }

    /// How many of the bytes that were read last may be the beginning of a needle.
    pub(super) fn live(&self, automaton: &Automaton) -> usize {
        automaton.live(self.state)
    }

    /// The same for a text that has ended; see [`Automaton::telling`].
    pub(super) fn telling(&self, automaton: &Automaton) -> usize {
        automaton.telling(self.state)
    }

    fn steps_over(&mut self, automaton: &Automaton, byte: u8) -> bool {
        let in_gap = self.gap > 0;
        let goes_on = in_gap && is_indent(byte);
        if !is_break(byte) && !goes_on {
            return false;
        }
        if self.gap == MAX_GAP {
            self.state = State::default();
            self.gaps.clear();
            return false;
        }
        if !in_gap {
            let live_from = self.read.saturating_sub(automaton.live(self.state) as u64);
            let settled = self.gaps.partition_point(|gap| gap.at <= live_from);
            drop(self.gaps.drain(..settled));
            self.gaps.push_back(Gap { at: self.read, before: self.skipped });
        }
        self.gap += 1;
        self.skipped += 1;
        true
    }
}
