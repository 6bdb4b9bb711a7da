//! An Aho-Corasick automaton that knows how many bytes may still become a match.
//!
//! States are numbered breadth first: the children of a state stand together, and the first states, in which
//! ordinary text stays, have a full row of transitions. The others have their children and a state to fall back to.
#![expect(
    clippy::indexing_slicing,
    reason = "states come from here alone; a fallback would be a silent leak"
)]

use std::collections::BTreeSet;
use std::ops::Range;

use crate::secret::beginnings::Tail;
use crate::secret::needle::Owners;

/// How many states have a row of their own (1 KiB each).
const ROWS: usize = 1024;

const ROW: usize = 256;

/// Set in a [`State`] in which a needle ends.
const MATCH: u32 = 1 << 31;

/// No match.
const NONE: u32 = u32::MAX;

/// A place in the automaton.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State(u32);

impl State {
    /// Whether nothing that was read begins a needle.
    pub(super) fn is_start(self) -> bool {
        self.0 == 0
    }

    /// Whether a needle ends here.
    pub(super) fn has_match(self) -> bool {
        self.0 & MATCH != 0
    }

    fn index(self) -> usize {
        (self.0 & !MATCH) as usize
    }
}

/// A needle that was found.
pub(super) struct Match {
    /// Its length.
    pub(super) len: usize,
    /// The places of the secrets it belongs to.
    pub(super) owners: BTreeSet<usize>,
    /// The longest other needle that ends at the same place as this one.
    shorter: u32,
}

/// All needles of one kind.
pub(super) struct Automaton {
    nodes: Vec<Node>,
    rows: Vec<u32>,
    matches: Vec<Match>,
    /// The last state that knows one byte at most.
    shallow: usize,
}

struct Node {
    byte: u8,
    /// Its first child; the children end where those of the next node begin.
    children: u32,
    fallback: u32,
    /// How many bytes that were read last may begin a needle. A node without children continues nowhere itself.
    live: u32,
    /// Whether those bytes are all the same.
    is_row: bool,
    /// The longest needle that ends here.
    longest: u32,
}

impl Automaton {
    /// Builds it in time linear in the length of all needles.
    pub(super) fn new(needles: &Owners) -> Self {
        let sorted: Vec<(&[u8], &BTreeSet<usize>)> = needles
            .iter()
            .filter(|(needle, _)| !needle.is_empty())
            .map(|(n, owners)| (&**n, owners))
            .collect();
        let mut automaton = Self { nodes: Vec::new(), rows: Vec::new(), matches: Vec::new(), shallow: 0 };
        automaton.nodes.push(Node {
            byte: 0,
            children: 1,
            fallback: 0,
            live: 0,
            is_row: true,
            longest: NONE,
        });
        // For each node the needles that pass through it.
        let mut through = Vec::new();
        through.push(0..sorted.len());
        let mut at = 0;
        while at < automaton.nodes.len() {
            automaton.grow(at, &sorted, &mut through);
            at += 1;
        }
        automaton.shallow = automaton.children(0).len();
        automaton.fill_rows();
        automaton
    }

    /// How many needles there are.
    pub(super) fn len(&self) -> usize {
        self.matches.len()
    }

    /// Whether at most the byte that was read last begins a needle.
    pub(super) fn is_shallow(&self, state: State) -> bool {
        state.index() <= self.shallow
    }

    /// The states before and after the last byte of bytes that were passed over.
    pub(super) fn after(&self, tail: Tail) -> (State, State) {
        let (first, last) = tail.split();
        let before = first.iter().fold(State::default(), |state, byte| self.next(state, *byte));
        (before, self.next(before, last))
    }

    /// The state after one more byte.
    #[inline]
    pub(super) fn next(&self, state: State, byte: u8) -> State {
        let mut at = state.index();
        loop {
            if let Some(next) = self.rows.get(at * ROW + usize::from(byte)) {
                return State(*next);
            }
            if let Some(child) = self.child(at, byte) {
                return self.state(child);
            }
            at = self.nodes[at].fallback as usize;
        }
    }

