//! What waits to be written to a pusher who may read slowly: bounded, with the oldest output of jobs dropped first.
//!
//! Output of jobs is what stands behind `job │ `; everything else is quire's own and is never dropped.

use std::collections::VecDeque;

/// The most bytes that wait.
pub(super) const MAX_WAITING: usize = 256 << 10;

/// What is behind the name of a job, before a line of its output.
const BAR: &str = "│";

/// Lines that wait, the oldest first, and the one that is being written.
#[derive(Debug, Default)]
pub(super) struct RelayQueue {
    lines: VecDeque<Line>,
    /// The bytes of `lines`.
    size: usize,
    /// What is written next, from `written` on.
    current: Vec<u8>,
    written: usize,
    /// The columns of the ticker that is on the screen.
    ticker: usize,
}

#[derive(Debug)]
enum Line {
    /// A line of quire's own.
    Kept(Vec<u8>),
    /// A line of output.
    Output(Vec<u8>),
    /// The ticker, without its carriage return.
    Ticker(Vec<u8>),
    /// In the place of lines of output that were dropped.
    Dropped(u64),
}

impl Line {
    fn size(&self) -> usize {
        match self {
            Self::Kept(bytes) | Self::Output(bytes) | Self::Ticker(bytes) => bytes.len(),
            Self::Dropped(_) => 0,
        }
    }
}

impl RelayQueue {
    /// Adds a line with its line feed.
    pub(super) fn push(&mut self, line: Vec<u8>) {
        self.drop_ticker();
        let second = line.split(|byte| *byte == b' ').nth(1);
        self.add(if second == Some(BAR.as_bytes()) { Line::Output(line) } else { Line::Kept(line) });
    }

    /// Sets the ticker, which is written over the one before.
    pub(super) fn push_ticker(&mut self, text: Vec<u8>) {
        self.drop_ticker();
        self.add(Line::Ticker(text));
    }

    fn add(&mut self, line: Line) {
        self.size += line.size();
        self.lines.push_back(line);
    }

    /// A ticker that was not written yet is out of date.
    fn drop_ticker(&mut self) {
        if let Some(Line::Ticker(text)) = self.lines.back() {
            self.size -= text.len();
            self.lines.pop_back();
        }
    }

    /// Whether it holds as much as it may.
    pub(super) fn is_full(&self) -> bool {
        self.size >= MAX_WAITING
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.written == self.current.len()
    }

    /// Drops the oldest lines of output until half of the room is free, and counts them; false when there were none.
    pub(super) fn drop_output(&mut self) -> bool {
        let (mut left, mut count, mut place) = (self.size, 0, None);
        let mut kept = VecDeque::with_capacity(self.lines.len());
        for line in std::mem::take(&mut self.lines) {
            match line {
                Line::Output(bytes) if left > MAX_WAITING / 2 => {
                    (left, count) = (left - bytes.len(), count + 1);
                    place.get_or_insert(kept.len());
                }
                Line::Dropped(earlier) => {
                    count += earlier;
                    place.get_or_insert(kept.len());
                }
                line @ (Line::Kept(_) | Line::Output(_) | Line::Ticker(_)) => kept.push_back(line),
            }
        }
        let has_dropped = left < self.size;
        if let Some(place) = place {
            kept.insert(place, Line::Dropped(count));
        }
        (self.lines, self.size) = (kept, left);
        has_dropped
    }

    /// The next bytes to write; empty when nothing waits.
    pub(super) fn next(&mut self) -> &[u8] {
        if self.written == self.current.len() {
            self.begin_line();
        }
        self.current.get(self.written..).unwrap_or_default()
    }

    /// Takes note of how many of these were written.
    pub(super) fn advance(&mut self, count: usize) {
        self.written = (self.written + count).min(self.current.len());
    }

