//! Redaction of one output that arrives in chunks.
//!
//! Invariants: what is held begins where a needle may have begun, or at the silence that made us show it; the masks
//! lie in order, without touching, in what is held.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io::BufRead as _;
use std::ops::Range;
use std::sync::Arc;

use crate::model::SecretName;
use crate::secret::automaton::{Automaton, State};
use crate::secret::dump::Dump;
use crate::secret::fold::Folded;
use crate::secret::redactor::{Known, MARK, Redacted};

/// The shortest beginning of a needle that is held back in a silence.
const MIN_LIVE: usize = 4;

/// Redacts one output. The result is the same however the output is cut into chunks.
pub struct RedactStream {
    known: Arc<Known>,
    verbatim: State,
    folded: Folded,
    dump: Dump,
    /// Bytes that came so far.
    read: u64,
    /// What is not decided yet; its first byte is number `held_from` of the stream.
    held: VecDeque<u8>,
    held_from: u64,
    masks: VecDeque<Mask>,
    /// Whether the last thing released was a mark.
    after_mark: bool,
    seen: Seen,
    found: BTreeSet<SecretName>,
}

/// The needles that were found already, by number.
#[derive(Default)]
struct Seen {
    verbatim: BTreeSet<usize>,
    folded: BTreeSet<usize>,
}

/// Bytes of the stream that belong to a secret.
#[derive(Debug, Clone, Copy)]
struct Mask {
    start: u64,
    end: u64,
}

impl RedactStream {
    pub(super) fn new(known: Arc<Known>) -> Self {
        Self {
            known,
            verbatim: State::default(),
            folded: Folded::default(),
            dump: Dump::default(),
            read: 0,
            held: VecDeque::new(),
            held_from: 0,
            masks: VecDeque::new(),
            after_mark: false,
            seen: Seen::default(),
            found: BTreeSet::new(),
        }
    }

    /// Takes a chunk and gives what is decided by now.
    pub fn push(&mut self, chunk: &[u8]) -> Redacted {
        let mut out = Vec::new();
        self.pass_on(chunk, &mut |clean| out.extend_from_slice(clean));
        Redacted::new(out)
    }

    /// Takes a chunk and gives the parts of what is decided by now, in order. What has no secret in it is not copied.
    ///
    /// There is one copy of it for all callers: the loop over the bytes is compiled into it.
    pub(crate) fn pass_on(&mut self, chunk: &[u8], clean: &mut dyn FnMut(&[u8])) {
        if self.known.names.is_empty() {
            self.read += chunk.len() as u64;
        } else {
            self.scan(chunk);
        }
        let mut fresh = chunk;
        self.release(self.decided(1), &mut fresh, clean);
        self.held.extend(fresh);
    }

    /// Gives what is left. What is pushed after this is another output, which has nothing to do with the first.
    ///
    /// The beginning of a needle that the output ends with is masked when it has 4 bytes or more: a step that was killed,
    /// or a text that was cut, ends within a value.
    pub fn finish(&mut self) -> Redacted {
        self.scan_dump(&Arc::clone(&self.known), None);
        let cut = self.cut_value();
        if cut > 0 {
            self.mask(self.read - cut);
        }
        let rest = self.release_held(self.read);
        (self.verbatim, self.folded, self.dump) = (State::default(), Folded::default(), Dump::default());
        (self.read, self.held_from, self.after_mark) = (0, 0, false);
        rest
    }

    /// Gives what may be shown in a silence: everything before the beginning of a needle that has 4 bytes or more.
    ///
    /// Up to 3 bytes of a value may so be shown before its mark.
    pub fn flush_safe(&mut self) -> Redacted {
        self.release_held(self.decided(MIN_LIVE))
    }

    /// The secrets that were masked so far.
    pub(crate) fn found(&self) -> &BTreeSet<SecretName> {
        &self.found
    }

    /// How many bytes are held back.
    pub(crate) fn pending(&self) -> usize {
        self.held.len()
    }

