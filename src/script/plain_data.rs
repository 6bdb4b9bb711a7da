//! The data files that nearly everybody writes, read without Fennel's own parser, which takes longer to load than a server
//! takes to start.
//!
//! This knows tables with strings as keys, lists, strings, keywords, decimal numbers, `true`, `false`, `nil` and comments. It gives
//! nothing as soon as it sees anything else, or a mistake: then Fennel's parser reads the file.

use std::sync::Arc;

use super::data::MAX_DATA_DEPTH;
use crate::model::Span;
use crate::schema::{Node, Source, Value};

/// The longest number, in bytes: a 64-bit float holds each of these digits.
const MAX_NUMBER: usize = 15;

/// Reads a file that holds one table.
pub(super) fn read(source: &Arc<Source>) -> Option<Node> {
    let mut reader = Reader { source, text: source.text.as_bytes(), at: 0, line: 1, line_at: 0 };
    reader.skip_blank();
    if reader.peek() != Some(b'{') {
        return None;
    }
    let node = reader.value(0)?;
    reader.skip_blank();
    reader.peek().is_none().then_some(node)
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    text: &'a [u8],
    at: usize,
    /// The line of the next byte.
    line: u32,
    /// Where that line begins.
    line_at: usize,
}

/// Where a value begins.
struct Begin {
    line: u32,
    column: u32,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line += 1;
            self.line_at = self.at + 1;
        }
        self.at += 1;
    }

    fn begin(&self) -> Begin {
        Begin { line: self.line, column: self.column(), at: self.at }
    }

    fn column(&self) -> u32 {
        u32::try_from(self.at - self.line_at + 1).unwrap_or(u32::MAX)
    }

    /// The value that ends before the next byte, which is on the same line as its last.
    fn node(&self, begin: &Begin, value: Value) -> Node {
        let span =
            Span { line: begin.line, column: begin.column, end_line: self.line, end_column: self.column() };
        Node::new(Some(span), value, self.source)
    }

    /// Steps over white space and comments; says whether there was any.
    fn skip_blank(&mut self) -> bool {
        let before = self.at;
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.step(),
                Some(b';') => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.step();
                    }
                }
                _ => return self.at > before,
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        if depth > MAX_DATA_DEPTH {
            return None;
        }
        let begin = self.begin();
        match self.peek()? {
            b'{' => {
                let items = self.items(b'}', depth)?;
                Some(self.node(&begin, Value::Table(pairs(items)?)))
            }
            b'[' => {
                let items = self.items(b']', depth)?;
                Some(self.node(&begin, Value::List(items)))
            }
            b'"' => {
                let text = self.string()?;
                Some(self.node(&begin, Value::String(text)))
            }
            _ => {
                while self.peek().is_some_and(is_of_word) {
                    self.step();
                }
                let word = str::from_utf8(self.text.get(begin.at..self.at)?).ok()?;
                Some(self.node(&begin, word_value(word)?))
            }
        }
    }

    /// The values up to a closing delimiter; what stands next to each other without white space is left to Fennel.
    fn items(&mut self, closer: u8, depth: usize) -> Option<Vec<Node>> {
        self.step();
        let mut items = Vec::new();
        let mut is_apart = true;
        loop {
            is_apart |= self.skip_blank();
            if self.peek()? == closer {
                self.step();
                return Some(items);
            }
            if !is_apart {
                return None;
            }
            items.push(self.value(depth + 1)?);
            is_apart = false;
        }
    }

    fn string(&mut self) -> Option<String> {
        self.step();
        let mut bytes = Vec::new();
        loop {
            let byte = self.peek()?;
            self.step();
            match byte {
                b'"' => return String::from_utf8(bytes).ok(),
                b'\\' => {
                    bytes.push(match self.peek()? {
                        b'n' => b'\n',
                        b't' => b'\t',
                        same @ (b'\\' | b'"') => same,
                        _ => return None,
                    });
                    self.step();
                }
                0..b' ' | 0x7f => return None,
                _ => bytes.push(byte),
            }
        }
    }
}

/// Whether a byte belongs to a keyword, a number or a name.
fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":-_./*+!?<>=".contains(&byte) || byte >= 0x80
}