    /// How many of the bytes that were read last may begin a needle that is not complete.
    pub(super) fn live(&self, state: State) -> usize {
        self.nodes[state.index()].live as usize
    }

    /// The same for output that has ended: none when they are one character in a row, as in a line of `-----`.
    pub(super) fn pending(&self, state: State) -> usize {
        if self.nodes[state.index()].is_row { 0 } else { self.live(state) }
    }

    /// The needles that end in a state, from the longest; each with its number.
    pub(super) fn matches(&self, state: State) -> impl Iterator<Item = (usize, &Match)> {
        let numbered = |number: u32| self.matches.get(number as usize).map(|found| (number as usize, found));
        std::iter::successors(numbered(self.nodes[state.index()].longest), move |(_, found)| {
            numbered(found.shorter)
        })
    }

    /// Adds the children of a node, which must be the first without.
    fn grow(&mut self, at: usize, sorted: &[(&[u8], &BTreeSet<usize>)], through: &mut Vec<Range<usize>>) {
        let depth = self.nodes[at].live as usize;
        let shallower = self.nodes[at].fallback as usize;
        self.nodes[at].children = self.nodes.len() as u32;
        self.nodes[at].longest = self.nodes[shallower].longest;
        let mut rest = through[at].clone();
        // In sorted order the needle that ends here is the first of those that pass.
        if let Some((needle, owners)) = sorted[rest.clone()].first()
            && needle.len() == depth
        {
            let shorter = self.nodes[at].longest;
            self.nodes[at].longest = self.matches.len() as u32;
            self.matches.push(Match { len: depth, owners: BTreeSet::clone(owners), shorter });
            rest.start += 1;
        }
        while let Some((needle, _)) = sorted[rest.clone()].first() {
            let byte = needle[depth];
            let same = sorted[rest.clone()].partition_point(|(other, _)| other[depth] == byte);
            let fallback = if depth == 0 { 0 } else { self.fall(shallower, byte) };
            let is_row = self.nodes[at].is_row && (depth == 0 || byte == self.nodes[at].byte);
            let child =
                Node { byte, children: NONE, fallback, live: depth as u32 + 1, is_row, longest: NONE };
            self.nodes.push(child);
            through.push(rest.start..rest.start + same);
            rest.start += same;
        }
        if self.children(at).is_empty() {
            self.nodes[at].live = self.nodes[shallower].live;
            self.nodes[at].is_row = self.nodes[shallower].is_row;
        }
    }

    /// The state that `byte` leads to from a node while rows are not there yet.
    fn fall(&self, mut at: usize, byte: u8) -> u32 {
        loop {
            if let Some(child) = self.child(at, byte) {
                return child as u32;
            }
            if at == 0 {
                return 0;
            }
            at = self.nodes[at].fallback as usize;
        }
    }

    fn child(&self, at: usize, byte: u8) -> Option<usize> {
        self.children(at).find(|child| self.nodes[*child].byte == byte)
    }

    fn children(&self, at: usize) -> Range<usize> {
        let end = self.nodes.get(at + 1).map_or(NONE, |next| next.children);
        self.nodes[at].children as usize..(end as usize).min(self.nodes.len())
    }

    fn state(&self, at: usize) -> State {
        let tag = if self.nodes[at].longest == NONE { 0 } else { MATCH };
        State(at as u32 | tag)
    }

    fn fill_rows(&mut self) {
        let count = self.nodes.len().min(ROWS);
        self.rows = vec![0; count * ROW];
        for at in 0..count {
            let fallback = self.nodes[at].fallback as usize;
            // A fallback is less deep, so it stands before and its row is filled; the start has the empty row.
            self.rows.copy_within(fallback * ROW..(fallback + 1) * ROW, at * ROW);
            for child in self.children(at) {
                self.rows[at * ROW + usize::from(self.nodes[child].byte)] = self.state(child).0;
            }
        }
    }
}
