//! The last records of an output, in bounded memory.

use std::collections::VecDeque;

/// The newest records whose lines fit into a limit, and the count of dropped output bytes.
#[derive(Debug)]
pub(super) struct Tail {
    limit: usize,
    lines: VecDeque<u8>,
    /// For each record: the length of its line, and of the output in it.
    records: VecDeque<(usize, u64)>,
    left_out: u64,
}

impl Tail {
    /// A tail of at most this many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, lines: VecDeque::new(), records: VecDeque::new(), left_out: 0 }
    }

    /// Appends a record, and drops the oldest records that no longer fit.
    pub(super) fn push(&mut self, line: &[u8], output_len: u64) {
        self.lines.extend(line);
        self.records.push_back((line.len(), output_len));
        while self.lines.len() > self.limit {
            let Some((oldest, output)) = self.records.pop_front() else { break };
            self.lines.drain(..oldest);
            self.left_out += output;
        }
    }

    /// How many bytes of output were dropped.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The lines in the buffer, oldest first; it is empty afterwards.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.records.clear();
        std::mem::take(&mut self.lines).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_records_are_dropped_and_counted() {
        let mut tail = Tail::new(10);
        tail.push(b"aaaa\n", 3);
        tail.push(b"bbbb\n", 4);
        assert_eq!(tail.left_out(), 0);
        tail.push(b"c\n", 1);
        assert_eq!(tail.left_out(), 3);
        tail.push(b"longer than it\n", 9);
        assert_eq!(tail.left_out(), 17);
        assert_eq!(tail.take(), b"");
    }
}