    /// How many bytes at the end begin a needle, if that has 4 or more there.
    pub(super) fn cut_value(&self) -> u64 {
        let verbatim = self.known.verbatim.pending(self.verbatim);
        let folded = self.folded.pending_from(&self.known.folded, MIN_LIVE);
        let dump = self.dump.cut_from(&self.known.windows, MIN_LIVE);
        self.read - self.first_of(verbatim, [folded, dump], MIN_LIVE)
    }

    fn scan(&mut self, chunk: &[u8]) {
        let known = Arc::clone(&self.known);
        let mut at = 0;
        while let Some(byte) = chunk.get(at) {
            self.scan_lines(&known, chunk, at..at + 1);
            self.walk(&known, *byte);
            at += 1;
            if self.is_calm(&known)
                && let Some(passed) = known.beginnings.pass(chunk, at)
            {
                self.scan_lines(&known, chunk, at..passed.end);
                self.verbatim = known.verbatim.after(passed.tail).1;
                self.folded.pass(&known.folded, (passed.end - at) as u64, &passed);
                at = passed.end;
            }
        }
    }

    /// Whether at most the byte that was read last begins a needle.
    fn is_calm(&self, known: &Known) -> bool {
        known.verbatim.is_shallow(self.verbatim) && self.folded.is_calm(&known.folded)
    }

    /// Reads one byte that may belong to a needle.
    fn walk(&mut self, known: &Known, byte: u8) {
        self.verbatim = known.verbatim.next(self.verbatim, byte);
        if self.verbatim.has_match() {
            let len = longest(&known.verbatim, self.verbatim);
            self.mask(self.read.saturating_sub(len as u64));
            note(known, &known.verbatim, self.verbatim, &mut self.seen.verbatim, &mut self.found);
        }
        if let Some(state) = self.folded.read(&known.folded, byte) {
            self.mask(self.folded.start_of(longest(&known.folded, state)));
            note(known, &known.folded, state, &mut self.seen.folded, &mut self.found);
        }
    }

    /// Reads a part of a chunk as lines of a dump.
    fn scan_lines(&mut self, known: &Known, chunk: &[u8], part: Range<usize>) {
        if known.windows.is_empty() {
            self.read += part.len() as u64;
            return;
        }
        let mut at = part.start;
        while let Some([byte, rest @ ..]) = chunk.get(at..part.end) {
            if self.dump.is_fresh() {
                self.dump.leave_other_line(chunk.get(at..).unwrap_or_default());
            }
            if *byte == b'\n' || self.dump.is_reading() {
                self.scan_dump(known, Some(*byte));
                self.read += 1;
                at += 1;
                if self.dump.is_touched() {
                    self.mask(self.read - 1);
                }
            } else {
                let length = 1 + length_of_line(rest);
                self.read += length as u64;
                at += length;
            }
        }
    }

    /// Reads one byte as one of a dump, or the end of the output. What is found ends before it.
    fn scan_dump(&mut self, known: &Known, byte: Option<u8>) {
        let mut first: Option<u64> = None;
        let found = |window, start| {
            let mut owners = known.windows.owners(window).peekable();
            let is_part = owners.peek().is_some();
            if is_part {
                first = Some(first.map_or(start, |first| first.min(start)));
            }
            for name in owners.filter_map(|owner| known.names.get(owner)) {
                if !self.found.contains(name) {
                    self.found.insert(name.clone());
                }
            }
            is_part
        };
        match byte {
            Some(byte) => self.dump.read(byte, self.read, found),
            None => self.dump.end(found),
        }
        if let Some(first) = first {
            self.mask(first);
        }
    }

    /// Masks from `start` to what was read last.
    fn mask(&mut self, start: u64) {
        let mut mask = Mask { start: start.max(self.held_from), end: self.read };
        while let Some(last) = self.masks.back()
            && last.end >= mask.start
        {
            mask.start = mask.start.min(last.start);
            self.masks.pop_back();
        }
        self.masks.push_back(mask);
    }