fn word_value(word: &str) -> Option<Value> {
    match word {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "nil" => Some(Value::Nil),
        _ => match word.strip_prefix(':') {
            Some(keyword) if !keyword.is_empty() && !keyword.contains(':') => {
                Some(Value::String(keyword.to_owned()))
            }
            Some(_) => None,
            None => number(word),
        },
    }
}

/// A decimal number: digits, maybe with a sign before them and a fraction behind them.
fn number(word: &str) -> Option<Value> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = match digits.split_once('.') {
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => is_digits(digits),
    };
    let value: f64 = if is_plain && digits.len() <= MAX_NUMBER { word.parse().ok()? } else { return None };
    // Fennel's `-0` is a whole number.
    (value != 0.0 || digits == word).then(|| Value::Number(value.into()))
}

/// Keys and values by turns, as pairs; nothing when something is wrong with a key.
fn pairs(items: Vec<Node>) -> Option<Vec<(Node, Node)>> {
    let mut pairs: Vec<(Node, Node)> = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let Some(key) = items.next() {
        let is_text = matches!(key.value, Value::String(_));
        if !is_text || pairs.iter().any(|(other, _)| other.value == key.value) {
            return None;
        }
        pairs.push((key, items.next()?));
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::script::data;

    fn plain(text: &str) -> Option<Node> {
        read(&Source::fennel("config.fnl", text.to_owned()))
    }

    /// Where this reads something, Fennel's parser reads the same at the same places.
    fn expect_as_fennel(text: &str) -> bool {
        let Some(node) = plain(text) else { return false };
        assert_eq!(
            data::read_with_fennel(&Source::fennel("config.fnl", text.to_owned())),
            Ok(node),
            "{text}"
        );
        true
    }

    #[test]
    fn what_people_write_is_read_here() {
        for text in [
            "{}",
            "; settings\n{:http {:bind \"127.0.0.1:7878\"}\n :é [1 -2.5 true nil :k \"a\\nb\"]}\n",
            "{:secrets {:token {:file \"/run/secrets/token\"} :other \"v\"} ; a comment\r\n :limits {:runs 4 :log \"64M\"}}",
            "{\"key\" [] :a false :b [[] {} [[:x]]] :c \"\\\"\\\\\\t\" :d 007 :e 0 :f 1.50 :g :a/b.c-d_e*+!?<>=}",
        ] {
            assert!(expect_as_fennel(text), "{text}");
        }
    }

    #[test]
    fn everything_else_is_left_to_fennel() {
        for text in [
            "",
            "[]",
            "5",
            "{} {}",
            "{:a}",
            "{:a 1 :a 2}",
            "{1 2}",
            "{:a b}",
            "{:a (f)}",
            "{: a}",
            "{:a 1",
            "{:a 1]",
            "{:a \"x}",
            "{:a \"\\x41\"}",
            "{:a 1e3}",
            "{:a 0x10}",
            "{:a 1_000}",
            "{:a -0}",
            "{:a #1}",
            "{:a 'b}",
            "{:a \"x\"\"y\"}",
            "{:a[1]}",
            "{:a \"x\ny\"}",
            "{:a :b:c}",
            "{:a .inf}",
            "{:a nan}",
            "{:a 1234567890123456}",
            "{:a \u{b}1}",
            "{:a 1.}",
            "{:a .5}",
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
        let nested = |depth: usize| format!("{{:a {}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(expect_as_fennel(&nested(MAX_DATA_DEPTH)) && plain(&nested(MAX_DATA_DEPTH + 1)).is_none());
        assert!(plain(&nested(1_000_000)).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_mixture_is_read_as_fennel_reads_it(
            words in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", "{", "}", "[", "]", " ", " ", " ", "\n", "\r\n", "; c\n", ":a", ":b", ":é", ":c/d", "\"x\"", "\"é\\n\"", "\"\\\\\"",
                "1", "-2.5", "0", "-0", "1.0", "12e3", "true", "false", "nil", "name", ":", "(", ")", "#", "~", ",", "@", "`", "'", "_", ".", "é", "\t",
            ]), 0..24),
        ) {
            let text = format!("{{:k [{}]}}", words.concat());
            expect_as_fennel(&text);
            expect_as_fennel(&format!("{{{}}}", words.concat()));
        }
    }
}
