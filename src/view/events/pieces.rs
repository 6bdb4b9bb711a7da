//! The lines of one log as text: a line too long for one event comes in parts.

use crate::log::{MAX_RECORD, Record, Stream};
use crate::model::Timestamp;

/// The most text of a line in one piece, in bytes.
pub(super) const MAX_TEXT: usize = 64 << 10;

/// A line of output, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// The number of the line in its log, over both streams, from 1.
    pub(super) n: u64,
    /// Which part of the line it is, from 1; nothing when it is the whole.
    pub(super) part: Option<u32>,
    /// When it was written.
    pub(super) time: Timestamp,
    /// Its origin.
    pub(super) stream: Stream,
    pub(super) text: String,
}

/// Makes pieces of the records of one log. The pieces depend on the records only, not on when they are read.
#[derive(Debug, Default)]
pub(super) struct LogPieces {
    /// How many lines have begun.
    count: u64,
    /// The lines that have begun and not ended.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    piece: Piece,
    /// The parts that were given.
    parts: u32,
    /// The beginning of a character whose end has not come.
    cut: Vec<u8>,
}

impl LogPieces {
    /// Takes one record; `give` gets what it completes. A line that stops in the middle, such as a prompt, is given as far
    /// as it goes. One that is only longer than a record is not: its end follows.
    pub(super) fn push(&mut self, record: &Record, give: &mut impl FnMut(Piece)) {
        let known = self.open.iter().position(|open| open.piece.stream == record.stream);
        let mut open = match known {
            Some(place) => self.open.swap_remove(place),
            None => {
                self.count += 1;
                Open::new(self.count, record.stream)
            }
        };
        open.piece.time = record.time;
        open.decode(&record.bytes, give);
        let is_silent = !record.ends_line && record.bytes.len() < MAX_RECORD;
        if record.ends_line {
            open.end(give);
            return;
        }
        if is_silent && !open.piece.text.is_empty() {
            open.give_part(open.piece.text.len(), give);
        }
        self.open.push(open);
    }

    /// The log is complete: what is left of its lines is given.
    pub(super) fn finish(&mut self, give: &mut impl FnMut(Piece)) {
        let mut open = std::mem::take(&mut self.open);
        open.sort_by_key(|open| open.piece.n);
        open.into_iter().for_each(|open| open.end(give));
    }
}

impl Open {
    fn new(n: u64, stream: Stream) -> Self {
        let piece = Piece { n, part: None, time: Timestamp::from_millis(0), stream, text: String::new() };
        Self { piece, parts: 0, cut: Vec::new() }
    }

    fn decode(&mut self, bytes: &[u8], give: &mut impl FnMut(Piece)) {
        let whole = [std::mem::take(&mut self.cut).as_slice(), bytes].concat();
        let mut chunks = whole.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.piece.text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            let is_cut = std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if is_cut && chunks.peek().is_none() {
                self.cut = invalid.to_vec();
            } else if !invalid.is_empty() {
                self.piece.text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        while self.piece.text.len() > MAX_TEXT {
            let is_boundary = |place: &usize| self.piece.text.is_char_boundary(*place);
            self.give_part((0..=MAX_TEXT).rev().find(is_boundary).unwrap_or_default(), give);
        }
    }

    fn give_part(&mut self, length: usize, give: &mut impl FnMut(Piece)) {
        let rest = self.piece.text.split_off(length);
        self.parts += 1;
        give(Piece { part: Some(self.parts), ..self.piece.clone() });
        self.piece.text = rest;
    }

    /// The line has ended. Nothing is given when all of it was.
    fn end(mut self, give: &mut impl FnMut(Piece)) {
        if !self.cut.is_empty() {
            self.piece.text.push(char::REPLACEMENT_CHARACTER);
        }
        if self.parts == 0 {
            give(self.piece);
        } else if !self.piece.text.is_empty() {
            self.give_part(self.piece.text.len(), give);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(stream: Stream, bytes: &[u8], ends_line: bool) -> Record {
        Record { time: Timestamp::from_millis(0), stream, ends_line, bytes: bytes.to_vec() }
    }

    fn pieces(records: &[Record]) -> Vec<(u64, Option<u32>, String)> {
        let (mut pieces, mut given) = (LogPieces::default(), Vec::new());
        let mut give = |piece: Piece| given.push((piece.n, piece.part, piece.text));
        records.iter().for_each(|record| pieces.push(record, &mut give));
        pieces.finish(&mut give);
        given
    }

    #[test]
    fn lines_are_numbered_over_both_streams_and_a_prompt_is_given_at_once() {
        let records = [
            record(Stream::Stdout, b"one", true),
            record(Stream::Stdout, b"name? ", false),
            record(Stream::Stderr, b"two", true),
            record(Stream::Stdout, b"ada", true),
            record(Stream::Stderr, b"", true),
            record(Stream::Stdout, b"no end", false),
        ];
        let expected = [
            (1, None, "one"),
            (2, Some(1), "name? "),
            (3, None, "two"),
            (2, Some(2), "ada"),
            (4, None, ""),
            (5, Some(1), "no end"),
        ];
        assert_eq!(pieces(&records), expected.map(|(n, part, text)| (n, part, text.to_owned())));
    }

    #[test]
    fn a_long_line_comes_in_parts_of_at_most_64_kib_and_no_character_is_cut() {
        for text in
            ["x".repeat(200_000), "é€😀".repeat(30_000), "y".repeat(MAX_TEXT), "z".repeat(MAX_TEXT + 1)]
        {
            let mut records: Vec<Record> = text
                .as_bytes()
                .chunks(MAX_RECORD)
                .map(|bytes| record(Stream::Stdout, bytes, false))
                .collect();
            records.last_mut().unwrap().ends_line = true;
            let given = pieces(&records);
            assert_eq!(given.iter().map(|(_, _, text)| text.as_str()).collect::<String>(), text);
            assert!(given.iter().all(|(n, _, text)| *n == 1 && text.len() <= MAX_TEXT));
            let parts: Vec<Option<u32>> = given.iter().map(|(_, part, _)| *part).collect();
            let count = u32::try_from(parts.len()).unwrap();
            assert_eq!(parts, if count == 1 { vec![None] } else { (1..=count).map(Some).collect() });
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_stay_within_the_limit() {
        let records =
            [record(Stream::Stdout, &[0xff; MAX_RECORD], false), record(Stream::Stdout, b"a\xe2\x82", true)];
        let given = pieces(&[&records[..1], &records[..1], &records[..]].concat());
        assert!(given.iter().all(|(_, _, text)| text.len() <= MAX_TEXT));
        let text: String = given.iter().map(|(_, _, text)| text.as_str()).collect();
        assert_eq!(text, format!("{}a\u{fffd}", "\u{fffd}".repeat(3 * MAX_RECORD)));
    }
}