    /// The first byte of the stream that may belong to a needle of which `min_live` bytes or more were read.
    fn decided(&self, min_live: usize) -> u64 {
        let folded = self.folded.live_from(&self.known.folded, min_live);
        let dump = self.dump.live_from(&self.known.windows, min_live);
        self.first_of(self.known.verbatim.live(self.verbatim), [folded, dump], min_live)
    }

    fn first_of(&self, verbatim: usize, others: [Option<u64>; 2], min_live: usize) -> u64 {
        let mut decided = self.read;
        if verbatim >= min_live {
            decided = decided.min(self.read.saturating_sub(verbatim as u64));
        }
        others.into_iter().flatten().fold(decided, u64::min)
    }

    fn release_held(&mut self, decided: u64) -> Redacted {
        let mut out = Vec::new();
        self.release(decided, &mut &[][..], |clean| out.extend_from_slice(clean));
        Redacted::new(out)
    }

    /// Takes what stands before `decided` out of what is held and of the fresh bytes behind it.
    ///
    /// A mask that begins there or before is released wholly: a match that continues from within it adds to the same mark.
    fn release(&mut self, decided: u64, fresh: &mut &[u8], mut clean: impl FnMut(&[u8])) {
        while let Some(mask) = self.masks.front().copied()
            && mask.start <= decided.max(self.held_from)
        {
            self.masks.pop_front();
            self.take(mask.start, fresh, &mut clean);
            if !self.after_mark {
                clean(MARK.as_bytes());
                self.after_mark = true;
            }
            self.drop_until(mask.end, fresh);
        }
        self.take(decided, fresh, &mut clean);
    }

    /// Releases the bytes before `until` as they are.
    fn take(&mut self, until: u64, fresh: &mut &[u8], mut clean: impl FnMut(&[u8])) {
        let count = until.saturating_sub(self.held_from) as usize;
        if count > 0 {
            let (front, back) = self.held.as_slices();
            let of_back = count.saturating_sub(front.len());
            let parts = [
                front.get(..count).unwrap_or(front),
                back.get(..of_back).unwrap_or(back),
                fresh.get(..count.saturating_sub(self.held.len())).unwrap_or(fresh),
            ];
            parts.into_iter().filter(|part| !part.is_empty()).for_each(&mut clean);
            self.after_mark = false;
            self.drop_until(until, fresh);
        }
    }

    fn drop_until(&mut self, until: u64, fresh: &mut &[u8]) {
        let count = until.saturating_sub(self.held_from) as usize;
        let of_held = count.min(self.held.len());
        drop(self.held.drain(..of_held));
        *fresh = fresh.get(count - of_held..).unwrap_or_default();
        self.held_from = self.held_from.max(until);
    }
}

impl fmt::Debug for RedactStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found: Vec<_> = self.found.iter().map(SecretName::as_str).collect();
        f.debug_struct("RedactStream").field("pending", &self.pending()).field("found", &found).finish()
    }
}

/// How many bytes stand before the first line feed.
fn length_of_line(mut bytes: &[u8]) -> usize {
    let (whole, length) = (bytes, bytes.skip_until(b'\n').unwrap_or_default());
    length - usize::from(whole.get(..length).is_some_and(|line| line.ends_with(b"\n")))
}

fn longest(automaton: &Automaton, state: State) -> usize {
    automaton.matches(state).next().map_or(0, |(_, found)| found.len)
}

/// Notes whose needles end in a state. Behind one that was seen are only such that were seen with it.
fn note(
    known: &Known,
    automaton: &Automaton,
    state: State,
    seen: &mut BTreeSet<usize>,
    found: &mut BTreeSet<SecretName>,
) {
    for (_, needle) in automaton.matches(state).take_while(|(number, _)| seen.insert(*number)) {
        found.extend(needle.owners.iter().filter_map(|owner| known.names.get(*owner)).cloned());
    }
}