    fn begin_line(&mut self) {
        self.current.clear();
        self.written = 0;
        let Some(line) = self.lines.pop_front() else { return };
        self.size -= line.size();
        let (text, ticker) = match line {
            Line::Kept(bytes) | Line::Output(bytes) => (bytes, 0),
            Line::Dropped(count) => (skipped(count).into_bytes(), 0),
            Line::Ticker(text) => {
                let columns = String::from_utf8_lossy(&text).chars().count();
                let blank = " ".repeat(self.ticker.saturating_sub(columns));
                ([&text, blank.as_bytes(), b"\r"].concat(), columns)
            }
        };
        if ticker == 0 && self.ticker > 0 {
            self.current.extend(std::iter::repeat_n(b' ', self.ticker));
            self.current.push(b'\r');
        }
        self.ticker = ticker;
        self.current.extend(text);
    }
}

/// The line in the place of so many.
fn skipped(count: u64) -> String {
    let digits = count.to_string();
    let grouped: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|three| std::str::from_utf8(three).unwrap_or_default())
        .collect();
    let lines = if count == 1 { "line" } else { "lines" };
    format!("… {} {lines} skipped; connection too slow\n", grouped.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(queue: &mut RelayQueue) -> String {
        let mut text = Vec::new();
        while !queue.is_empty() {
            // In pieces, as a pipe takes it.
            let count = queue.next().len().min(7);
            text.extend_from_slice(&queue.next()[..count]);
            queue.advance(count);
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn lines_come_out_as_they_came_in() {
        let mut queue = RelayQueue::default();
        assert!(queue.is_empty() && queue.next().is_empty());
        for line in ["quire: run 1\n", "\n", "test │ one\n"] {
            queue.push(line.into());
        }
        assert_eq!(all(&mut queue), "quire: run 1\n\ntest │ one\n");
    }

    #[test]
    fn the_oldest_output_is_dropped_and_counted_and_nothing_else() {
        let mut queue = RelayQueue::default();
        queue.push(b"quire: run 1\n".into());
        // The first line is being written.
        queue.next();
        queue.advance(3);
        let mut number = 0;
        while !queue.is_full() {
            number += 1;
            queue.push(format!("test/db │ line {number}\n").into());
            if number == 5 {
                queue.push(b"  FAILED   lint\n".into());
            }
        }
        assert!(queue.drop_output() && !queue.is_full());
        queue.push(b"error: run 1 failed\n".into());
        while !queue.is_full() {
            number += 1;
            queue.push(format!("test │ line {number}\n").into());
        }
        assert!(queue.drop_output());
        let text = all(&mut queue);
        let lines: Vec<&str> = text.lines().collect();
        let kept = lines.iter().filter(|line| line.contains('│')).count();
        let expected = format!(
            "… {} {:03} lines skipped; connection too slow",
            (number - kept) / 1000,
            (number - kept) % 1000
        );
        assert_eq!(&lines[..3], ["re: run 1", expected.as_str(), "  FAILED   lint"]);
        assert!(lines.contains(&"error: run 1 failed"));
        assert_eq!(*lines.last().unwrap(), format!("test │ line {number}"));
    }

    #[test]
    fn what_is_not_output_is_never_dropped() {
        let mut queue = RelayQueue::default();
        while !queue.is_full() {
            queue.push(b"  passed   a                  1.0 s\n".into());
        }
        assert!(!queue.drop_output() && queue.is_full());
        assert_eq!(
            (skipped(1).as_str(), skipped(4213).as_str()),
            ("… 1 line skipped; connection too slow\n", "… 4 213 lines skipped; connection too slow\n")
        );
    }

    #[test]
    fn a_ticker_is_written_over_and_gone_before_the_next_line() {
        let mut queue = RelayQueue::default();
        queue.push_ticker("0/2 · test 9 s".into());
        queue.push_ticker("0/2 · test 10 s".into());
        assert_eq!(all(&mut queue), "0/2 · test 10 s\r");
        queue.push_ticker("1/2".into());
        assert_eq!(all(&mut queue), format!("1/2{}\r", " ".repeat(12)));
        queue.push(b"  passed   test\n".into());
        assert_eq!(all(&mut queue), "   \r  passed   test\n");
        queue.push(b"x\n".into());
        assert_eq!(all(&mut queue), "x\n");
    }
}
